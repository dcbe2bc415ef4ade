"""The moving parts of rung 1, one concept a file.

    messages     who tells whom what: the whole protocol
    tracker      which task is where: decisions, with no socket or clock
    coordinator  the driver's side: who does what, and what has happened
    members      the workers that are there, until they die
    processes    those that the driver has started
    worker       the other side: runs tasks, serves its partitions
    fetch        how a reduce task gets its blocks
    store        what a worker keeps: blocks and outputs, on its disk
    errors       what a task raised, on its way to the driver

`minimr/sockets/mapreduce.py` shows how they make one MapReduce. In Ray, all of
this is hidden behind `.remote()` and `get`.
"""
