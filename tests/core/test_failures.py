"""Workers and actors that die: retries, restarts, errors, fate-sharing."""

import os
import signal
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def actor_class(api):
    @api.remote
    class Actor:
        def __init__(self):
            self.n = 0

        def add(self):
            self.n += 1
            return self.n

        def pid(self):
            return os.getpid()

        def die(self, until, attempt):
            if attempt() <= until:
                os._exit(1)
            context = api.get_runtime_context()
            return context.was_current_actor_reconstructed

        def leave(self):
            api.actor.exit_actor()

        def sys_exit(self):
            sys.exit(0)

        def put(self):
            return [api.put(np.ones(200_000))]

        def adopt(self, actor):
            self.child = actor.remote()
            return api.get(self.child.pid.remote()), self.child

    return Actor


@pytest.mark.parametrize("how", ["_exit", "SIGKILL", "SIGSEGV", "sys.exit"])
def test_a_worker_that_dies_is_a_worker_crashed_error(api, how):
    @api.remote(max_retries=0)
    def dies():
        if how == "_exit":
            os._exit(1)
        if how == "sys.exit":
            sys.exit(3)
        os.kill(os.getpid(), getattr(signal, how))

    with pytest.raises(api.exceptions.WorkerCrashedError):
        api.get(dies.remote(), timeout=T)


def dies_until(api, attempt, until):
    @api.remote
    def dies():
        count = attempt()
        if count <= until:
            os._exit(1)
        return count

    return dies


def test_a_task_is_tried_again_three_times_by_default(api, attempt):
    dies = dies_until(api, attempt, until=3)
    assert api.get(dies.remote(), timeout=T) == 4


def test_max_retries_is_a_limit(api, attempt):
    dies = dies_until(api, attempt, until=9)
    with pytest.raises(api.exceptions.WorkerCrashedError):
        api.get(dies.options(max_retries=1).remote(), timeout=T)
    assert attempt() == 3


def test_max_retries_minus_one_is_no_limit(api, attempt):
    dies = dies_until(api, attempt, until=5)
    ref = dies.options(max_retries=-1).remote()
    assert api.get(ref, timeout=T) == 6


def test_a_retried_task_gets_its_arguments_again(api, attempt):
    @api.remote
    def dies(array, table, attempt):
        if attempt() == 1:
            os._exit(1)
        return array.sum(), table["w"].sum(), table["text"]

    ref = api.put(np.ones(200_000))
    table = {"w": np.ones(100_000), "text": "text"}
    got = api.get(dies.remote(ref, table, attempt), timeout=T)
    assert got == (200_000, 100_000, "text")


def test_a_death_does_not_disturb_other_tasks(api, gate, mailbox, attempt):
    @api.remote
    def hold(send, wait):
        send("in")
        wait()
        return "fine"

    held = hold.remote(mailbox.send, gate.wait)
    mailbox.receive()
    dies = dies_until(api, attempt, until=1)
    assert api.get(dies.remote(), timeout=T) == 2
    gate.open()
    assert api.get(held, timeout=T) == "fine"
    assert mailbox.empty()


def raises_until(api, attempt, until, error):
    @api.remote
    def fails():
        count = attempt()
        if count <= until:
            raise error(f"attempt {count}")
        return count

    return fails


def test_an_exception_is_not_retried_by_default(api, attempt):
    fails = raises_until(api, attempt, 1, ValueError)
    with pytest.raises(ValueError, match="attempt 1"):
        api.get(fails.remote(), timeout=T)
    assert attempt() == 2


def test_retry_exceptions_retries_every_exception(api, attempt):
    fails = raises_until(api, attempt, 2, KeyError)
    ref = fails.options(retry_exceptions=True).remote()
    assert api.get(ref, timeout=T) == 3


def test_retry_exceptions_ends_with_the_last_error(api, attempt):
    fails = raises_until(api, attempt, 9, ValueError)
    task = fails.options(retry_exceptions=True, max_retries=2)
    with pytest.raises(ValueError, match="attempt 3"):
        api.get(task.remote(), timeout=T)
    assert attempt() == 4


def test_retry_exceptions_of_a_list_retries_its_classes(api, attempt):
    fails = raises_until(api, attempt, 1, KeyError)
    task = fails.options(retry_exceptions=[LookupError, OSError])
    assert api.get(task.remote(), timeout=T) == 2


def test_retry_exceptions_of_a_list_passes_other_classes_on(api, attempt):
    fails = raises_until(api, attempt, 1, ValueError)
    task = fails.options(retry_exceptions=[KeyError])
    with pytest.raises(ValueError, match="attempt 1"):
        api.get(task.remote(), timeout=T)
    assert attempt() == 2


def test_a_dead_actor_fails_its_calls(api, actor_class, attempt):
    actor = actor_class.remote()
    for ref in (actor.die.remote(9, attempt), actor.add.remote()):
        with pytest.raises(api.exceptions.ActorDiedError):
            api.get(ref, timeout=T)
    with pytest.raises(api.exceptions.RayActorError):
        api.get(actor.add.remote(), timeout=T)


