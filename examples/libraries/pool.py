"""Python's process pool on actors: `multiprocessing.Pool` for a cluster.

Work is cut into chunks, and a chunk goes to the next process that is free.
A program for `multiprocessing` needs another import, and nothing else.

Watch: the times of the chunk sizes. Chunks that are too small cost a message
       each; with one chunk per process, the slowest of them is waited for.
From:  Learning Ray, chapter 1 (drop-in replacements).
Next:  a process that dies loses its chunk: give it to another one.
"""

import time
from itertools import islice

CHUNKS = 4  # per process, if nobody says how long a chunk is


class Process:
    """Runs chunks. It is an actor, so `initializer` is called once."""

    def __init__(self, initializer, initargs):
        if initializer is not None:
            initializer(*initargs)

    def run(self, function, calls):
        """Return what the function gives for each list of arguments."""
        return [function(*args) for args in calls]


class Pool:
    """So many processes. A part of `multiprocessing.Pool`."""

    def __init__(self, ray, processes, initializer=None, initargs=()):
        self.ray = ray
        kind = ray.remote(num_cpus=1)(Process)
        self.processes = [
            kind.remote(initializer, initargs) for _ in range(processes)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.terminate()

    def _chunks(self, function, calls, chunksize):
        """Yield (number, reference) of chunks, as they are done."""
        calls, number = iter(calls), 0
        busy, free = {}, list(self.processes)  # {reference: (number, who)}
        while True:
            while free and (chunk := list(islice(calls, chunksize))):
                process = free.pop()
                done = process.run.remote(function, chunk)
                busy[done], number = (number, process), number + 1
            if not busy:
                return
            (done, *_), _ = self.ray.wait(list(busy))
            index, process = busy.pop(done)
            free.append(process)
            yield index, done

    def apply(self, function, args=()):
        """Return what one call gives."""
        return self.starmap(function, [args])[0]

    def map(self, function, items, chunksize=None):
        """Return what the function gives for each item, in order."""
        return self.starmap(function, [(i,) for i in items], chunksize)

    def starmap(self, function, calls, chunksize=None):
        """Return what it gives for each list of arguments, in order."""
        calls = list(calls)
        if chunksize is None:
            chunksize = -(-len(calls) // (CHUNKS * len(self.processes))) or 1
        chunks = dict(self._chunks(function, calls, chunksize))
        order = [chunks[index] for index in range(len(chunks))]
        return [one for chunk in self.ray.get(order) for one in chunk]

    def imap_unordered(self, function, items, chunksize=1):
        """Yield what it gives as it comes; items are taken as needed."""
        calls = ((item,) for item in items)
        for _, chunk in self._chunks(function, calls, chunksize):
            yield from self.ray.get(chunk)

    def terminate(self):
        """End the processes."""
        for process in self.processes:
            self.ray.kill(process)


def is_prime(number):
    """Return whether no smaller number divides it."""
    return number > 1 and all(
        number % one for one in range(2, int(number**0.5) + 1)
    )


def main(ray, full=False, *, processes=2):
    """Return how many primes there are, and some powers."""
    limit = 200_000 if full else 20_000
    numbers = range(limit)
    alone = [is_prime(number) for number in numbers]
    with Pool(ray, processes) as pool:
        for chunksize in 200, 2_000, limit // processes:
            begin = time.perf_counter()
            found = pool.map(is_prime, numbers, chunksize)
            took = time.perf_counter() - begin
            print(f"chunks of {chunksize:7,}: {took:5.2f} s")
            assert found == alone, "the pool has found other primes"
        powers = pool.starmap(pow, [(2, 5), (3, 2)])
        lengths = sorted(pool.imap_unordered(len, ["a", "bc", "def"]))
    return sum(found), powers, lengths
