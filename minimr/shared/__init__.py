"""What is computed, the same on every rung: no socket, no process."""
