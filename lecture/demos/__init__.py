"""Demos of one minute: each says what to watch, and checks its own result."""
