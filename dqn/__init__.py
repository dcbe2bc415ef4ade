"""A distributed DQN that learns to land, on any engine with Ray's verbs.

Importing this package does nothing.
"""
