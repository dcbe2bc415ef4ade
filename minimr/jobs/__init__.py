"""The moving parts of rung 1, one concept a file.

    messages     who tells whom what: the whole protocol
    tracker      which task is where: decisions, with no socket or clock
    coordinator  the driver's side: sockets, processes and time
    worker       the other side: runs tasks, serves its partitions
    store        what a worker keeps: blocks and outputs, on its disk

`minimr/mapreduce.py` shows how they make one MapReduce. In Ray, all of
this is hidden behind `.remote()` and `get`.
"""
