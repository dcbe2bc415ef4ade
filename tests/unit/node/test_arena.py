"""Where objects lie in the arena."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from minimr.core.node.arena import ALIGN, Arena, rounded


def test_ranges_do_not_overlap() -> None:
    arena = Arena(10 * ALIGN)
    begins = [arena.allocate(ALIGN) for _ in range(10)]
    assert begins == [ALIGN * i for i in range(10)]
    assert arena.allocate(1) is None


def test_a_freed_range_is_used_again_first() -> None:
    arena = Arena(10 * ALIGN)
    first = arena.allocate(2 * ALIGN)
    arena.allocate(ALIGN)
    assert first is not None
    arena.free(first, 2 * ALIGN)
    assert arena.allocate(2 * ALIGN) == first


def test_freed_neighbours_join() -> None:
    arena = Arena(3 * ALIGN)
    parts = [arena.allocate(ALIGN) for _ in range(3)]
    for begin in (parts[0], parts[2], parts[1]):
        assert begin is not None
        arena.free(begin, ALIGN)
    assert arena.allocate(3 * ALIGN) == 0


@given(st.lists(st.tuples(st.integers(1, 50_000), st.booleans())))
def test_no_byte_is_lost_or_given_twice(steps: list[tuple[int, bool]]) -> None:
    arena, taken = Arena(100 * ALIGN), {}
    for size, give_back in steps:
        if give_back and taken:
            begin, old = taken.popitem()
            arena.free(begin, old)
            continue
        found = arena.allocate(size)
        if found is not None:
            for begin, old in taken.items():
                assert found + rounded(size) <= begin or (
                    begin + rounded(old) <= found
                )
            taken[found] = size
    assert arena.used == sum(map(rounded, taken.values()))
    for begin, old in taken.items():
        arena.free(begin, old)
    assert arena.allocate(100 * ALIGN) == 0
