"""Small parts, and everything that can happen to them up to a depth.

    search       all paths, the shortest first
    tracker      the tracker of rung 1
    rounds       the rounds of a parameter server
    references   one object, its owner and two borrowers
    nodes        the leases of one node, and the scheduler of two
    models       which of these there are

The classes are the real ones. `minimr/simulation/runs.py` has whole
clusters, of which chance draws some runs out of too many.
"""
