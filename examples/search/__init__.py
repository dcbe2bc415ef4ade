"""Hyperparameters are searched: many trials of one network."""
