"""What a task finds in its process: threads, GPUs, variables, a name."""

import json
import os
import subprocess
import sys

import psutil
import pytest

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
