"""Actors with async methods: many calls at once on one event loop."""

import asyncio
import os
import threading

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture
def holding_class(api):
    @api.remote
    class Holding:
        async def hold(self, send):
            send("in")
            await asyncio.Event().wait()

    return Holding


@pytest.fixture(scope="module")
def station(api):
    """An actor whose calls wait for each other."""

    @api.remote
    class Station:
        def __init__(self):
            self.event = asyncio.Event()
            self.waiting = 0

        async def wait(self):
            self.waiting += 1
            await self.event.wait()
            self.waiting -= 1
            return "went"

        async def go(self):
            self.event.set()
            self.event.clear()

        async def count(self):
            return self.waiting

        async def thread(self):
            return threading.get_ident()

        def plain(self):
            return threading.get_ident()

        async def fail(self):
            await asyncio.sleep(0)
            raise ValueError("async")

        async def resolve(self, ref):
            return await ref[0], await asyncio.gather(*ref)

        async def cancelled(self, send):
            try:
                send("started")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                send("cancelled")
                raise

        async def ticks(self, n):
            for i in range(n):
                await asyncio.sleep(0)
                yield i

    return Station.remote()


def test_async_calls_overlap(api, station, eventually):
    refs = [station.wait.remote() for _ in range(20)]
    eventually(lambda: api.get(station.count.remote(), timeout=T) == 20)
    api.get(station.go.remote(), timeout=T)
    assert api.get(refs, timeout=T) == ["went"] * 20


def test_async_calls_share_one_thread(api, station):
    refs = [station.thread.remote() for _ in range(5)]
    assert len(set(api.get(refs, timeout=T))) == 1


def test_plain_methods_of_an_async_actor_run_on_its_loop(api, station):
    refs = [station.thread.remote(), station.plain.remote()]
    assert len(set(api.get(refs, timeout=T))) == 1


def test_an_async_error_arrives_as_itself(api, station):
    with pytest.raises(ValueError, match="async"):
        api.get(station.fail.remote(), timeout=T)


def test_an_async_method_awaits_references(api, station):
    square = api.remote(lambda x: x * x)
    refs = [square.remote(3), square.remote(4)]
    assert api.get(station.resolve.remote(refs), timeout=T) == (9, [9, 16])


def test_an_async_call_can_be_cancelled(api, station, mailbox):
    ref = station.cancelled.remote(mailbox.send)
    assert mailbox.receive() == ["started"]
    api.cancel(ref)
    assert mailbox.receive() == ["cancelled"]
    with pytest.raises(api.exceptions.TaskCancelledError):
        api.get(ref, timeout=T)
    assert api.get(station.count.remote(), timeout=T) == 0


def test_an_async_call_that_waits_for_its_turn_can_be_cancelled(
    api, holding_class, mailbox
):
    if api.__name__ == "ray":
        pytest.skip("Ray 2.60 does not answer before the call has its turn")
    narrow = holding_class.options(max_concurrency=1).remote()
    refs = [narrow.hold.remote(mailbox.send) for _ in range(3)]
    assert mailbox.receive() == ["in"]
    for ref in refs[1:]:
        api.cancel(ref)
        with pytest.raises(api.exceptions.TaskCancelledError):
            api.get(ref, timeout=T)
    assert mailbox.empty()
    api.kill(narrow)


def test_an_async_generator_streams(api, station):
    stream = station.ticks.options(num_returns="streaming").remote(4)
    assert [api.get(ref, timeout=T) for ref in stream] == [0, 1, 2, 3]


def test_an_async_generator_streams_as_it_goes(api):
    @api.remote
    class Source:
        def __init__(self):
            self.event = asyncio.Event()

        async def numbers(self):
            yield 1
            await self.event.wait()
            yield 2
            raise ValueError("three")

        async def go(self):
            self.event.set()

    source = Source.remote()
    stream = source.numbers.options(num_returns="streaming").remote()
    assert api.get(next(stream), timeout=T) == 1
    source.go.remote()
    assert api.get(next(stream), timeout=T) == 2
    with pytest.raises(ValueError, match="three"):
        api.get(next(stream), timeout=T)
    assert list(stream) == []


