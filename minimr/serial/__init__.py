"""Rung 0: the for loop, which judges all other rungs."""
