"""DQN itself: networks, replay, exploration, steps of training."""
