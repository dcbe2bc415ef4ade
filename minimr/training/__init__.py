"""An example for parameter servers: a small network learns digits."""
