"""Methods that run beside each other, a group of them at a time."""

import asyncio
import threading

import pytest

DEADLINE_S = 30


@pytest.fixture
def office(api, new_gate):
    """An actor whose "slow" calls wait for a gate, and others do not."""
    gate = new_gate()
    wait = gate.wait

    @api.remote(concurrency_groups={"slow": 2, "quick": 1})
    class Office:
        @api.method(concurrency_group="slow")
        def slow(self):
            wait()
            return threading.get_ident()

        @api.method(concurrency_group="quick")
        def quick(self):
            return threading.get_ident()

        def usual(self):
            return threading.get_ident()

    return Office.remote(), gate


def test_a_group_goes_on_while_another_is_full(api, office):
    actor, gate = office
    waiting = [actor.slow.remote() for _ in range(3)]
    quick = api.get(actor.quick.remote(), timeout=DEADLINE_S)
    usual = api.get(actor.usual.remote(), timeout=DEADLINE_S)
    assert quick != usual
    gate.open()
    slow = set(api.get(waiting, timeout=DEADLINE_S))
    assert len(slow) <= 2
    assert not {quick, usual} & slow


def test_a_call_may_choose_another_group(api, office):
    actor, gate = office
    quick = api.get(actor.quick.remote(), timeout=DEADLINE_S)
    usual = actor.usual.options(concurrency_group="quick")
    assert api.get(usual.remote(), timeout=DEADLINE_S) == quick
    gate.open()


def test_async_methods_have_groups_too(api):
    @api.remote(concurrency_groups={"io": 1})
    class Desk:
        def __init__(self):
            self.begun, self.most = 0, 0

        @api.method(concurrency_group="io")
        async def work(self):
            self.begun += 1
            self.most = max(self.most, self.begun)
            await asyncio.sleep(0)
            self.begun -= 1

        async def seen(self):
            return self.most

    desk = Desk.remote()
    api.get([desk.work.remote() for _ in range(20)], timeout=DEADLINE_S)
    assert api.get(desk.seen.remote(), timeout=DEADLINE_S) == 1


def test_a_method_in_an_unknown_group_is_refused(api):
    @api.remote(concurrency_groups={"io": 1})
    class Desk:
        @api.method(concurrency_group="oi")
        def work(self):
            pass

    with pytest.raises((ValueError, AssertionError)):
        Desk.remote()
