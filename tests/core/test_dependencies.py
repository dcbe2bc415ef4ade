"""References as arguments, tasks that start tasks, graphs of tasks."""

import os

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


def test_a_reference_as_an_argument_arrives_as_its_value(api):
    increment = api.remote(lambda x: x + 1)
    assert api.get(increment.remote(api.put(1)), timeout=T) == 2


def test_a_reference_as_a_keyword_arrives_as_its_value(api):
    @api.remote
    def f(a, *, b):
        return a, b

    got = api.get(f.remote(api.put(1), b=api.put(2)), timeout=T)
    assert got == (1, 2)


def test_a_reference_inside_a_list_or_dict_stays_a_reference(api):
    @api.remote
    def look(items, table):
        refs = [items[0], table["key"]]
        kept = [isinstance(ref, api.ObjectRef) for ref in refs]
        return kept, api.get(refs)

    ref = api.put("value")
    got = api.get(look.remote([ref], {"key": ref}), timeout=T)
    assert got == ([True, True], ["value", "value"])


def test_a_nested_reference_does_not_delay_the_task(api, gate):
    @api.remote
    def waits(wait):
        wait()
        return 1

    slow = waits.remote(gate.wait)
    count = api.remote(lambda items: len(items))
    assert api.get(count.remote([slow]), timeout=T) == 1
    gate.open()
    assert api.get(slow, timeout=T) == 1


def test_a_task_starts_only_when_its_arguments_are_there(api, gate, mailbox):
    @api.remote
    def waits(wait):
        wait()
        return 20

    @api.remote
    def after(x, y, send):
        send("after")
        return x + y

    slow = waits.remote(gate.wait)
    ref = after.remote(slow, 1, mailbox.send)
    assert api.wait([ref], timeout=0.2) == ([], [ref])
    assert mailbox.empty()
    gate.open()
    assert api.get(ref, timeout=T) == 21


def test_tasks_that_wait_for_arguments_hold_no_cpu(api, gate):
    @api.remote
    def waits(wait):
        wait()
        return 1

    add = api.remote(lambda x, y: x + y)
    slow = waits.remote(gate.wait)
    waiting = [add.remote(slow, i) for i in range(10)]
    assert api.get(add.remote(1, 1), timeout=T) == 2
    gate.open()
    assert sum(api.get(waiting, timeout=T)) == 10 + sum(range(10))


def test_a_chain_of_tasks_runs_in_order(api):
    add = api.remote(lambda text, letter: text + letter)
    ref = ""
    for letter in "minimr":
        ref = add.remote(ref, letter)
    assert api.get(ref, timeout=T) == "minimr"


def test_a_chain_of_large_results_is_as_long_as_it_likes(api):
    @api.remote
    def more(array):
        return array + 1

    ref = api.put(np.zeros(20_000))
    for _ in range(800):
        ref = more.remote(ref)
    assert api.get(ref, timeout=T)[0] == 800
    del ref
    assert api.get(api.remote(lambda: "goes on").remote(), timeout=T)


def test_a_diamond_of_tasks_computes_its_top_once(api, attempt):
    @api.remote
    def top(attempt):
        return attempt()

    add = api.remote(lambda x, y: x + y)
    first = top.remote(attempt)
    left, right = add.remote(first, 1), add.remote(first, 2)
    assert api.get(add.remote(left, right), timeout=T) == 5
    assert attempt() == 2


def test_a_task_starts_tasks_and_gets_their_results(api):
    square = api.remote(lambda x: x * x)

    @api.remote
    def total(n):
        return sum(api.get([square.remote(i) for i in range(n)]))

    assert api.get(total.remote(10), timeout=T) == 285


def test_a_worker_blocked_in_get_gives_its_cpu_back(api):
    @api.remote
    def down(depth):
        if depth == 0:
            return 0
        return 1 + api.get(down.remote(depth - 1))

    assert api.get(down.remote(6), timeout=T) == 6


