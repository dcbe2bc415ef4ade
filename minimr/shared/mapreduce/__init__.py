"""Word-count jobs, splits, map and reduce tasks, the shuffle."""
