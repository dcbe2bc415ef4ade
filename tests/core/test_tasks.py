"""Tasks: how they are called, what they are given, what they give back."""

import asyncio
import os

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


def test_a_task_runs_in_another_process(api):
    pid = api.remote(lambda: os.getpid()).remote()
    assert api.get(pid, timeout=T) != os.getpid()


def test_remote_returns_a_reference_before_the_task_is_done(api, gate):
    @api.remote
    def waits(wait):
        wait()
        return "done"

    ref = waits.remote(gate.wait)
    assert isinstance(ref, api.ObjectRef)
    assert api.wait([ref], timeout=0) == ([], [ref])
    gate.open()
    assert api.get(ref, timeout=T) == "done"


def test_positional_keyword_and_default_arguments_arrive(api):
    @api.remote
    def f(a, b=2, *rest, c, d=4, **more):
        return a, b, rest, c, d, more

    got = api.get([f.remote(1, c=3), f.remote(1, 5, 6, c=7, d=8, e=9)])
    assert got == [(1, 2, (), 3, 4, {}), (1, 5, (6,), 7, 8, {"e": 9})]


def test_a_call_that_does_not_fit_the_signature_raises_at_once(api):
    @api.remote
    def f(a):
        return a

    with pytest.raises(TypeError):
        f.remote()
    with pytest.raises(TypeError):
        f.remote(1, 2)
    with pytest.raises(TypeError):
        f.remote(b=1)


def test_a_remote_function_cannot_be_called_directly(api):
    @api.remote
    def f():
        return 1

    with pytest.raises(TypeError, match=r"f\.remote\(\)"):
        f()


def test_num_returns_gives_one_reference_per_value(api):
    @api.remote(num_returns=3)
    def f():
        return 1, [2], "3"

    refs = f.remote()
    assert [type(ref) for ref in refs] == [api.ObjectRef] * 3
    assert api.get(refs, timeout=T) == [1, [2], "3"]


def test_num_returns_zero_gives_none(api, mailbox):
    @api.remote(num_returns=0)
    def f(send):
        send("ran")

    assert f.remote(mailbox.send) is None
    assert mailbox.receive() == ["ran"]


def test_without_num_returns_a_tuple_stays_one_value(api):
    @api.remote
    def f():
        return 1, 2

    assert api.get(f.remote(), timeout=T) == (1, 2)


@pytest.mark.parametrize("values", [(1,), (1, 2, 3)])
def test_a_wrong_number_of_return_values_is_a_value_error(api, values):
    @api.remote(num_returns=2)
    def f():
        return values

    for ref in f.remote():
        with pytest.raises(ValueError, match="num_returns"):
            api.get(ref, timeout=T)


def test_options_override_one_call_only(api):
    @api.remote
    def f():
        return 1, 2

    assert api.get(f.options(num_returns=2).remote(), timeout=T) == [1, 2]
    assert api.get(f.remote(), timeout=T) == (1, 2)


def test_options_of_options_add_up(api):
    if api.__name__ == "ray":
        pytest.skip("what its options give has no options")

    @api.remote
    def f():
        return 1, 2

    pair = f.options(num_returns=2).options(num_cpus=0)
    assert api.get(pair.remote(), timeout=T) == [1, 2]


def test_options_can_be_kept_and_called_again(api):
    @api.remote
    def f(x):
        return x, -x

    pair = f.options(num_returns=2, name="pair")
    refs = [*pair.remote(1), *pair.remote(2)]
    assert api.get(refs, timeout=T) == [1, -1, 2, -2]


def test_remote_can_be_applied_to_a_lambda(api):
    double = api.remote(lambda x: 2 * x)
    assert api.get(double.remote(4), timeout=T) == 8


def test_a_builtin_function_cannot_be_remote(api):
    with pytest.raises(TypeError, match="function or a class"):
        api.remote(len)


def test_remote_with_options_is_a_decorator(api):
    triple = api.remote(num_cpus=1)(lambda x: 3 * x)
    assert api.get(triple.remote(4), timeout=T) == 12


