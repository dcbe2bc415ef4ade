"""Where in the arena an object lies: a list of free ranges, no memory.

Rule: first fit from below. Ranges that were used before already have their
pages, and writing to a new page costs far more than copying into it.
"""

from __future__ import annotations

from bisect import bisect_left, insort

ALIGN = 4096


class Arena:
    """Allocates ranges out of `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._free: list[tuple[int, int]] = [(0, size)]  # (begin, end), sorted

    def allocate(self, size: int) -> int | None:
        """Give the offset of a free range, or None."""
        size = rounded(size)
        for index, (begin, end) in enumerate(self._free):
            if end - begin >= size:
                if end - begin == size:
                    del self._free[index]
                else:
                    self._free[index] = (begin + size, end)
                self.used += size
                return begin
        return None

    def free(self, begin: int, size: int) -> None:
        """Take a range back, and join it with free neighbours."""
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
    """Give the bytes that an object of that size takes."""
    return max(ALIGN, -(-size // ALIGN) * ALIGN)
