"""How each runtime starts, runs a function and stops."""