def test_an_error_in_the_constructor_fails_every_call(api):
    @api.remote
    class Broken:
        def __init__(self):
            raise ValueError("no weights")

        def method(self):
            return 1

    broken = Broken.remote()
    for _ in range(2):
        with pytest.raises(api.exceptions.ActorDiedError) as info:
            api.get(broken.method.remote(), timeout=T)
        assert "ValueError: no weights" in str(info.value)


def test_a_restarted_actor_begins_anew(api, actor_class, attempt):
    options = {"max_restarts": 1, "max_task_retries": 1}
    actor = actor_class.options(**options).remote()
    assert api.get(actor.add.remote(), timeout=T) == 1
    assert api.get(actor.die.remote(1, attempt), timeout=T) is True
    assert api.get(actor.add.remote(), timeout=T) == 1


def test_without_task_retries_the_running_call_is_lost(
    api, actor_class, attempt, eventually
):
    actor = actor_class.options(max_restarts=1).remote()
    with pytest.raises(api.exceptions.RayActorError):
        api.get(actor.die.remote(9, attempt), timeout=T)
    assert attempt() == 2

    def answers():
        try:
            return api.get(actor.add.remote(), timeout=T) == 1
        except api.exceptions.ActorUnavailableError:
            return False

    eventually(answers)


def test_while_an_actor_restarts_calls_without_retries_fail(
    api, new_gate, eventually
):
    @api.remote(max_restarts=1)
    class Slow:
        def __init__(self, wait):
            if api.get_runtime_context().was_current_actor_reconstructed:
                wait()

        def ping(self):
            return "pong"

    gates = [new_gate() for _ in range(2)]
    actors = [
        Slow.options(max_task_retries=tries).remote(gate.wait)
        for tries, gate in enumerate(gates)
    ]
    impatient, patient = actors
    refs = [actor.ping.remote() for actor in actors]
    assert api.get(refs, timeout=T) == ["pong"] * 2
    for actor in actors:
        api.kill(actor, no_restart=False)

    def is_unavailable():
        try:
            api.get(impatient.ping.remote(), timeout=T)
        except api.exceptions.ActorUnavailableError:
            return True
        return False

    eventually(is_unavailable)
    with pytest.raises(api.exceptions.ActorUnavailableError):
        api.get(impatient.ping.remote(), timeout=T)
    waiting = patient.ping.remote()
    for gate in gates:
        gate.open()
    assert api.get(waiting, timeout=T) == "pong"

    def is_back():
        try:
            return api.get(impatient.ping.remote(), timeout=T) == "pong"
        except api.exceptions.ActorUnavailableError:
            return False

    eventually(is_back)


def test_after_max_restarts_the_actor_is_dead(api, actor_class, attempt):
    options = {"max_restarts": 1, "max_task_retries": -1}
    actor = actor_class.options(**options).remote()
    with pytest.raises(api.exceptions.ActorDiedError):
        api.get(actor.die.remote(9, attempt), timeout=T)
    assert attempt() == 3


def test_exit_actor_ends_the_actor_without_a_restart(api, actor_class):
    actor = actor_class.options(max_restarts=3).remote()
    for ref in (actor.leave.remote(), actor.add.remote()):
        with pytest.raises(api.exceptions.ActorDiedError):
            api.get(ref, timeout=T)


def test_calls_before_exit_actor_are_answered(api, actor_class):
    actor = actor_class.remote()
    refs = [actor.add.remote() for _ in range(3)]
    actor.leave.remote()
    assert api.get(refs, timeout=T) == [1, 2, 3]


def test_sys_exit_ends_the_actor(api, actor_class):
    actor = actor_class.remote()
    for ref in (actor.sys_exit.remote(), actor.add.remote()):
        with pytest.raises(api.exceptions.ActorDiedError):
            api.get(ref, timeout=T)


def test_a_method_may_be_retried_on_exceptions(api):
    @api.remote
    class Flaky:
        def __init__(self):
            self.n = 0

        @api.method(max_task_retries=1, retry_exceptions=[ValueError])
        def call(self):
            self.n += 1
            if self.n == 1:
                raise ValueError("first")
            return self.n

    assert api.get(Flaky.remote().call.remote(), timeout=T) == 2


def test_an_actor_dies_with_the_actor_that_made_it(
    api, actor_class, eventually
):
    parent = actor_class.remote()
    pid, child = api.get(parent.adopt.remote(actor_class), timeout=T)
    api.kill(parent)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    with pytest.raises(api.exceptions.ActorDiedError):
        api.get(child.add.remote(), timeout=T)


def test_an_object_is_lost_with_its_owner(api, actor_class, eventually):
    owner = actor_class.remote()
    (ref,) = api.get(owner.put.remote(), timeout=T)
    api.kill(owner)

    def is_lost():
        try:
            api.get(ref, timeout=T)
        except api.exceptions.OwnerDiedError:
            return True
        return False

    eventually(is_lost)


def test_a_result_outlives_the_actor_that_computed_it(api, actor_class):
    actor = actor_class.remote()
    ref = actor.add.remote()
    api.wait([ref], timeout=T)
    api.kill(actor)
    assert api.get(ref, timeout=T) == 1
