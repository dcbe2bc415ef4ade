"""Generators: values that arrive one by one, each as a reference."""

import asyncio

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30
DEPRECATED = pytest.mark.filterwarnings("ignore:num_returns='dynamic'")


@pytest.fixture(scope="module")
def count(api):
    @api.remote
    def count(n):
        for i in range(n):  # noqa: UP028  (Ray cannot stream `yield from`)
            yield i

    return count


@pytest.fixture(scope="module")
def fails_at_two(api):
    @api.remote
    def fails_at_two():
        yield 0
        yield 1
        raise ValueError("two")

    return fails_at_two


def test_a_generator_task_streams_references(api, count):
    stream = count.remote(4)
    assert isinstance(stream, api.ObjectRefGenerator)
    refs = list(stream)
    assert all(isinstance(ref, api.ObjectRef) for ref in refs)
    assert api.get(refs, timeout=T) == [0, 1, 2, 3]


def test_num_returns_streaming_says_the_same(api, count):
    stream = count.options(num_returns="streaming").remote(2)
    assert [api.get(ref, timeout=T) for ref in stream] == [0, 1]


def test_a_value_arrives_before_the_generator_ends(api, gate):
    @api.remote
    def two(wait):
        yield "first"
        wait()
        yield "second"

    stream = two.remote(gate.wait)
    assert api.get(next(stream), timeout=T) == "first"
    gate.open()
    assert api.get(next(stream), timeout=T) == "second"


def test_an_empty_generator_ends_at_once(count):
    assert list(count.remote(0)) == []


def test_an_exhausted_stream_stays_exhausted(api, count):
    stream = count.remote(1)
    assert api.get(next(stream), timeout=T) == 0
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)


def test_an_error_comes_after_the_values_before_it(api, fails_at_two):
    refs = list(fails_at_two.remote())
    assert len(refs) == 3
    assert api.get(refs[:2], timeout=T) == [0, 1]
    with pytest.raises(ValueError, match="two"):
        api.get(refs[2], timeout=T)


def test_streamed_references_are_arguments_like_others(api, count):
    square = api.remote(lambda x: x * x)
    refs = [square.remote(ref) for ref in count.remote(4)]
    assert api.get(refs, timeout=T) == [0, 1, 4, 9]


def test_large_values_stream(api):
    @api.remote
    def arrays(n):
        for i in range(n):
            yield np.full(200_000, i)

    sums = [api.get(ref, timeout=T).sum() for ref in arrays.remote(3)]
    assert sums == [0, 200_000, 400_000]


def test_a_stream_is_waited_for_like_a_reference(api, gate):
    @api.remote
    def one(wait):
        wait()
        yield 1

    stream, ready = one.remote(gate.wait), api.put(0)
    assert api.wait([stream, ready], timeout=T) == ([ready], [stream])
    gate.open()
    assert api.wait([stream], timeout=T) == ([stream], [])
    assert api.get(next(stream), timeout=T) == 1


def test_a_stream_is_iterated_asynchronously(api, count):
    async def main():
        return [await ref async for ref in count.remote(3)]

    assert asyncio.run(main()) == [0, 1, 2]


def test_completed_is_a_reference_to_the_end(api, gate):
    @api.remote
    def one(wait):
        yield 1
        wait()

    stream = one.remote(gate.wait)
    end = stream.completed()
    assert api.get(next(stream), timeout=T) == 1
    assert api.wait([end], timeout=0) == ([], [end])
    gate.open()
    assert api.wait([end], timeout=T) == ([end], [])


def test_a_number_of_returns_unrolls_a_generator(api, count):
    refs = count.options(num_returns=3).remote(3)
    assert api.get(refs, timeout=T) == [0, 1, 2]


def test_a_generator_that_yields_too_few_gives_those_and_errors(api, count):
    refs = count.options(num_returns=4).remote(2)
    assert api.get(refs[:2], timeout=T) == [0, 1]
    for ref in refs[2:]:
        with pytest.raises(ValueError, match="num_returns"):
            api.get(ref, timeout=T)


def test_a_generator_that_yields_too_many_gives_the_first(api, count):
    refs = count.options(num_returns=2).remote(4)
    assert api.get(refs, timeout=T) == [0, 1]


def test_what_a_generator_unrolled_before_its_error_is_there(
    api, fails_at_two
):
    refs = fails_at_two.options(num_returns=4, max_retries=0).remote()
    assert api.get(refs[:2], timeout=T) == [0, 1]
    for ref in refs[2:]:
        with pytest.raises(ValueError, match="two"):
            api.get(ref, timeout=T)


def test_a_generator_method_streams(api):
    @api.remote
    class Source:
        def __init__(self, step):
            self.step = step

        def values(self, n):
            for i in range(n):
                yield i * self.step

    stream = Source.remote(10).values.remote(3)
    assert [api.get(ref, timeout=T) for ref in stream] == [0, 10, 20]


def test_a_stream_cannot_travel(api, count):
    identity = api.remote(lambda x: x)
    with pytest.raises(TypeError):
        identity.remote(count.remote(1))


