"""Generators: values that arrive one by one, each as a reference."""

import asyncio

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


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


def test_a_generator_that_yields_too_few_is_a_value_error(api, count):
    refs = count.options(num_returns=3).remote(2)
    with pytest.raises(ValueError, match="num_returns"):
        api.get(refs, timeout=T)


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
