"""Long runs: a million tasks, a thousand actors, 2 GB."""
