"""Texts to count, and digits to learn."""
