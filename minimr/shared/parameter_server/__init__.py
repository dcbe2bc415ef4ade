"""Rounds, consistency, updates, weights, checkpoints."""
