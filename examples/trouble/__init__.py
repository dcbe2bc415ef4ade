"""Trouble: what goes wrong, beside its cure."""
