"""First steps: tasks, objects and references."""
