"""An example for parameter servers: a network that reads digits."""
