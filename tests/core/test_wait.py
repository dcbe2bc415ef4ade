"""wait: which references are ready, in what order, until when."""

import time

import pytest

pytestmark = pytest.mark.timeout(60)
T = 30


@pytest.fixture
def waits(api):
    @api.remote
    def waits(wait, value=None):
        wait()
        return value

    return waits


def test_wait_returns_one_ready_reference_by_default(api):
    refs = [api.put(i) for i in range(3)]
    ready, rest = api.wait(refs, timeout=T)
    assert (len(ready), len(rest)) == (1, 2)
    assert set(ready + rest) == set(refs)


def test_wait_returns_no_more_than_num_returns(api):
    refs = [api.put(i) for i in range(5)]
    ready, rest = api.wait(refs, num_returns=2, timeout=T)
    assert (len(ready), len(rest)) == (2, 3)


def test_wait_keeps_the_order_of_its_input(api, gate, waits):
    slow = waits.remote(gate.wait)
    refs = [api.put(1), slow, api.put(2), api.put(3)]
    ready, rest = api.wait(refs, num_returns=3, timeout=T)
    assert ready == [refs[0], refs[2], refs[3]]
    assert rest == [slow]


def test_wait_gives_what_is_ready_when_the_time_is_over(api, gate, waits):
    slow, quick = waits.remote(gate.wait), api.put(1)
    started = time.monotonic()
    ready, rest = api.wait([slow, quick], num_returns=2, timeout=0.2)
    assert 0.2 <= time.monotonic() - started < 10
    assert (ready, rest) == ([quick], [slow])


def test_wait_with_timeout_zero_does_not_wait(api, gate, waits):
    slow = waits.remote(gate.wait)
    assert api.wait([slow], timeout=0) == ([], [slow])


def test_wait_without_timeout_waits_until_enough_are_ready(
    api, new_gate, waits
):
    gates = [new_gate() for _ in range(3)]
    refs = [waits.remote(gate.wait, i) for i, gate in enumerate(gates)]
    gates[2].open()
    assert api.wait(refs) == ([refs[2]], refs[:2])
    gates[0].open()
    ready, rest = api.wait(refs, num_returns=2)
    assert (ready, rest) == ([refs[0], refs[2]], [refs[1]])


def test_wait_for_all_returns_all(api, waits):
    refs = [waits.remote(lambda: None, i) for i in range(20)]
    ready, rest = api.wait(refs, num_returns=20, timeout=T)
    assert ready == refs
    assert rest == []


def test_wait_on_nothing_returns_nothing(api):
    assert api.wait([]) == ([], [])


def test_a_failed_task_is_ready(api):
    @api.remote
    def fails():
        raise ValueError("no")

    ref = fails.remote()
    assert api.wait([ref], timeout=T) == ([ref], [])
    with pytest.raises(ValueError, match="no"):
        api.get(ref, timeout=T)


def test_wait_with_fetch_local_false_finds_what_is_ready(api, gate, waits):
    slow, quick = waits.remote(gate.wait), api.put([0] * 1000)
    ready, rest = api.wait([slow, quick], fetch_local=False, timeout=T)
    assert (ready, rest) == ([quick], [slow])


def test_wait_rejects_duplicates(api):
    ref = api.put(1)
    with pytest.raises(ValueError, match="unique"):
        api.wait([ref, ref])


@pytest.mark.parametrize("num_returns", [0, -1, 3])
def test_wait_rejects_a_wrong_num_returns(api, num_returns):
    with pytest.raises(ValueError, match="return"):
        api.wait([api.put(1), api.put(2)], num_returns=num_returns)


def test_wait_rejects_a_negative_timeout(api):
    with pytest.raises(ValueError, match="timeout"):
        api.wait([api.put(1)], timeout=-1)


def test_wait_rejects_a_single_reference(api):
    with pytest.raises(TypeError, match="list"):
        api.wait(api.put(1))


def test_wait_rejects_a_tuple(api):
    with pytest.raises(TypeError, match="list"):
        api.wait((api.put(1),))


def test_wait_rejects_values_in_the_list(api):
    with pytest.raises(TypeError, match="list"):
        api.wait([api.put(1), 2])


def test_wait_takes_its_options_by_keyword_only(api):
    with pytest.raises(TypeError):
        api.wait([api.put(1)], 1)


def test_wait_on_many_references_in_batches(api):
    square = api.remote(lambda x: x * x)
    rest = [square.remote(i) for i in range(200)]
    total = 0
    while rest:
        ready, rest = api.wait(rest, num_returns=min(30, len(rest)))
        total += sum(api.get(ready, timeout=T))
    assert total == sum(i * i for i in range(200))


def test_a_reference_stays_ready(api):
    ref = api.remote(lambda: 1).remote()
    for _ in range(2):
        assert api.wait([ref], timeout=T) == ([ref], [])
