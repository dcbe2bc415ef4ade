"""How long DQN takes to learn, beside other learners."""
