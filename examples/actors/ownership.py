"""Who owns an object: the process that called `remote` or `put` for it.

The owner counts the references, knows where the value lies, and makes it
anew if it is lost. Who only gets a reference depends on the owner: if that
dies, the object is lost, even if its value still lies somewhere.

    driver ── make.remote() ──> maker      the result is the driver's
    driver ── keep.remote() ──> maker ── put      what is put is the maker's

Watch: the maker is killed. One of two objects that it made survives.
From:  Learning Ray, chapter 2; the ownership paper (NSDI 2021).
Next:  let a task call `put` and return the reference. When does its object
       go, although nobody was killed?
"""

import time

import numpy as np


def main(ray, full=False):
    """Return what is left after the maker's death."""
    size = 10_000_000 if full else 1_000_000

    @ray.remote
    class Maker:
        def make(self):
            return np.ones(size)

        def keep(self):
            return [ray.put(np.ones(size))]  # in a list: the reference itself

    @ray.remote
    def total(array):
        return int(array.sum())

    maker = Maker.remote()
    ours = maker.make.remote()
    (its,) = ray.get(maker.keep.remote())
    before = ray.get([total.remote(ours), total.remote(its)])
    print(f"while the maker lives:  ours {before[0]:,}, its {before[1]:,}")

    ray.kill(maker)
    ours_left = ray.get(total.remote(ours))
    print(
        f"after its death:        ours {ours_left:,}, its {end_of(ray, its)}"
    )

    assert before == [size, size], "they were never there"
    assert ours_left == size, "the maker was its owner"
    return before, ours_left


def end_of(ray, reference, patience_s=30):
    """Return the error of an object, once its owner is known to be dead."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            ray.get(reference)
            time.sleep(0.05)  # the news takes its time
        except ray.exceptions.OwnerDiedError as error:
            return f"lost: {type(error).__name__}"
    raise AssertionError("the object outlives its owner")
