"""Out-of-date modules: a process imports a file once, whatever becomes of it.

A function of a module travels by its name, and the worker imports the file.
If you then edit the file, `importlib.reload` helps the driver; the processes
that have imported it stay with what they have.

Watch: 30 here, and still 2 in the actor. Two cures: reload it there as well,
       or run the task in a process that ends with it (`max_calls=1`).
From:  Ray 0.2.2's documentation: reload in a worker.
Next:  let an ordinary task import the file, on four CPUs: after the edit,
       which answers do you get? Then ship the function by value:
       `cloudpickle.register_pickle_by_value`.
"""

import importlib
import sys
import tempfile
from pathlib import Path


def rate(folder, reload=False):
    """Return what the file says, as far as this process knows."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()  # the file is new
    module = importlib.import_module("edited_file")
    return (importlib.reload(module) if reload else module).RATE


def main(ray, full=False):
    """Return what each process knows."""

    @ray.remote
    class Actor:
        def rate(self, folder, reload=False):
            return rate(folder, reload)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "edited_file.py")
        file.write_text("RATE = 2\n")
        actor = Actor.remote()
        before = ray.get(actor.rate.remote(folder))

        file.write_text("RATE = 30  # edited\n")
        stale = ray.get(actor.rate.remote(folder))
        here = rate(folder, reload=True)
        once = ray.remote(max_calls=1)(rate)
        new = ray.get([once.remote(folder) for _ in range(2)])
        reloaded = ray.get(actor.rate.remote(folder, reload=True))

    print(f"before {before}; after the edit: here {here}, there {stale}")
    print(f"new processes: {new}, reloaded there: {reloaded}")
    assert (before, stale) == (2, 2), "the actor has seen the edit"
    assert (here, *new, reloaded) == (30, 30, 30, 30), "a cure failed"
    return before, stale, here, new, reloaded
