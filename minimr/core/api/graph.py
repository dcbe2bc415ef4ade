"""Graphs of tasks: `bind` notes a call, `execute` makes all that lead to it.

    a = f.bind(1)          FunctionNode(f, 1)
    b = g.bind(a, a)       FunctionNode(g, a, a)
    b.execute()            r = f.remote(1); g.remote(r, r)

Rules:

1. In one `execute`, a node is called once, however many nodes use it.
2. An actor of a graph is made once, and is the same in each `execute`.

Ray: `ray.dag`, without compiled graphs.
"""

from __future__ import annotations

from typing import Any


class DAGNode:
    """A call that is noted. `bind` makes one."""

    def __init__(self, target: Any, args: Any, kwargs: Any) -> None:
        self._target, self._args, self._kwargs = target, args, kwargs

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Make the calls; return the reference to the result of this one.

        Args:
            args: what an `InputNode` stands for.

        Blocks: no.
        """
        return Execution(args, kwargs).value(self)

    def _call(self, execution: Execution) -> Any:
        given = execution.value(self._args), execution.value(self._kwargs)
        return self._target.remote(*given[0], **given[1])

    def __getattr__(self, name: str) -> Any:
        kind = type(self).__name__
        if name == "remote":
            text = f".remote() cannot be used on a {kind}: use .execute()"
            raise AttributeError(text)
        raise AttributeError(f"{kind!r} object has no attribute {name!r}")


class Execution:
    """One `execute`: what it was given, and the results by now."""

    def __init__(self, args: Any, kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs
        self.done: dict[DAGNode, Any] = {}

    def value(self, part: Any) -> Any:
        """Return a part of the arguments, with results instead of nodes."""
        if isinstance(part, DAGNode):
            if part not in self.done:
                self.done[part] = part._call(self)
            return self.done[part]
        if type(part) in (list, tuple, set):
            return type(part)(map(self.value, part))
        if type(part) is dict:
            return {key: self.value(one) for key, one in part.items()}
        return part


class FunctionNode(DAGNode):
    """A call of a remote function."""


class ClassMethodNode(DAGNode):
    """A call of an actor's method."""

    def _call(self, execution: Execution) -> Any:
        method, args, kwargs = self._target, self._args, self._kwargs
        if isinstance(method, _Method):  # of an actor of the graph
            actor = execution.value(method.of)
            method = getattr(actor, method.name).options(**method.chosen)
        return FunctionNode(method, args, kwargs)._call(execution)


class ClassNode(DAGNode):
    """An actor of a graph."""

    _actor: Any = None

    def _call(self, execution: Execution) -> Any:
        if self._actor is None:
            self._actor = super()._call(execution)
        return self._actor

    def __getattr__(self, name: str) -> Any:
        if name == "remote" or name.startswith("__"):
            return super().__getattr__(name)
        return _Method(self, name)


class _Method:
    def __init__(self, of: ClassNode, name: str, **options: Any) -> None:
        self.of, self.name, self.chosen = of, name, options

    def options(self, **options: Any) -> _Method:
        return _Method(self.of, self.name, **{**self.chosen, **options})

    def bind(self, *args: Any, **kwargs: Any) -> ClassMethodNode:
        return ClassMethodNode(self, args, kwargs)


class InputNode(DAGNode):
    """What `execute` will be given: `with InputNode() as given: ...`.

    `given[0]` and `given.name` are one argument, `given` alone the only one.
    """

    def __init__(self, key: int | str | None = None) -> None:
        super().__init__(None, (), {})
        self._key = key

    def __enter__(self) -> InputNode:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __getitem__(self, key: int | str) -> InputNode:
        return InputNode(key)

    def __getattr__(self, name: str) -> Any:
        if name == "remote" or name.startswith("__"):
            return super().__getattr__(name)
        return InputNode(name)

    def _call(self, execution: Execution) -> Any:
        args, kwargs = execution.args, execution.kwargs
        if isinstance(self._key, int):
            return args[self._key]
        if isinstance(self._key, str):
            return kwargs[self._key]
        if len(args) != 1 or kwargs:
            raise ValueError(
                "an InputNode alone stands for the only argument of "
                f"execute(), which was given {len(args) + len(kwargs)}: use "
                "its [0] or .name"
            )
        return args[0]


class MultiOutputNode(DAGNode):
    """Several results of a graph, as a list."""

    def __init__(self, nodes: list[DAGNode]) -> None:
        super().__init__(None, nodes, {})

    def _call(self, execution: Execution) -> Any:
        return execution.value(self._args)
