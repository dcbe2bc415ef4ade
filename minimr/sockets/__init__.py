"""Rung 1: MapReduce and a parameter server by hand, on sockets."""
