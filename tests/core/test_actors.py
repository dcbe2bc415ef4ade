"""Actors: state, order, handles, names, concurrency by threads."""

import asyncio
import os
import threading

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def counter_class(api):
    @api.remote
    class Counter:
        """Counts."""

        def __init__(self, start=0, *, step=1):
            self.n = start
            self.step = step

        def add(self, times=1):
            self.n += times * self.step
            return self.n

        def pid(self):
            return os.getpid()

        def wait(self, send, wait):
            send("in")
            wait()

        def fail(self):
            raise ValueError("as asked")

    return Counter


@pytest.fixture(scope="module")
def shared(counter_class):
    """One counter for the cases that need no fresh actor."""
    return counter_class.remote()


def test_an_actor_keeps_its_state(api, counter_class):
    counter = counter_class.remote()
    refs = [counter.add.remote() for _ in range(10)]
    assert api.get(refs, timeout=T) == list(range(1, 11))


def test_constructor_arguments_arrive_and_references_are_resolved(
    api, counter_class
):
    counter = counter_class.remote(api.put(10), step=5)
    assert api.get(counter.add.remote(times=2), timeout=T) == 20


def test_an_actor_lives_in_one_other_process(api, shared):
    pids = set(api.get([shared.pid.remote() for _ in range(5)], timeout=T))
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_two_actors_live_apart(api, counter_class, shared):
    other = counter_class.remote()
    pids = api.get([shared.pid.remote(), other.pid.remote()], timeout=T)
    assert len(set(pids)) == 2


def test_calls_of_one_caller_run_in_order(api):
    @api.remote
    class Log:
        def __init__(self):
            self.items = []

        def append(self, item):
            self.items.append(item)

        def read(self):
            return self.items

    log = Log.remote()
    for i in range(500):
        log.append.remote(i)
    assert api.get(log.read.remote(), timeout=T) == list(range(500))


def test_a_call_waits_for_its_argument_and_later_calls_wait_too(
    api, gate, counter_class
):
    @api.remote
    def late(wait):
        wait()
        return 10

    counter = counter_class.remote()
    assert api.get(counter.add.remote(0), timeout=T) == 0
    first = counter.add.remote(late.remote(gate.wait))
    second = counter.add.remote(1)
    assert api.wait([second], timeout=0.2) == ([], [second])
    gate.open()
    assert api.get([first, second], timeout=T) == [10, 11]


def test_an_actor_runs_one_call_at_a_time(api, gate, mailbox, counter_class):
    counter = counter_class.remote()
    blocked = counter.wait.remote(mailbox.send, gate.wait)
    mailbox.receive()
    queued = counter.add.remote()
    assert api.wait([queued, blocked], timeout=0.2)[0] == []
    gate.open()
    assert api.get([blocked, queued], timeout=T) == [None, 1]


def test_a_failed_call_leaves_the_actor_alive(api, shared):
    pid = api.get(shared.pid.remote(), timeout=T)
    with pytest.raises(ValueError, match="as asked"):
        api.get(shared.fail.remote(), timeout=T)
    assert api.get(shared.pid.remote(), timeout=T) == pid


def test_a_handle_travels_to_a_task(api, counter_class):
    @api.remote
    def add(counter, times):
        return api.get(counter.add.remote(times))

    counter = counter_class.remote()
    api.get([add.remote(counter, i) for i in range(1, 5)], timeout=T)
    assert api.get(counter.add.remote(0), timeout=T) == 10


def test_a_handle_travels_inside_an_object(api, shared):
    @api.remote
    def ask(box):
        return api.get(box["actor"].pid.remote())

    pid = api.get(ask.remote({"actor": shared}), timeout=T)
    assert pid == api.get(shared.pid.remote(), timeout=T)


def test_an_actor_calls_another_actor(api, shared):
    @api.remote
    class Boss:
        def __init__(self, worker):
            self.worker = worker

        def ask(self):
            return api.get(self.worker.pid.remote())

    boss = Boss.remote(shared)
    assert api.get(boss.ask.remote(), timeout=T) == api.get(
        shared.pid.remote(), timeout=T
    )


def test_an_actor_starts_tasks_and_actors(api, counter_class):
    square = api.remote(lambda x: x * x)

    @api.remote
    class Parent:
        def work(self):
            child = counter_class.remote(api.get(square.remote(3)))
            return api.get(child.add.remote())

    assert api.get(Parent.remote().work.remote(), timeout=T) == 10


def test_a_task_makes_an_actor_and_returns_its_handle(api, counter_class):
    @api.remote
    def make():
        return counter_class.remote(5)

    counter = api.get(make.remote(), timeout=T)
    assert api.get(counter.add.remote(), timeout=T) == 6


def test_an_actor_hands_out_its_own_handle(api):
    @api.remote
    class Self:
        def me(self):
            return api.get_runtime_context().current_actor

        def number(self):
            return 42

    actor = Self.remote()
    me = api.get(actor.me.remote(), timeout=T)
    assert api.get(me.number.remote(), timeout=T) == 42


def test_a_method_may_give_several_references(api):
    @api.remote
    class Splitter:
        @api.method(num_returns=2)
        def split(self, pair):
            return pair[0], pair[1]

        def one(self, pair):
            return pair

    splitter = Splitter.remote()
    refs = splitter.split.remote((1, 2))
    assert api.get(refs, timeout=T) == [1, 2]
    refs = splitter.one.options(num_returns=2).remote((3, 4))
    assert api.get(refs, timeout=T) == [3, 4]
    assert api.get(splitter.one.remote((5, 6)), timeout=T) == (5, 6)


