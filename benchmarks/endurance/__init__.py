"""What must last: a million tasks, a thousand actors, 2 GB."""
