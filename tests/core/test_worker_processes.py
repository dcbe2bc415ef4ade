"""What a task finds in its process: threads, GPUs, variables, a name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
T = 60
GPUS = """
import importlib, json, os, sys
api = importlib.import_module(sys.argv[1])
api.init(num_cpus=1, num_gpus=2, include_dashboard=False, address="local")

@api.remote
def look():
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return os.getpid(), visible, [str(gpu) for gpu in api.get_gpu_ids()]

needs = [0, 1, 0, 1, 2, 0]
seen = [api.get(look.options(num_gpus=need).remote()) for need in needs]
print(json.dumps(seen))
"""


def look_at_gpus(api, **environ):
    program = [sys.executable, "-c", GPUS, api.__name__]
    ended = subprocess.run(
        program,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=T,
        check=True,
    )
    return json.loads(ended.stdout.splitlines()[-1])


def test_libraries_use_as_many_threads_as_the_task_has_cpus(api):
    @api.remote
    def threads():
        return os.environ.get("OMP_NUM_THREADS")

    @api.remote
    class Actor:
        def threads(self):
            return os.environ.get("OMP_NUM_THREADS")

    if "OMP_NUM_THREADS" in os.environ:
        pytest.skip("somebody has set it for all of them")
    asked = [{}, {"num_cpus": 2}, {"num_cpus": 0.5}, {"num_cpus": 0}]
    tasks = [threads.options(**options).remote() for options in asked]
    assert api.get(tasks, timeout=T) == ["1", "2", "1", "1"]
    actor = Actor.options(num_cpus=2).remote()
    assert api.get(actor.threads.remote(), timeout=T) == "2"
    del actor


def test_threads_that_somebody_has_chosen_stay(api):
    @api.remote(runtime_env={"env_vars": {"OMP_NUM_THREADS": "7"}})
    def threads():
        return os.environ.get("OMP_NUM_THREADS")

    assert api.get(threads.remote(), timeout=T) == "7"


def test_gpus_are_those_that_the_program_may_use(api):
    seen = look_at_gpus(api, CUDA_VISIBLE_DEVICES="4,6")
    assert [sorted(ids) for _, _, ids in seen if ids][-1] == ["4", "6"]
    for _, visible, ids in seen:
        assert visible == (",".join(ids) or "4,6")
        assert set(ids) <= {"4", "6"}


def test_a_process_that_had_a_gpu_is_used_for_no_task_without(api):
    seen = look_at_gpus(api)
    with_gpus = {pid for pid, _, ids in seen if ids}
    without = {pid for pid, _, ids in seen if not ids}
    assert not with_gpus & without
    if api.__name__ == "minimr":  # Ray: the same process, with other GPUs
        assert len({(pid, *ids) for pid, _, ids in seen}) == len(
            {pid for pid, _, _ in seen}
        )


def test_children_inherit_env_vars(api):
    @api.remote
    def child():
        return os.environ.get("MINE"), os.environ.get("OTHER")

    @api.remote
    def parent():
        other = {"env_vars": {"OTHER": "child's"}}
        calls = [child.remote(), child.options(runtime_env=other).remote()]
        return api.get(calls)

    @api.remote
    class Parent:
        def ask(self):
            return api.get(child.remote())

    env = {"env_vars": {"MINE": "mine", "OTHER": "parent's"}}
    seen = api.get(parent.options(runtime_env=env).remote(), timeout=T)
    assert [*map(tuple, seen)] == [("mine", "parent's"), ("mine", "child's")]
    actor = Parent.options(runtime_env=env).remote()
    assert api.get(actor.ask.remote(), timeout=T) == ("mine", "parent's")


def test_a_process_is_named_after_its_task(api):
    @api.remote
    def train():
        return psutil.Process().cmdline()[0]

    @api.remote
    class Agent:
        def train(self):
            return psutil.Process().cmdline()[0]

    name = api.__name__
    assert api.get(train.remote(), timeout=T) == f"{name}::train"
    agent = Agent.remote()
    title = api.get(agent.train.remote(), timeout=T)
    assert title == f"{name}::Agent.train"


def test_a_worker_ends_after_so_many_calls_of_a_function(api):
    @api.remote(max_calls=2)
    def pid():
        return os.getpid()

    pids = [api.get(pid.remote(), timeout=T) for _ in range(6)]
    assert pids[0] == pids[1]
    assert pids[2] == pids[3]
    assert len({*pids}) == 3
    with pytest.raises(ValueError, match="max_calls"):
        pid.options(max_calls=1)


def test_each_call_runs_once_however_soon_its_worker_ends(api, attempt):
    once = api.remote(max_calls=1)(attempt)
    refs = [once.remote() for _ in range(12)]
    assert sorted(api.get(refs, timeout=T)) == [*range(1, 13)]


def test_a_call_that_fails_is_one_of_so_many(api):
    @api.remote(max_calls=1)
    def fail():
        raise ValueError(f"in {os.getpid()}")

    pids = set()
    for _ in range(2):
        with pytest.raises(ValueError, match="in") as raised:
            api.get(fail.remote(), timeout=T)
        pids.add(str(raised.value.cause))
    assert len(pids) == 2


COMPILED = """
def add(int x, int y=1):
    return x + y

class Counter:
    def count(self, int x):
        return x + 1
"""
CALLS = """
import importlib, sys, compiled
api = importlib.import_module(sys.argv[1])
api.init(num_cpus=1, include_dashboard=False, address="local")
add = api.remote(compiled.add)
counter = api.remote(compiled.Counter).remote()
try:
    add.remote(1, 2, 3)
except TypeError as error:
    print("refused")
print(api.get([add.remote(50, 5), add.remote(1), counter.count.remote(1)]))
"""


def test_what_cython_has_compiled_is_a_task_or_an_actor(api, tmp_path):
    pytest.importorskip("Cython", exc_type=ImportError)
    (tmp_path / "compiled.pyx").write_text(COMPILED)
    cythonize = [sys.executable, "-m", "Cython.Build.Cythonize", "-i"]
    subprocess.run([*cythonize, "compiled.pyx"], cwd=tmp_path, check=True)
    ended = subprocess.run(
        [sys.executable, "-c", CALLS, api.__name__],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=T,
        check=True,
    )
    assert ended.stdout.splitlines()[-2:] == ["refused", "[55, 2, 2]"]
