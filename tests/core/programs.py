"""Programs that need a process or a cluster of their own.

    python programs.py MODULE PROGRAM FILE [ARGUMENT...]

Each writes what it saw as JSON to FILE; the tests say what is right.
What is defined here is defined in `__main__`, as in a student's script.
"""

import importlib
import json
import os
import sys
import tempfile
import threading
import time

import numpy as np

T = 30
MEGABYTE = 1024 * 1024


def start(ray, **keywords):
    if ray.__name__ == "ray" and "address" not in keywords:
        keywords |= {"include_dashboard": False}
        keywords |= {"_node_ip_address": "127.0.0.1"}
    return ray.init(**keywords)


def name_of_error(function, *args, **keywords):
    """Return the names of the classes of what `function` raises."""
    try:
        function(*args, **keywords)
    except Exception as error:  # noqa: BLE001  (the tests judge it)
        return [cls.__name__ for cls in type(error).__mro__]
    return []


def factorial(n):
    return 1 if n == 0 else n * factorial(n - 1)


class Greeter:
    """A class of __main__, whose instances travel."""

    def greet(self, name):
        return f"hello {name}"


def lifecycle(ray, folder):
    """init, init again, shut down, init anew."""
    seen = {"before": ray.is_initialized()}
    seen["shutdown before init"] = name_of_error(ray.shutdown)
    seen["nodes before init"] = name_of_error(ray.nodes)
    start(ray, num_cpus=2)
    seen["after init"] = ray.is_initialized()
    seen["init twice"] = name_of_error(ray.init)
    seen["ignored"] = name_of_error(ray.init, ignore_reinit_error=True)

    task = ray.remote(factorial)
    seen["factorial"] = ray.get(task.remote(10), timeout=T)
    actor = ray.remote(Greeter).remote()
    seen["greeting"] = ray.get(actor.greet.remote("you"), timeout=T)
    instance = ray.get(ray.remote(lambda: Greeter()).remote(), timeout=T)
    seen["instance"] = isinstance(instance, Greeter)
    from_thread = []
    thread = threading.Thread(
        target=lambda: from_thread.append(ray.get(task.remote(3), timeout=T))
    )
    thread.start()
    thread.join(T)
    seen["from a thread"] = from_thread

    old = task.remote(1)
    ray.get(old, timeout=T)
    ray.shutdown()
    seen["after shutdown"] = ray.is_initialized()
    seen["shutdown twice"] = name_of_error(ray.shutdown)
    seen["put after shutdown"] = bool(name_of_error(ray.nodes))

    with open(os.path.join(folder, "helper_of_course.py"), "w") as file:
        file.write("ANSWER = 42\n")
    with open(os.path.join(folder, "data.txt"), "w") as file:
        file.write("from a file")
    env = {"working_dir": folder, "env_vars": {"COURSE": "systems"}}
    start(
        ray,
        num_cpus=1,
        runtime_env=env,
        namespace="second",
        object_store_memory=80 * MEGABYTE,
        _plasma_directory=tempfile.gettempdir(),
        object_spilling_directory=tempfile.gettempdir(),
    )
    arrays = [ray.put(np.full(2 * MEGABYTE, n)) for n in range(8)]
    seen["beyond the store"] = [int(ray.get(ref)[-1]) for ref in arrays]

    @ray.remote
    def surroundings():
        answer = importlib.import_module("helper_of_course").ANSWER
        with open("data.txt") as file:
            return [answer, file.read(), os.environ["COURSE"]]

    seen["surroundings"] = ray.get(surroundings.remote(), timeout=T)
    seen["same function"] = ray.get(task.remote(4), timeout=T)
    seen["get of old"] = name_of_error(ray.get, old, timeout=T)
    seen["old argument"] = name_of_error(
        lambda: ray.get(task.remote(old), timeout=T)
    )
    seen["kill of old"] = name_of_error(ray.kill, actor)
    seen["call of old"] = name_of_error(lambda: actor.greet.remote("you"))
    seen["cpus"] = ray.cluster_resources()["CPU"]
    seen["namespace"] = ray.get_runtime_context().namespace
    ray.shutdown()
    return seen


def auto_init(ray):
    """A first .remote() without init starts what it needs."""
    ref = ray.remote(factorial).remote(5)
    return {"value": ray.get(ref, timeout=T), "up": ray.is_initialized()}


def prints(ray):
    """Prints of tasks and actors come to the driver's output."""
    start(ray, num_cpus=2)

    @ray.remote
    def speak():
        print("words of a task")  # noqa: T201
        return os.getpid()

    @ray.remote
    class Speaker:
        def speak(self):
            print("words of an actor")  # noqa: T201
            return os.getpid()

    speaker = Speaker.remote()
    pids = ray.get([speak.remote(), speaker.speak.remote()], timeout=T)
    yield {"pids": pids}
    sys.stdin.read()  # until the test has read the words


def leaves_nothing(ray, how):
    """Start processes of every kind; then end in the given way."""
    start(ray, num_cpus=2, log_to_driver=False)

    @ray.remote
    class Nanny:
        def adopt(self):
            pid = ray.remote(lambda: os.getpid())
            return [os.getpid(), ray.get(pid.remote())]

    nanny = Nanny.remote()
    pids = ray.get(nanny.adopt.remote(), timeout=T)
    ray.put(np.ones(MEGABYTE))
    ray.remote(lambda: time.sleep(1000)).remote()
    yield {"pids": pids}
    if how == "kill -9":
        os.kill(os.getpid(), 9)


def main():
    module, program, path, *arguments = sys.argv[1:]
    seen = globals()[program](importlib.import_module(module), *arguments)
    parts = [seen] if isinstance(seen, dict) else seen
    for part in parts:
        with open(path, "w") as file:
            json.dump(part, file)


if __name__ == "__main__":
    main()
