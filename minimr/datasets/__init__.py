"""What there is to count and to learn."""
