"""util.executor behaves as Python's own executor of processes."""

import concurrent.futures
import fcntl
import multiprocessing
import os
import threading
from functools import partial

import pytest

pytestmark = pytest.mark.timeout(90)
T = 30


@pytest.fixture(scope="module", params=["processes", "tasks"])
def new(request, api):
    """Make an executor with so many workers."""
    if api.__name__ == "ray":
        pytest.skip("Ray has no executor")
    if request.param == "tasks":
        from minimr.util.executor import TaskPoolExecutor

        return TaskPoolExecutor
    context = multiprocessing.get_context("spawn")  # for there are threads
    kind = concurrent.futures.ProcessPoolExecutor
    return partial(kind, mp_context=context)


@pytest.fixture(scope="module")
def executor(new):
    with new(2) as executor:
        yield executor


def passes(path):
    """Wait for a gate, in a process that cannot be given its `wait`."""
    with open(path) as mine:
        fcntl.flock(mine, fcntl.LOCK_SH)
    return path


def fail():
    raise KeyError("bad")


def test_a_call_is_a_future(executor):
    future = executor.submit(pow, 2, exp=10)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(T) == 1024
    assert future.done()
    assert not future.running()
    assert executor.submit(os.getpid).result(T) != os.getpid()


def test_a_future_raises_what_the_call_has_raised(executor):
    future = executor.submit(fail)
    error = future.exception(T)
    assert type(error) is KeyError
    assert "in fail" in str(error.__cause__)
    with pytest.raises(KeyError, match="bad"):
        future.result()


def test_what_cannot_be_pickled_is_the_error_of_its_call(executor):
    future = executor.submit(abs, threading.Lock())
    with pytest.raises(TypeError, match="pickle"):
        future.result(T)
    assert executor.submit(abs, -1).result(T) == 1


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_a_map_keeps_the_order(executor, chunksize):
    results = executor.map(pow, range(5), [2] * 9, chunksize=chunksize)
    assert [*results] == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="bad"):
        [*executor.map(int, ["1", "bad"], chunksize=chunksize)]
    with pytest.raises(ValueError, match="chunksize"):
        executor.map(abs, [1], chunksize=0)


def test_what_is_late_is_a_timeout(executor, gate):
    late = executor.submit(passes, gate.path)
    with pytest.raises(concurrent.futures.TimeoutError):
        late.result(timeout=0.05)
    with pytest.raises(concurrent.futures.TimeoutError):
        [*executor.map(passes, [gate.path], timeout=0.05)]
    gate.open()
    assert late.result(T) == gate.path


def test_what_has_not_begun_can_be_cancelled(new, gate, eventually):
    with new(1) as executor:
        # A process is handed one call ahead of time.
        calls = [executor.submit(passes, gate.path) for _ in range(4)]
        last = calls[-1]
        assert last.cancel()
        assert last.cancelled()
        eventually(calls[0].running)
        assert not calls[0].cancel()
        gate.open()
    assert [call.result(T) for call in calls[:-1]] == [gate.path] * 3
    with pytest.raises(concurrent.futures.CancelledError):
        last.result()


def test_futures_tell_when_they_are_done(executor, gate):
    late, soon = executor.submit(passes, gate.path), executor.submit(abs, -1)
    told = threading.Event()
    late.add_done_callback(lambda _: told.set())
    first = concurrent.futures.FIRST_COMPLETED
    done, _ = concurrent.futures.wait([late, soon], T, return_when=first)
    assert done == {soon}
    assert not told.is_set()
    gate.open()
    assert told.wait(T)


def test_a_callback_may_submit(executor):
    again = []
    told = threading.Event()

    def callback(future):
        again.append(executor.submit(abs, future.result()))
        told.set()

    executor.submit(abs, -3).add_done_callback(callback)
    assert told.wait(T)
    assert again[0].result(T) == 3


def test_after_shutdown_nothing_is_taken(new, gate):
    executor = new(1)
    under_way = executor.submit(passes, gate.path)
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    gate.open()
    assert under_way.result(T) == gate.path


def test_a_shutdown_can_give_up_what_has_not_begun(new, gate):
    executor = new(1)
    calls = [executor.submit(passes, gate.path) for _ in range(5)]
    executor.shutdown(wait=False, cancel_futures=True)
    gate.open()
    assert calls[0].result(T) == gate.path
    assert calls[-1].cancelled()


def test_a_worker_that_dies_breaks_its_call(new):
    with new(1) as executor:
        dead = executor.submit(os._exit, 1)
        with pytest.raises(concurrent.futures.BrokenExecutor):
            dead.result(T)


def test_without_workers_there_is_no_executor(new):
    with pytest.raises(ValueError, match="max_workers"):
        new(0)


def test_on_tasks_the_executor_goes_on_after_a_death(api):
    if api.__name__ == "ray":
        pytest.skip("Ray has no executor")
    from minimr.util.executor import TaskPoolExecutor

    with TaskPoolExecutor(1, max_retries=0) as executor:
        dead = executor.submit(os._exit, 1)
        alive = executor.submit(abs, -1)
        with pytest.raises(concurrent.futures.BrokenExecutor):
            dead.result(T)
        assert alive.result(T) == 1