def test_a_closure_travels_with_its_values(api):
    def adder(n):
        @api.remote
        def add(x):
            return x + n

        return add

    five, seven = adder(5), adder(7)
    assert api.get([five.remote(1), seven.remote(1)], timeout=T) == [6, 8]


def test_a_closure_is_captured_at_the_first_call(api):
    captured = [1]

    @api.remote
    def read():
        return captured

    assert api.get(read.remote(), timeout=T) == [1]
    captured.append(2)
    assert api.get(read.remote(), timeout=T) == [1]


def test_a_task_works_on_copies_of_its_arguments(api):
    @api.remote
    def grow(items):
        items.append(1)
        return len(items)

    items = []
    assert api.get([grow.remote(items), grow.remote(items)]) == [1, 1]
    assert items == []


def test_a_class_defined_here_travels_both_ways(api):
    class Point:
        def __init__(self, x):
            self.x = x

    @api.remote
    def move(point):
        return Point(point.x + 1)

    moved = api.get(move.remote(Point(1)), timeout=T)
    assert isinstance(moved, Point)
    assert moved.x == 2


def test_a_function_is_a_value(api):
    @api.remote
    def apply(function, *values):
        return function(*values)

    ref = apply.remote(lambda a, b: a * b, 6, 7)
    assert api.get(ref, timeout=T) == 42


def test_a_remote_function_travels_and_is_called_there(api):
    @api.remote
    def square(x):
        return x * x

    @api.remote
    def apply(function, x):
        return api.get(function.remote(x))

    assert api.get(apply.remote(square, 5), timeout=T) == 25


def test_a_large_argument_arrives_whole(api):
    @api.remote
    def total(array):
        return array.nbytes, int(array.sum())

    array = np.ones(5_000_000, dtype=np.uint8)
    assert api.get(total.remote(array), timeout=T) == (5_000_000,) * 2


def test_many_arguments_arrive_in_order(api):
    @api.remote
    def collect(*values):
        return values

    refs = [api.put(i) for i in range(100)]
    got = api.get(collect.remote(*refs, *range(100, 200)), timeout=T)
    assert got == tuple(range(200))


def test_none_is_a_result(api):
    assert api.get(api.remote(lambda: None).remote(), timeout=T) is None


def test_two_tasks_run_at_the_same_time(api, mailbox, gate):
    @api.remote
    def meet(send, wait):
        send()
        wait()

    refs = [meet.remote(mailbox.send, gate.wait) for _ in range(2)]
    mailbox.receive(2)  # neither can have ended
    gate.open()
    api.get(refs, timeout=T)


def test_no_more_tasks_run_than_there_are_cpus(api, mailbox, gate):
    @api.remote
    def hold(send, wait):
        send()
        wait()

    refs = [hold.remote(mailbox.send, gate.wait) for _ in range(5)]
    mailbox.receive(4)
    assert api.wait(refs, timeout=0.3) == ([], refs)
    assert mailbox.empty()
    gate.open()
    mailbox.receive(1)
    api.get(refs, timeout=T)


def test_an_async_function_is_refused_as_a_task(api):
    async def f():
        await asyncio.sleep(0)

    with pytest.raises(ValueError, match="async"):
        api.remote(f)


def test_a_task_may_print_and_keeps_its_result(api):
    @api.remote
    def talk():
        os.write(1, b"to the log\n")
        return "said"

    assert api.get(talk.remote(), timeout=T) == "said"


def test_a_thousand_small_tasks_give_their_own_results(api):
    square = api.remote(lambda x: x * x)
    refs = [square.remote(i) for i in range(1000)]
    assert api.get(refs, timeout=T) == [i * i for i in range(1000)]


def test_env_vars_of_a_runtime_env_reach_the_task(api):
    @api.remote(runtime_env={"env_vars": {"COURSE": "systems"}})
    def read():
        return os.environ.get("COURSE")

    assert api.get(read.remote(), timeout=T) == "systems"
    assert "COURSE" not in os.environ
