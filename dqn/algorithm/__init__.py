"""DQN itself: network, replay, exploration, training."""
