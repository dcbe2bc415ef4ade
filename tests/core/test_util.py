"""util: ActorPool, Queue, inspect_serializability."""

import importlib
import io
import threading

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture(scope="module")
def doublers(api):
    @api.remote
    class Doubler:
        def double(self, x):
            if x == "bad":
                raise ValueError("bad")
            return 2 * x

        def after(self, wait, x):
            wait()
            return x

    return [Doubler.remote() for _ in range(2)]


@pytest.fixture
def pool(api, doublers):
    return api.util.ActorPool(doublers)


def double(actor, value):
    return actor.double.remote(value)


@pytest.mark.parametrize("chunk_size", [1, 2])
def test_results_come_as_they_are_made(api, new_gate, chunk_size):
    @api.remote
    def after(wait, x):
        wait()
        return x

    late, soon = new_gate(), new_gate()
    soon.open()
    gates = [late, soon, soon]
    refs = [after.remote(g.wait, x) for x, g in enumerate(gates)]
    results = api.util.as_completed(refs, chunk_size=chunk_size)
    first = {next(results), next(results)}
    late.open()
    assert first == {1, 2}
    assert [*results] == [0]


def test_a_task_for_each_item_gives_references_if_it_shall(api):
    double = api.remote(lambda x: 2 * x)
    results = api.util.map_unordered(double, range(5), backpressure_size=2)
    assert {*results} == {0, 2, 4, 6, 8}
    refs = [*api.util.map_unordered(double, range(3), yield_obj_refs=True)]
    assert {*api.get(refs, timeout=T)} == {0, 2, 4}


@pytest.mark.parametrize("wrong", [{"chunk_size": 0}, {"num_returns": 1}])
def test_results_in_batches_that_cannot_be_are_refused(api, wrong):
    refs = [api.put(1)]
    with pytest.raises(ValueError, match="chunk"):
        [*api.util.as_completed(refs, **wrong)]


@pytest.fixture
def queue(api):
    queue = api.util.queue.Queue(maxsize=2)
    yield queue
    queue.shutdown(force=True)


def test_a_pool_maps_in_order(pool):
    assert list(pool.map(double, range(10))) == list(range(0, 20, 2))


def test_a_pool_maps_unordered(pool):
    got = list(pool.map_unordered(double, range(10)))
    assert sorted(got) == list(range(0, 20, 2))


def test_an_unordered_map_gives_the_first_that_is_ready(pool, gate):
    def call(actor, value):
        if value == "slow":
            return actor.after.remote(gate.wait, value)
        return actor.double.remote(value)

    results = pool.map_unordered(call, ["slow", 1, 2])
    assert [next(results), next(results)] == [2, 4]
    gate.open()
    assert next(results) == "slow"


def test_a_pool_gives_submitted_results_in_order(pool):
    for value in (1, 2, 3):  # one more than there are actors
        pool.submit(double, value)
    assert pool.has_next()
    assert [pool.get_next(timeout=T) for _ in range(3)] == [2, 4, 6]
    assert not pool.has_next()


def test_a_pool_gives_the_next_ready_result_unordered(pool, gate):
    pool.submit(lambda actor, v: actor.after.remote(gate.wait, v), "slow")
    pool.submit(double, 1)
    assert pool.get_next_unordered(timeout=T) == 2
    gate.open()
    assert pool.get_next_unordered(timeout=T) == "slow"


def test_a_pool_without_results_stops(pool):
    with pytest.raises(StopIteration):
        pool.get_next()


def test_a_pool_result_that_is_late_is_a_timeout(pool, gate):
    pool.submit(lambda actor, v: actor.after.remote(gate.wait, v), 1)
    with pytest.raises(TimeoutError):
        pool.get_next(timeout=0.1)
    gate.open()
    assert pool.get_next(timeout=T) == 1


def test_a_pool_knows_its_idle_actors(pool, gate):
    assert pool.has_free()
    for value in (1, 2):
        pool.submit(lambda actor, v: actor.after.remote(gate.wait, v), value)
    assert not pool.has_free()
    assert pool.pop_idle() is None
    gate.open()
    assert [pool.get_next(timeout=T) for _ in range(2)] == [1, 2]
    assert pool.has_free()


