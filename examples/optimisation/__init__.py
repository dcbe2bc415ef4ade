"""Optimisation: one loss, computed in parts by many processes."""
