"""Programs whose tasks print, on either module.

    python printing_programs.py MODULE PROGRAM [ARGUMENT...]

The tests read what they print; `until_read` waits until they have.
"""
# ruff: noqa: T201

import importlib
import logging
import os
import signal
import sys

LETTERS = 100_000


def start(ray, **keywords):
    if ray.__name__ == "ray":
        keywords |= {"include_dashboard": False}
        keywords |= {"_node_ip_address": "127.0.0.1"}
    ray.init(**({"num_cpus": 1} | keywords))


def until_read():
    sys.stdin.read()


def speaks(ray):
    """Say something in every way."""
    start(ray, num_cpus=4)

    @ray.remote
    def unfinished():
        print("no newline at all", end=" ")

    @ray.remote
    def bar():
        for step in range(4):
            print(f"\rstep {step} of 3", end="", flush=True)

    @ray.remote
    def other_script():
        print("文" * LETTERS)

    @ray.remote
    def logs():
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(msg)s")
        logging.info("training has begun")

    @ray.remote
    class Maker:
        def __init__(self):
            print("words of a constructor")

        def call(self):
            print("words of a method")

    @ray.remote
    class Ranked:
        def __repr__(self):
            return "Ranked(rank=3)"

        def call(self):
            print("words of rank 3")

        def fail(self):
            raise ValueError("no")

    maker, ranked = Maker.remote(), Ranked.remote()
    tasks = [unfinished, bar, other_script, logs]
    ray.get([task.remote() for task in tasks])
    ray.get([maker.call.remote(), ranked.call.remote()])
    try:
        ray.get(ranked.fail.remote())
    except ValueError as error:
        print("it has raised:", str(error).splitlines()[0], flush=True)
    until_read()


def alternates(ray):
    """Two functions print in turns, in one worker."""
    start(ray)

    @ray.remote
    def odd():
        print("1")

    @ray.remote
    def even():
        print("2")

    ray.get([task.remote() for _ in range(20) for task in (odd, even)])


def ends(ray, how):
    """Print in a task, and end."""
    start(ray, num_cpus=2)

    @ray.remote
    def hello(number):
        print("hello", number)

    @ray.remote(max_retries=0)
    def dies():
        print("my last words")
        os.kill(os.getpid(), signal.SIGKILL)

    ray.get([hello.remote(number) for number in range(3)])
    if how == "raises":
        raise ValueError("on purpose")
    if how == "exits":
        sys.exit(3)
    if how == "shuts down":
        ray.shutdown()
    if how == "its task dies":
        ray.get(dies.remote())


def long_line(ray, megabytes):
    """Print one line that is very long."""
    start(ray)

    @ray.remote
    def print_it():
        print("x" * (int(megabytes) << 20))

    ray.get(print_it.remote())


def without_end(ray, path):
    """Print 100 MB in a task, which then makes a file."""
    start(ray)

    @ray.remote
    def chatter():
        for _ in range(100_000):
            print("x" * 1000)
        open(path, "w").close()

    print(ray.get(ray.remote(lambda: os.getppid()).remote()), flush=True)
    ref = chatter.remote()
    until_read()
    ray.get(ref)
    print("it has ended", flush=True)


def in_silence(ray):
    """Ask for no prints."""
    start(ray, log_to_driver=False)
    ray.get(ray.remote(lambda: print("hello")).remote())


def fails(ray, *names):
    """Fail in all these ways, and end when the test has read it."""
    start(ray)

    @ray.remote(max_retries=0)
    def write(name):
        raise ValueError(name)

    @ray.remote
    def use(value):
        return value

    @ray.remote(max_retries=0, num_returns=3)
    def three(name):
        raise ValueError(name)

    @ray.remote
    def outer(name):
        write.remote(name)

    @ray.remote
    class Actor:
        def __init__(self, name=None):
            if name:
                raise ValueError(name)

        def write(self, name):
            raise ValueError(name)

        def end(self):
            os._exit(1)

    def get(ref):
        try:
            ray.get(ref)
        except Exception:  # noqa: BLE001  # its class is not the question
            print("caught", flush=True)

    actor = Actor.options(num_cpus=0).remote()
    for name in names:
        if name == "a task":
            write.remote(name)
        elif name == "a call":
            actor.write.remote(name)
        elif name == "a task that is got":
            get(write.remote(name))
        elif name == "through another task":
            get(use.remote(write.remote(name)))
        elif name == "one of three is got":
            get(three.remote(name)[1])
        elif name == "three":
            three.remote(name)
        elif name == "a chain":
            use.remote(use.remote(write.remote(name)))
        elif name == "inside a task":
            ray.get(outer.remote(name))
        elif name == "a constructor":
            kept = Actor.options(num_cpus=0).remote(name)  # noqa: F841
        elif name == "a constructor that is called":
            get(Actor.options(num_cpus=0).remote(name).write.remote(""))
        elif name == "is kept":
            ref = write.remote(name)
            ray.wait([ref])
        elif name == "a call of the dead":
            actor.end.remote()
    until_read()


def survives(ray):
    """A worker dies and its task runs again; so does an actor."""
    start(ray, num_cpus=2)

    @ray.remote(max_retries=1)
    def dies_once(pid):
        if ray.get_runtime_context().get_task_id() and not os.path.exists(pid):
            open(pid, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

    @ray.remote(max_restarts=1, max_task_retries=1)
    class Phoenix:
        def dies_once(self, pid):
            if not os.path.exists(pid):
                open(pid, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)

    path = os.environ["PATH_OF_TEST"]
    ray.get(dies_once.remote(f"{path}/task"))
    ray.get(Phoenix.remote().dies_once.remote(f"{path}/actor"))


def loses_a_node(ray):
    """A node of three dies, and a driver hears of it."""
    utils = importlib.import_module(f"{ray.__name__}.cluster_utils")
    node = {"object_store_memory": 100 * 2**20, "num_cpus": 1}
    cluster = utils.Cluster(
        initialize_head=True, connect=True, head_node_args=node
    )
    other = cluster.add_node(**node)
    cluster.add_node(**node)
    cluster.remove_node(other)
    until_read()


def nested(ray):
    """A task of a task prints on a node that the driver never talks to."""
    utils = importlib.import_module(f"{ray.__name__}.cluster_utils")
    node = {"object_store_memory": 100 * 2**20, "num_cpus": 1}
    cluster = utils.Cluster(
        initialize_head=True, connect=True, head_node_args=node
    )
    cluster.add_node(**node, resources={"there": 1})

    @ray.remote(resources={"there": 1}, num_cpus=0)
    def inner():
        print("words from there")

    @ray.remote
    def outer():
        ray.get(inner.remote())

    ray.get(outer.remote())


if __name__ == "__main__":
    module, program, *arguments = sys.argv[1:]
    globals()[program](importlib.import_module(module), *arguments)
