"""The error about a part that cannot be pickled says where it is."""

from __future__ import annotations

import functools
import pickle
import threading
from typing import Any

import pytest

from minimr.system import pickling

LOCK = threading.Lock()


class Holder:
    def __init__(self, part: Any) -> None:
        self.part = part


class Slotted:
    __slots__ = ("part",)

    def __init__(self, part: Any) -> None:
        self.part = part


class Refuses:
    def __reduce__(self) -> str:
        raise ValueError("its own reason")


def using(part: Any) -> Any:
    return lambda: part


def by_default() -> Any:
    def function(part: Any = LOCK) -> Any:
        return part

    return function


def with_global() -> Any:
    namespace: dict[str, Any] = {"guard": LOCK}
    exec("def f():\n    return [guard for _ in 'ab']", namespace)
    return namespace["f"]


def round_and_round() -> list[Any]:
    ring: list[Any] = [1]
    ring += [ring, LOCK]
    return ring


WHERE = {
    "itself": (LOCK, "it is x"),
    "list": ([1, [2, LOCK]], "it is x[1][1]"),
    "tuple": ((1, LOCK), "it is x[1]"),
    "dict": ({"a": {3: LOCK}}, "it is x['a'][3]"),
    "key": ({Holder(LOCK): 1}, "> key <"),
    "set": ({Holder(LOCK)}, "it is x > element.part"),
    "object": (Holder([Holder(LOCK)]), "it is x.part[0].part"),
    "slots": (Slotted(LOCK), "it is x.part"),
    "closure": (using(LOCK), "it is x > variable 'part' of using"),
    "default": (by_default(), "it is x > default 0 of by_default"),
    "global": (with_global(), "it is x > global 'guard' of f"),
    "method": (Holder(LOCK).__repr__, "it is x > its argument 0.part"),
    "bound": (threading.Thread(target=using).start, "it is x.__self__"),
    "partial": (functools.partial(using, LOCK), "it is x > its state[1][0]"),
    "ring": (round_and_round(), "it is x[2]"),
    "generator": ([iter(using(1) for _ in "a")], "it is x[0]"),
}


@pytest.mark.parametrize("name", WHERE)
def test_the_error_says_where_it_is(name: str) -> None:
    value, where = WHERE[name]
    with pytest.raises(TypeError) as caught:
        pickling.dumps(value, "x")
    assert "cannot pickle" in str(caught.value)
    assert where in str(caught.value)


def test_the_first_root_that_cannot_be_pickled_is_named() -> None:
    roots = {"argument 0": 1, "size": [LOCK], "other": LOCK}
    error = pickling.blame(TypeError("no"), roots)
    assert str(error) == "no: it is size[0]"


def test_what_can_be_pickled_is() -> None:
    value = {"a": [1, (2, 3)]}
    assert pickle.loads(pickling.dumps(value)) == value


def test_what_a_class_raises_itself_stays_as_it_is() -> None:
    with pytest.raises(ValueError, match=r"^its own reason$"):
        pickling.dumps([Refuses()])


def test_the_kind_of_the_error_stays() -> None:
    error = pickling.blame(pickle.PicklingError("no"), {"x": LOCK})
    assert type(error) is pickle.PicklingError


def test_a_part_that_only_fails_as_part_of_the_whole_is_no_part() -> None:
    assert pickling.find(Refuses(), "x")[0] == ("x",)
