"""Which ranges of a node's shared memory are free: numbers, and no memory.

    allocate(size) ──> the first free range from below that is large enough
    free(begin, size) ──> it joins its free neighbours

Rule: first fit. Ranges that were used before have their pages, and writing to
a new page costs far more than copying into it.
"""

from __future__ import annotations

from bisect import bisect_left, insort

ALIGN = 4096


class Arena:
    """The free ranges of a memory of that size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._free: list[tuple[int, int]] = [(0, size)]  # (begin, end), sorted

    def allocate(self, size: int) -> int | None:
        """Return the offset of a free range, or None."""
        size = rounded(size)
        for index, (begin, end) in enumerate(self._free):
            if end - begin >= size:
                self._free[index : index + 1] = (
                    [(begin + size, end)] if end - begin > size else []
                )
                self.used += size
                return begin
        return None

    def free(self, begin: int, size: int) -> None:
        """Free a range, and join it with free neighbours."""
        size = rounded(size)
        end = begin + size
        self.used -= size
        index = bisect_left(self._free, (begin, end))
        if index < len(self._free) and self._free[index][0] == end:
            end = self._free.pop(index)[1]
        if index and self._free[index - 1][1] == begin:
            begin = self._free.pop(index - 1)[0]
        insort(self._free, (begin, end))


def rounded(size: int) -> int:
    """Return the bytes that an object of that size takes."""
    return max(ALIGN, -(-size // ALIGN) * ALIGN)
