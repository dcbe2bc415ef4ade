"""cancel and kill: what stops, what goes on, and what get says."""

import os
import time

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def busy(api):
    """A task that computes until it is interrupted."""

    @api.remote
    def busy(send):
        try:
            send("started")
            while True:
                time.sleep(0.01)  # Ray interrupts between two bytecodes
        finally:
            send("interrupted")

    return busy


@pytest.fixture(scope="module")
def actor_class(api):
    @api.remote
    class Actor:
        def pid(self):
            return os.getpid()

        def hold(self, send, wait):
            send("in")
            wait()
            return "held"

        def until_canceled(self, send):
            send("in")
            context = api.get_runtime_context()
            while not context.is_canceled():
                time.sleep(0.01)
            send("canceled")

    return Actor


def cancelled(api, ref):
    with pytest.raises(api.exceptions.TaskCancelledError):
        api.get(ref, timeout=T)
    return True


def died(api, ref):
    with pytest.raises(api.exceptions.ActorDiedError):
        api.get(ref, timeout=T)
    return True


def is_dead(api, actor):
    """Tell whether a new call fails: kill itself does not wait."""
    try:
        api.get(actor.pid.remote(), timeout=T)
    except api.exceptions.ActorDiedError:
        return True
    return False


def test_a_running_task_is_interrupted(api, mailbox, busy):
    ref = busy.remote(mailbox.send)
    assert mailbox.receive() == ["started"]
    api.cancel(ref)
    assert mailbox.receive() == ["interrupted"]
    assert cancelled(api, ref)


def test_a_task_that_catches_the_interrupt_keeps_its_result(api, mailbox):
    @api.remote
    def stubborn(send):
        try:
            send("started")
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            return "caught"

    ref = stubborn.remote(mailbox.send)
    mailbox.receive()
    api.cancel(ref)
    assert api.get(ref, timeout=T) == "caught"


def test_force_ends_the_worker_and_runs_no_cleanup(api, mailbox, busy):
    ref = busy.remote(mailbox.send)
    assert mailbox.receive() == ["started"]
    api.cancel(ref, force=True)
    assert cancelled(api, ref)
    assert mailbox.empty()


def test_a_cancelled_task_is_not_retried(api, mailbox, busy):
    task = busy.options(max_retries=3, retry_exceptions=True)
    for force in (False, True):
        ref = task.remote(mailbox.send)
        assert mailbox.receive() == ["started"]
        api.cancel(ref, force=force)
        assert cancelled(api, ref)
        if not force:
            assert mailbox.receive() == ["interrupted"]
    assert mailbox.empty()


def test_a_task_that_waits_for_a_cpu_is_cancelled_before_it_runs(
    api, gate, mailbox
):
    @api.remote
    def hold(send, wait):
        send("in")
        wait()

    holders = [hold.remote(mailbox.send, gate.wait) for _ in range(4)]
    mailbox.receive(4)
    queued = hold.remote(mailbox.send, gate.wait)
    api.cancel(queued)
    assert cancelled(api, queued)
    gate.open()
    api.get(holders, timeout=T)
    assert mailbox.empty()


def test_a_task_that_waits_for_arguments_is_cancelled_before_it_runs(
    api, gate, mailbox
):
    if api.__name__ == "ray":
        pytest.skip("the driver of Ray 2.60 aborts when the argument comes")
    slow = api.remote(lambda wait: wait()).remote(gate.wait)

    @api.remote
    def use(value, send):
        send("ran")

    ref = use.remote(slow, mailbox.send)
    api.cancel(ref)
    assert cancelled(api, ref)
    gate.open()
    assert api.get(slow, timeout=T) is None
    assert mailbox.empty()


def test_a_finished_task_keeps_its_result_when_cancelled(api):
    one = api.remote(lambda: 1)
    ref = one.remote()
    assert api.get(ref, timeout=T) == 1
    # Ray 2.60 may abort when it has not yet put the task away.
    assert api.get(one.remote(), timeout=T) == 1
    api.cancel(ref)
    assert api.get(ref, timeout=T) == 1


def test_cancel_of_a_put_object_does_nothing(api):
    ref = api.put(1)
    api.cancel(ref)
    assert api.get(ref, timeout=T) == 1