def test_a_task_consumes_the_stream_it_started(api, count):
    @api.remote
    def total(n):
        return sum(api.get(ref) for ref in count.remote(n))

    assert api.get(total.remote(5), timeout=T) == 10


@DEPRECATED
def test_a_dynamic_generator_gives_one_reference_to_its_references(api, count):
    ref = count.options(num_returns="dynamic").remote(3)
    assert isinstance(ref, api.ObjectRef)
    got = api.get(ref, timeout=T)
    assert isinstance(got, api.DynamicObjectRefGenerator)
    assert len(got) == 3
    assert [api.get(item, timeout=T) for item in got] == [0, 1, 2]
    assert len(got) == 0  # they are taken once


@DEPRECATED
def test_the_result_of_a_dynamic_generator_travels(api):
    @api.remote(num_returns="dynamic")
    def arrays(n):
        for i in range(n):
            yield np.full(200_000, i)

    @api.remote
    def total(arrays):
        return sum(api.get(ref)[0] for ref in arrays)

    ref = arrays.remote(3)
    assert api.get(total.remote(ref), timeout=T) == 3
    assert api.get(total.remote(api.get(ref, timeout=T)), timeout=T) == 3


@DEPRECATED
def test_an_error_of_a_dynamic_generator_is_behind_its_items(
    api, fails_at_two
):
    ref = fails_at_two.options(num_returns="dynamic").remote()
    *items, last = api.get(ref, timeout=T)
    assert api.get(items, timeout=T) == [0, 1]
    with pytest.raises(ValueError, match="two"):
        api.get(last, timeout=T)


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_generator_waits_until_its_items_are_taken(api, mailbox, ahead):
    @api.remote(_generator_backpressure_num_objects=ahead)
    def numbers(send):
        for i in range(10):
            send(i)
            yield i

    stream = numbers.remote(mailbox.send)
    made = [str(i) for i in range(ahead)]
    assert mailbox.receive(ahead) == made
    for i in range(3):
        assert mailbox.empty()
        assert api.get(next(stream), timeout=T) == i
        assert mailbox.receive() == [str(i + ahead)]
    del stream  # who takes nothing holds nothing up
    mailbox.receive(10 - ahead - 3)


def test_an_async_generator_waits_while_other_calls_go_on(api, mailbox):
    @api.remote
    class Source:
        async def numbers(self, send):
            for i in range(3):
                send(i)
                yield i

        async def ping(self):
            return "pong"

    source = Source.remote()
    options = {"_generator_backpressure_num_objects": 1}
    stream = source.numbers.options(**options).remote(mailbox.send)
    for i in range(3):
        assert mailbox.receive() == [str(i)]
        assert api.get(source.ping.remote(), timeout=T) == "pong"
        assert mailbox.empty()
        assert api.get(next(stream), timeout=T) == i
    assert list(stream) == []


def test_a_generator_that_waits_can_be_cancelled(api, mailbox):
    @api.remote(_generator_backpressure_num_objects=1)
    def numbers(send):
        for i in range(3):
            send(i)
            yield i

    stream = numbers.remote(mailbox.send)
    assert api.get(next(stream), timeout=T) == 0
    assert mailbox.receive(2) == ["0", "1"]
    api.cancel(stream)
    with pytest.raises(api.exceptions.TaskCancelledError):
        api.get([*stream], timeout=T)
    assert mailbox.empty()


def test_how_far_a_generator_may_be_ahead_is_not_nothing(api, count):
    with pytest.raises(ValueError, match="backpressure"):
        count.options(_generator_backpressure_num_objects=0).remote(1)
    free = count.options(_generator_backpressure_num_objects=-1)
    assert len(list(free.remote(3))) == 3


def test_a_stream_says_whether_it_is_ready_and_finished(api, gate, eventually):
    @api.remote
    def one(wait):
        wait()
        yield 1

    stream = one.remote(gate.wait)
    assert not stream.next_ready()
    assert not stream.is_finished()
    gate.open()
    assert api.wait([stream], timeout=T) == ([stream], [])
    assert stream.next_ready()
    next(stream)
    eventually(stream.is_finished)
    assert not stream.next_ready()
    with pytest.raises(NotImplementedError):
        stream.close()
    with pytest.raises(NotImplementedError):
        stream.send(1)


def test_who_stops_waiting_for_a_stream_has_taken_nothing(api, gate):
    @api.remote
    def two(wait):
        wait()
        yield 1
        yield 2

    async def main():
        stream = two.remote(gate.wait)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        gate.open()
        return [await ref async for ref in stream]

    assert asyncio.run(main()) == [1, 2]


def test_what_a_dropped_stream_still_yields_is_freed(api, gate, eventually):
    @api.remote
    def arrays(wait):
        yield 1
        wait()
        for _ in range(3):
            yield np.ones(50 * 2**20, dtype=np.uint8)

    def stored():
        free = api.available_resources().get("object_store_memory", 0)
        return api.cluster_resources()["object_store_memory"] - free

    eventually(lambda: stored() < 40 * 2**20)
    stream = arrays.remote(gate.wait)
    end = stream.completed()
    next(stream)
    del stream
    gate.open()
    api.wait([end], timeout=T)
    eventually(lambda: stored() < 40 * 2**20)
