"""What every rung of the ladder implements."""