def test_an_endless_async_generator_can_be_cancelled(api):
    @api.remote
    class Source:
        async def ticks(self):
            while True:
                yield 1
                await asyncio.sleep(0.01)

        async def ping(self):
            return "pong"

    source = Source.remote()
    stream = source.ticks.options(num_returns="streaming").remote()
    assert api.get(next(stream), timeout=T) == 1
    api.cancel(stream)
    with pytest.raises(api.exceptions.TaskCancelledError):
        api.get([*stream], timeout=T)
    assert api.get(source.ping.remote(), timeout=T) == "pong"


def test_an_async_actor_obeys_max_concurrency(api, mailbox):
    @api.remote(max_concurrency=2)
    class Narrow:
        def __init__(self):
            self.event = asyncio.Event()

        async def hold(self, send):
            send("in")
            await self.event.wait()

        async def free(self):
            self.event.set()

    narrow = Narrow.remote()
    refs = [narrow.hold.remote(mailbox.send)]
    assert mailbox.receive() == ["in"]
    narrow.free.remote()
    refs += [narrow.hold.remote(mailbox.send) for _ in range(3)]
    api.get(refs, timeout=T)
    assert mailbox.receive(3) == ["in"] * 3


def test_an_async_actor_runs_no_more_calls_than_max_concurrency(
    api, holding_class, mailbox
):
    narrow = holding_class.options(max_concurrency=2).remote()
    refs = [narrow.hold.remote(mailbox.send) for _ in range(3)]
    mailbox.receive(2)
    assert api.wait(refs, timeout=0.2) == ([], refs)
    assert mailbox.empty()
    api.kill(narrow)


def test_async_exit_actor_ends_the_actor(api):
    @api.remote
    class Leaver:
        async def leave(self):
            api.actor.exit_actor()

        async def ping(self):
            return "pong"

    leaver = Leaver.remote()
    assert api.get(leaver.ping.remote(), timeout=T) == "pong"
    with pytest.raises(api.exceptions.RayActorError):
        api.get(leaver.leave.remote(), timeout=T)
    with pytest.raises(api.exceptions.ActorDiedError):
        api.get(leaver.ping.remote(), timeout=T)


def test_an_async_actor_outlives_a_deadline_of_what_it_awaits(api, gate):
    @api.remote
    def late(wait):
        wait()
        return 1

    @api.remote
    class Patient:
        async def give_up(self, refs):
            try:
                await asyncio.wait_for(refs[0], 0.01)
            except asyncio.TimeoutError:
                return "gave up"

        async def go_on(self, refs):
            return await refs[0]

    patient, ref = Patient.remote(), late.remote(gate.wait)
    assert api.get(patient.give_up.remote([ref]), timeout=T) == "gave up"
    gate.open()
    assert api.get(patient.go_on.remote([ref]), timeout=T) == 1
    assert api.get(patient.go_on.remote([ref]), timeout=T) == 1


def test_a_call_without_inputs_overtakes_one_whose_input_is_late(api, gate):
    @api.remote
    def late(wait):
        wait()
        return 1

    @api.remote
    class Taker:
        async def take(self, value):
            return value

    taker = Taker.remote()
    waits = taker.take.remote(late.remote(gate.wait))
    assert api.get(taker.take.remote(0), timeout=T) == 0
    gate.open()
    assert api.get(waits, timeout=T) == 1


def test_a_call_that_waits_for_its_input_fails_with_its_actor(api, gate):
    @api.remote
    def late(wait):
        wait()
        return 1

    @api.remote
    class Taker:
        async def take(self, value):
            return value

    taker = Taker.remote()
    assert api.get(taker.take.remote(0), timeout=T) == 0
    waits = taker.take.remote(late.remote(gate.wait))
    api.kill(taker)
    if api.__name__ == "ray":
        gate.open()  # Ray fails it when the input is there
    with pytest.raises(api.exceptions.ActorDiedError):
        api.get(waits, timeout=T)


def test_exit_actor_in_a_coroutine_of_its_own_ends_the_actor(api, eventually):
    @api.remote
    class Leaver:
        async def leave_later(self):
            async def leave():
                api.actor.exit_actor()

            self.leaving = asyncio.create_task(leave())

        async def pid(self):
            return os.getpid()

    leaver = Leaver.remote()
    pid = api.get(leaver.pid.remote(), timeout=T)
    ref = leaver.leave_later.remote()

    def is_gone():  # Ray ends it after this call or the next
        try:
            api.get([ref, leaver.pid.remote()], timeout=T)
        except api.exceptions.ActorDiedError:
            return True
        return False

    eventually(is_gone)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
