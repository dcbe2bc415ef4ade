"""A maze is learned: reinforcement learning without a network."""
