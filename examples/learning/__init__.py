"""Reinforcement learning: actors play, and a network learns."""
