"""A run from its settings to its files: history, checkpoints, sweeps."""