def test_cancel_reaches_the_children(api, mailbox, busy):
    @api.remote
    def parent(send):
        api.get(busy.remote(send))

    ref = parent.remote(mailbox.send)
    assert mailbox.receive() == ["started"]
    api.cancel(ref)
    assert mailbox.receive() == ["interrupted"]
    assert cancelled(api, ref)


def test_cancel_without_recursion_leaves_the_children(api, gate, mailbox):
    @api.remote
    def child(send, wait):
        send("in")
        wait()
        send("out")

    @api.remote
    def parent(send, wait):
        api.get(child.remote(send, wait))

    ref = parent.remote(mailbox.send, gate.wait)
    assert mailbox.receive() == ["in"]
    api.cancel(ref, recursive=False)
    assert cancelled(api, ref)
    gate.open()
    assert mailbox.receive() == ["out"]


def test_what_depends_on_a_cancelled_task_is_cancelled(api, mailbox, busy):
    ref = busy.remote(mailbox.send)
    after = api.remote(lambda x: x).remote(ref)
    mailbox.receive()
    api.cancel(ref)
    assert cancelled(api, after)


def test_cancel_in_a_task(api, mailbox, busy):
    @api.remote
    def stop(box):
        api.cancel(box[0])

    ref = busy.remote(mailbox.send)
    mailbox.receive()
    api.get(stop.remote([ref]), timeout=T)
    assert cancelled(api, ref)


def test_who_borrows_a_result_can_cancel_the_task_of_an_actor(
    api, mailbox, busy
):
    @api.remote(num_cpus=0)
    class Owner:
        def start(self):
            self.ref = busy.remote(mailbox.send)
            return [self.ref]

    owner = Owner.remote()
    (ref,) = api.get(owner.start.remote(), timeout=T)
    mailbox.receive()
    api.cancel(ref)
    assert cancelled(api, ref)


def test_a_queued_actor_call_can_be_cancelled(api, gate, mailbox, actor_class):
    actor = actor_class.remote()
    held = actor.hold.remote(mailbox.send, gate.wait)
    assert mailbox.receive() == ["in"]
    queued = actor.pid.remote()
    api.cancel(queued)
    gate.open()
    assert cancelled(api, queued)
    assert api.get(held, timeout=T) == "held"


def test_a_running_actor_call_is_told_and_its_actor_lives(
    api, mailbox, actor_class
):
    actor = actor_class.remote()
    ref = actor.until_canceled.remote(mailbox.send)
    assert mailbox.receive() == ["in"]
    api.cancel(ref)
    assert mailbox.receive() == ["canceled"]
    assert cancelled(api, ref)
    assert api.get(actor.pid.remote(), timeout=T)


def test_kill_fails_the_running_call_and_those_that_wait(
    api, gate, mailbox, actor_class
):
    actor = actor_class.remote()
    held = actor.hold.remote(mailbox.send, gate.wait)
    mailbox.receive()
    queued = actor.pid.remote()
    api.kill(actor)
    assert died(api, held)
    assert died(api, queued)
    assert died(api, actor.pid.remote())


def test_kill_ends_the_process(api, actor_class, eventually):
    actor = actor_class.remote()
    pid = api.get(actor.pid.remote(), timeout=T)
    api.kill(actor)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def test_kill_may_be_called_twice(api, actor_class, eventually):
    actor = actor_class.remote()
    api.kill(actor)
    api.kill(actor)
    eventually(lambda: is_dead(api, actor))


def test_a_task_can_kill_an_actor(api, actor_class, eventually):
    @api.remote
    def kill(actor):
        api.kill(actor)

    actor = actor_class.remote()
    api.get(kill.remote(actor), timeout=T)
    eventually(lambda: is_dead(api, actor))


def test_kill_overrules_max_restarts(api, actor_class, eventually):
    actor = actor_class.options(max_restarts=-1).remote()
    api.get(actor.pid.remote(), timeout=T)
    api.kill(actor)
    eventually(lambda: is_dead(api, actor))


def test_kill_with_restart_starts_the_actor_anew(api, actor_class, eventually):
    options = {"max_restarts": 1, "max_task_retries": -1}
    actor = actor_class.options(**options).remote()
    old = api.get(actor.pid.remote(), timeout=T)
    api.kill(actor, no_restart=False)
    eventually(lambda: api.get(actor.pid.remote(), timeout=T) != old)
