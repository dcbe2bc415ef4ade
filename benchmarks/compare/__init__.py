"""Two versions of minimr in one run."""
