"""The command line: `python -m dqn COMMAND`."""
