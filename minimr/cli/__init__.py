"""The command line: `minimr COMMAND`."""
