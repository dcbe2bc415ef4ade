"""The moving parts of rung 1, one concept per file.

    messages       the whole protocol, on one page
    tracker        which task is where: decisions, with no socket or clock
    coordinator    the driver's side: sends orders, handles what happens
    membership     the workers that are there, until they die
    local_workers  the processes that the driver has started
    worker         the other side: runs tasks, serves its blocks
    worker_job     what a worker has of one job
    fetch          how a reduce task gets its blocks
    block_store    blocks, on the worker's disk
    errors         what a task raised, on its way to the driver

`minimr/sockets/mapreduce.py` shows how they make one MapReduce. In Ray, all of
this is hidden behind `.remote()` and `get`.
"""
