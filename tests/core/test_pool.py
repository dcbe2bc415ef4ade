"""util.multiprocessing: a Pool of actors, beside that of Python."""

import importlib
import multiprocessing
import os
import threading
from functools import partial

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def kind(api):
    name = f"{api.__name__}.util.multiprocessing"
    return importlib.import_module(name).Pool


@pytest.fixture(scope="module")
def pool(kind):
    with kind(2) as pool:
        yield pool


def double(x):
    if x == "bad":
        raise ValueError("bad")
    return 2 * x


def after(wait, x):
    wait()
    return x


def add(x, y=0):
    return x + y


def test_a_pool_applies_a_function(pool):
    assert pool.apply(add, (1,), {"y": 2}) == 3
    assert pool.apply_async(add, [1], {"y": 2}).get(T) == 3


def test_a_pool_runs_in_other_processes(pool):
    assert os.getpid() not in pool.map(lambda _: os.getpid(), range(8))


@pytest.mark.parametrize("chunksize", [None, 1, 3, 100])
def test_a_pool_maps_whatever_the_chunks(pool, chunksize):
    wanted = [2 * x for x in range(10)]
    assert pool.map(double, range(10), chunksize) == wanted
    assert pool.map_async(double, iter(range(10)), chunksize).get(T) == wanted
    assert pool.starmap(add, [(1, 2), (3, 4)], chunksize) == [3, 7]
    assert pool.starmap_async(add, [(1, 2), (3,)]).get(T) == [3, 3]
    results = pool.imap(double, iter(range(10)), chunksize or 1)
    assert [*results] == wanted
    results = pool.imap_unordered(double, iter(range(10)), chunksize or 1)
    assert sorted(results) == wanted


def test_nothing_is_mapped_to_nothing(pool):
    assert pool.map(double, []) == []
    assert pool.starmap(add, []) == []
    assert [*pool.imap(double, iter([]))] == []


def test_a_pool_raises_what_the_function_raised(pool):
    for call in (pool.apply, pool.map):
        with pytest.raises(ValueError, match="bad"):
            call(double, ["bad"])
    result = pool.map_async(double, [1, "bad", 2])
    result.wait(T)
    assert result.ready()
    assert not result.successful()
    with pytest.raises(ValueError, match="bad"):
        result.get()


def test_a_result_that_is_late_is_a_timeout(pool, gate):
    result = pool.apply_async(after, (gate.wait, 1))
    with pytest.raises(multiprocessing.TimeoutError):
        result.get(timeout=0.05)
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    gate.open()
    assert result.get(T) == 1
    assert result.successful()


def test_an_item_that_is_late_is_a_timeout(pool, gate):
    results = pool.imap(partial(after, gate.wait), iter([1, 2]))
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(timeout=0.05)
    gate.open()
    assert [*results] == [1, 2]


def test_callbacks_get_the_result_or_the_error(pool):
    told = []
    results = [
        pool.apply_async(double, (1,), {}, told.append),
        # One chunk: Ray's come in the order in which they are done.
        pool.map_async(double, [1, 2], 2, told.append),
    ]
    for result in results:
        result.wait(T)
    failed = pool.map_async(double, [1, "bad"], 1, told.append, told.append)
    failed.wait(T)
    *values, error = told
    assert sorted(values, key=str) == [2, [2, 4]]
    # Ray hands on what it wraps errors in.
    assert isinstance(getattr(error, "underlying", error), ValueError)


def test_a_callback_may_use_the_pool(pool):
    told = threading.Event()

    def callback(value):
        assert pool.apply(double, (value,)) == 4
        told.set()

    pool.apply_async(double, (1,), callback=callback)
    assert told.wait(T)


@pytest.mark.parametrize("count", [2, 5])
def test_unordered_results_come_as_they_are_made(api, pool, gate, count):
    if (api.__name__, count) == ("ray", 5):
        pytest.skip("Ray deals chunks in turn, to a process that waits, too")
    wait = gate.wait

    def slow(x):
        if x == 0:
            wait()
        return x

    results = pool.imap_unordered(slow, iter(range(count)))
    soon = {*range(1, count)}
    assert {next(results) for _ in soon} == soon
    gate.open()
    assert [*results] == [0]