def test_a_worker_blocked_in_get_keeps_what_is_no_cpu(api):
    child = api.remote(resources={"widget": 1})(lambda: 1)

    @api.remote(resources={"widget": 2})
    def parent():
        with pytest.raises(api.exceptions.GetTimeoutError):
            api.get(child.remote(), timeout=1)
        return "it has waited"

    assert api.get(parent.remote(), timeout=T) == "it has waited"


def test_a_worker_blocked_in_wait_gives_its_cpu_back(api):
    @api.remote
    def down(depth):
        if depth == 0:
            return 0
        ready, _ = api.wait([down.remote(depth - 1)])
        return 1 + api.get(ready[0])

    assert api.get(down.remote(5), timeout=T) == 5


def test_recursion_branches(api):
    @api.remote
    def fib(n):
        if n < 2:
            return n
        return sum(api.get([fib.remote(n - 1), fib.remote(n - 2)]))

    assert api.get(fib.remote(5), timeout=T) == 5


def test_a_task_may_return_a_reference(api):
    increment = api.remote(lambda x: x + 1)
    outer = api.remote(lambda: increment.remote(1))
    inner = api.get(outer.remote(), timeout=T)
    assert isinstance(inner, api.ObjectRef)
    assert api.get(inner, timeout=T) == 2


def test_a_returned_reference_as_an_argument_is_resolved_once(api):
    outer = api.remote(lambda: api.put("inner"))

    @api.remote
    def look(value):
        return isinstance(value, api.ObjectRef) and api.get(value)

    assert api.get(look.remote(outer.remote()), timeout=T) == "inner"


def test_a_reference_travels_through_several_tasks(api):
    pass_on = api.remote(lambda box: box)
    box = [api.put("cargo")]
    for _ in range(4):
        box = api.get(pass_on.remote(box), timeout=T)
    assert api.get(box[0], timeout=T) == "cargo"


def test_an_object_put_by_a_task_outlives_the_task(api):
    maker = api.remote(lambda: [api.put([i] * 3) for i in range(3)])
    refs = api.get(maker.remote(), timeout=T)
    assert api.get(refs, timeout=T) == [[0] * 3, [1] * 3, [2] * 3]


def test_the_results_of_one_task_feed_two_others(api):
    split = api.remote(num_returns=2)(lambda n: (n // 2, n - n // 2))
    square = api.remote(lambda x: x * x)
    left, right = split.remote(7)
    refs = [square.remote(left), square.remote(right)]
    assert api.get(refs, timeout=T) == [9, 16]


def test_a_task_waits_for_the_first_of_its_children(api, gate):
    @api.remote
    def waits(wait):
        wait()
        return "slow"

    @api.remote
    def race(wait):
        quick = api.remote(lambda: "quick").remote()
        ready, rest = api.wait([waits.remote(wait), quick])
        return api.get(ready[0]), len(rest)

    got = api.get(race.remote(gate.wait), timeout=T)
    gate.open()
    assert got == ("quick", 1)


def test_children_may_still_run_when_their_parent_is_done(api, gate):
    @api.remote
    def child(wait):
        wait()
        return os.getpid()

    parent = api.remote(lambda wait: [child.remote(wait)])
    (ref,) = api.get(parent.remote(gate.wait), timeout=T)
    assert api.wait([ref], timeout=0) == ([], [ref])
    gate.open()
    assert api.get(ref, timeout=T) != os.getpid()


def test_a_handle_is_used_before_its_actor_has_its_arguments(
    api, gate, mailbox
):
    wait, send = gate.wait, mailbox.send

    @api.remote
    def late():
        wait()
        return 7

    @api.remote
    class Holder:
        def __init__(self, value):
            self.value = value

        def give(self):
            return self.value

    @api.remote
    def ask(holder):
        ref = holder.give.remote()
        send("asked")
        return api.get(ref)

    answer = ask.remote(Holder.remote(late.remote()))
    mailbox.receive()
    gate.open()
    assert api.get(answer, timeout=T) == 7
