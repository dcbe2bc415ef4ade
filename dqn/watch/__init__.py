"""Games of a trained network to watch."""