def test_an_actor_leaves_and_joins_a_pool(pool):
    actor = pool.pop_idle()
    assert list(pool.map(double, [1, 2, 3])) == [2, 4, 6]
    pool.push(actor)
    with pytest.raises(ValueError, match="already"):
        pool.push(actor)


def test_a_pool_raises_what_its_actor_raised(pool):
    with pytest.raises(ValueError, match="bad"):
        list(pool.map(double, [1, "bad", 2]))


def test_a_queue_gives_first_in_first_out(queue):
    queue.put("a")
    queue.put("b")
    assert [queue.get(timeout=T), queue.get(timeout=T)] == ["a", "b"]


def test_a_queue_knows_its_size(queue):
    assert queue.empty()
    queue.put(1)
    queue.put(2)
    assert queue.full()
    assert queue.size() == queue.qsize() == len(queue) == 2


def test_a_full_queue_raises_full(api, queue):
    full = api.util.queue.Full
    queue.put_nowait_batch([1, 2])
    with pytest.raises(full):
        queue.put_nowait(3)
    with pytest.raises(full):
        queue.put(3, block=False)
    with pytest.raises(full):
        queue.put(3, timeout=0.05)


def test_an_empty_queue_raises_empty(api, queue):
    empty = api.util.queue.Empty
    with pytest.raises(empty):
        queue.get_nowait()
    with pytest.raises(empty):
        queue.get(block=False)
    with pytest.raises(empty):
        queue.get(timeout=0.05)


def test_queue_errors_are_those_of_the_standard_library(api, queue):
    import queue as standard

    assert issubclass(api.util.queue.Full, standard.Full)
    assert issubclass(api.util.queue.Empty, standard.Empty)


def test_a_queue_takes_and_gives_batches(api, queue):
    queue.put_nowait_batch([1, 2])
    with pytest.raises(api.util.queue.Full):
        queue.put_nowait_batch([3])
    assert queue.get_nowait_batch(2) == [1, 2]
    with pytest.raises(api.util.queue.Empty):
        queue.get_nowait_batch(1)


def test_a_queue_refuses_a_negative_timeout(queue):
    with pytest.raises(ValueError, match="timeout"):
        queue.get(timeout=-1)
    with pytest.raises(ValueError, match="timeout"):
        queue.put(1, timeout=-1)


def test_a_queue_connects_tasks(api, queue):
    @api.remote
    def produce(queue, n):
        for i in range(n):
            queue.put(i)  # waits while two are in it

    @api.remote
    def consume(queue, n):
        return [queue.get() for _ in range(n)]

    produced = produce.remote(queue, 6)
    got = api.get(consume.remote(queue, 6), timeout=T)
    assert got == list(range(6))
    assert api.get(produced, timeout=T) is None


def test_a_consumer_waits_for_the_producer(api, queue):
    consume = api.remote(lambda queue: queue.get())
    ref = consume.remote(queue)
    assert api.wait([ref], timeout=0.2) == ([], [ref])
    queue.put("late")
    assert api.get(ref, timeout=T) == "late"


def test_what_can_travel_is_serializable(api):
    inspect = importlib.import_module(f"{api.__name__}.util")
    where = io.StringIO()
    told = inspect.inspect_serializability([1, "a"], print_file=where)
    assert told == (True, set())


def test_what_cannot_travel_is_found(api):
    inspect = importlib.import_module(f"{api.__name__}.util")
    lock, where = threading.Lock(), io.StringIO()

    def function():
        return lock

    able, failures = inspect.inspect_serializability(
        function, name="mine", print_file=where
    )
    assert not able
    (failure,) = failures
    assert failure.obj is lock
    assert failure.path[0] == "mine"
    assert "lock" in where.getvalue()


def test_a_pool_gives_all_results_of_a_call(api):
    @api.remote
    class Pair:
        @api.method(num_returns=2)
        def pair(self, x):
            return x, x + 1

    pool = api.util.ActorPool([Pair.options(num_cpus=0).remote()])
    for value in range(3):
        pool.submit(lambda actor, x: actor.pair.remote(x), value)
    assert pool.get_next() == [0, 1]
    if api.__name__ == "minimr":  # Ray cannot wait for any of several
        assert pool.get_next_unordered(timeout=T) == [1, 2]
    else:
        assert pool.get_next() == [1, 2]
    assert pool.get_next() == [2, 3]
    assert not pool.has_next()
