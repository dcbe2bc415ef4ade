"""Word count on every engine and on its peers."""