def test_inherited_methods_can_be_called(api):
    class Base:
        def hello(self):
            return f"hello from {self.name()}"

        def name(self):
            return "base"

    @api.remote
    class Derived(Base):
        def name(self):
            return "derived"

    actor = Derived.remote()
    assert api.get(actor.hello.remote(), timeout=T) == "hello from derived"


def test_static_and_class_methods_can_be_called(api):
    class Plain:
        size = 3

        @staticmethod
        def double(x):
            return 2 * x

        @classmethod
        def sized(cls, x):
            return cls.size * x

    actor = api.remote(Plain).remote()
    refs = [actor.double.remote(2), actor.sized.remote(2)]
    assert api.get(refs, timeout=T) == [4, 6]


def test_a_large_array_stays_in_the_actor(api):
    @api.remote
    class Model:
        def __init__(self, size):
            self.weights = np.zeros(size)

        def push(self, gradient):
            self.weights += gradient

        def pull(self):
            return self.weights

    model = Model.remote(500_000)
    for _ in range(3):
        model.push.remote(np.ones(500_000))
    assert (api.get(model.pull.remote(), timeout=T) == 3).all()


def test_max_concurrency_runs_calls_in_threads(api):
    @api.remote(max_concurrency=2)
    class Meeting:
        def __init__(self):
            self.barrier = threading.Barrier(2)

        def join(self):
            self.barrier.wait(timeout=T)  # one alone would break it
            return threading.get_ident()

    meeting = Meeting.remote()
    idents = api.get([meeting.join.remote() for _ in range(2)], timeout=T)
    assert len(set(idents)) == 2


@pytest.mark.parametrize("kind", ["threads", "coroutines"])
def test_calls_leave_while_another_one_runs_and_nobody_waits(
    api, gate, mailbox, kind
):
    @api.remote(max_concurrency=3)
    class Threads:
        def run(self, send, wait):
            send()
            wait()

    @api.remote(max_concurrency=3)
    class Coroutines:
        async def run(self, send, wait):
            send()
            await asyncio.to_thread(wait)

    actor = (Threads if kind == "threads" else Coroutines).remote()
    opened = gate.wait
    api.wait([actor.run.remote(mailbox.send, opened)], timeout=0)
    mailbox.receive()  # the actor has started
    refs = [actor.run.remote(mailbox.send, opened) for _ in range(2)]
    mailbox.receive(2)  # no call of `api` moves them along
    gate.open()
    api.get(refs, timeout=T)


def test_max_concurrency_is_a_limit(api, gate, mailbox):
    @api.remote(max_concurrency=2)
    class Pool:
        def run(self, send, wait):
            send()
            wait()

    pool = Pool.remote()
    refs = [pool.run.remote(mailbox.send, gate.wait) for _ in range(3)]
    mailbox.receive(2)
    assert api.wait(refs, timeout=0.2) == ([], refs)
    assert mailbox.empty()
    gate.open()
    api.get(refs, timeout=T)


def test_an_actor_is_gone_when_its_last_handle_goes(
    api, counter_class, eventually
):
    counter = counter_class.remote()
    pid = api.get(counter.pid.remote(), timeout=T)
    del counter
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize("pack", [lambda a: a, lambda a: [a]])
def test_a_handle_that_was_an_argument_is_counted_no_longer(
    api, counter_class, eventually, pack
):
    @api.remote
    def pid_of(counter):
        counter = counter[0] if isinstance(counter, list) else counter
        return api.get(counter.pid.remote(), timeout=T)

    counter = counter_class.remote()
    pid = api.get(pid_of.remote(pack(counter)), timeout=T)
    del counter
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))


@pytest.mark.parametrize("pack", [lambda a: a, lambda a: [a]])
def test_an_actor_that_was_given_its_own_handle_ends_with_the_last(
    api, eventually, pack
):
    @api.remote
    class Taker:
        def take(self, me):
            return os.getpid()

    taker = Taker.remote()
    pid = api.get(taker.take.remote(pack(taker)), timeout=T)
    del taker
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def test_a_call_without_inputs_overtakes_in_an_actor_with_threads(api, gate):
    @api.remote
    def late(wait):
        wait()
        return 1

    @api.remote(max_concurrency=2)
    class Taker:
        def take(self, value):
            return value

    taker = Taker.remote()
    waits = taker.take.remote(late.remote(gate.wait))
    assert api.get(taker.take.remote(0), timeout=T) == 0
    gate.open()
    assert api.get(waits, timeout=T) == 1


def test_a_call_on_a_fresh_actor_without_a_kept_handle_completes(
    api, counter_class
):
    assert api.get(counter_class.remote(1).add.remote(), timeout=T) == 2


def test_an_actor_class_cannot_be_called_directly(api, counter_class):
    with pytest.raises(TypeError, match=r"\.remote\(\)"):
        counter_class()


def test_an_actor_method_cannot_be_called_directly(api, shared):
    with pytest.raises(TypeError, match=r"remote"):
        shared.add()


def test_an_unknown_method_is_an_attribute_error(shared):
    with pytest.raises(AttributeError, match="subtract"):
        shared.subtract.remote()


def test_a_method_call_that_does_not_fit_raises_at_once(shared):
    with pytest.raises(TypeError):
        shared.add.remote(1, 2, 3)


def test_constructor_arguments_that_do_not_fit_raise_at_once(counter_class):
    with pytest.raises(TypeError):
        counter_class.remote(1, 2, 3)


def test_an_actor_says_that_it_is_ready(api):
    @api.remote
    class Plain:
        pass

    assert api.get(Plain.remote().__ray_ready__.remote(), timeout=T) is True