def test_ordered_results_wait_for_the_first(pool, gate):
    wait = gate.wait

    def slow(x):
        if x == 0:
            wait()
        return x

    results = pool.imap(slow, iter(range(4)))
    with pytest.raises(multiprocessing.TimeoutError):
        results.next(timeout=0.05)
    gate.open()
    assert [*results] == [0, 1, 2, 3]


def test_items_are_taken_as_they_are_needed(pool):
    taken = []

    def items():
        for x in range(100):
            taken.append(x)
            yield x

    results = pool.imap(double, items())
    next(results)
    assert len(taken) < 50
    assert len([*results]) == 99


def test_each_process_is_initialised(kind):
    def begin(x):
        os.environ["BEGUN"] = x

    with kind(2, initializer=begin, initargs=("yes",)) as pool:
        seen = pool.map(lambda _: os.environ.get("BEGUN"), range(6))
    assert {*seen} == {"yes"}


def test_a_process_ends_after_so_many_tasks(kind):
    with kind(1, maxtasksperchild=2) as pool:
        pids = [pool.apply(os.getpid) for _ in range(5)]
    assert len({*pids}) == 3
    assert pids[0] == pids[1]


def test_a_closed_pool_ends_its_work_and_takes_no_more(kind, gate):
    pool = kind(2)
    late = pool.map_async(partial(after, gate.wait), range(3), 1)
    pool.close()
    for call in (pool.map, pool.imap, pool.apply, pool.map_async):
        with pytest.raises(ValueError, match="not running"):
            call(double, [1])
    with pytest.raises(ValueError, match="not running"), pool:
        pass
    gate.open()
    pool.join()
    assert late.get(T) == [0, 1, 2]


def test_a_pool_that_is_terminated_ends_at_once(kind, gate):
    pool = kind(2)
    pool.map_async(partial(after, gate.wait), range(3), 1)
    pool.terminate()
    pool.join()
    with pytest.raises(ValueError, match="not running"):
        pool.map(double, [1])


def test_an_open_pool_is_not_joined(pool):
    with pytest.raises(ValueError, match="still running"):
        pool.join()


@pytest.mark.parametrize("processes", [0, -1, 1000])
def test_a_pool_has_as_many_processes_as_it_can(kind, processes):
    with pytest.raises(ValueError, match=r"in the pool|a pool with"):
        kind(processes)


def test_a_process_that_dies_is_an_error(api, kind):
    pool = kind(1)
    result = pool.apply_async(os._exit, (1,))
    with pytest.raises(api.exceptions.RayActorError):
        result.get(T)
    pool.terminate()


class TestBeyondRay:
    """What Python's Pool does, and Ray's does not."""

    @pytest.fixture(params=["of processes", "of actors"])
    def python(self, request, api):
        if api.__name__ == "ray":
            pytest.skip("Ray does otherwise")
        if request.param == "of actors":
            name = "minimr.util.multiprocessing"
            return importlib.import_module(name).Pool
        # Not fork: this process has threads.
        return multiprocessing.get_context("spawn").Pool

    def test_one_by_one_the_error_is_raised_in_its_place(self, python):
        with python(1) as pool:
            for results in (
                pool.imap(int, ["1", "bad", "2"]),
                pool.imap_unordered(int, ["1", "bad", "2"]),
            ):
                assert next(results) == 1
                with pytest.raises(ValueError, match="bad"):
                    next(results)
                assert next(results) == 2

    def test_the_error_has_the_traceback_of_the_process(self, python):
        with python(1) as pool, pytest.raises(ValueError, match="bad") as e:
            pool.apply(int, ("bad",))
        assert type(e.value) is ValueError
        assert "Traceback" in str(e.value.__cause__)

    def test_a_pool_that_closes_gives_what_was_asked_for(self, python):
        with python(1) as pool:
            results = pool.imap(abs, iter(range(5)))
            pool.close()
            assert [*results] == [0, 1, 2, 3, 4]
            pool.join()
