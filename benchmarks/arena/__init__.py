"""Runtimes side by side: the same cases, an environment for each."""
