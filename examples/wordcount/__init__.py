"""Word count, as a student writes it."""
