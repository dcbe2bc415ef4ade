"""Local mode: every task runs at once, in this process; for debugging.

Rule: the same verbs, no process, no socket, no parallelism.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minimr.core import serialize
from minimr.core.exceptions import ActorDiedError, task_error
from minimr.core.messages import Failed
from minimr.core.objects import Entry, ObjectRef
from minimr.core.results import split
from minimr.core.values import Values


class LocalRuntime:
    """Takes the place of the runtime after `init(local_mode=True)`."""

    def __init__(self, namespace: str | None) -> None:
        self.job = None
        self.namespace = namespace
        self.values = self  # it reads and writes them itself
        self._count = 0
        self._names: dict[str, LocalActor] = {}

    def put(self, value: Any) -> ObjectRef:
        """Keep a value, pickled as everywhere."""
        packed = serialize.pack(value)
        buffers = tuple(bytes(part) for part in packed.buffers)
        return self._ref(_Local(packed.data, buffers, packed.refs))

    def get(self, refs: Sequence[ObjectRef], timeout_s: Any) -> list[Any]:
        """Give the values, or raise."""
        return [self._load(ref) for ref in refs]

    def wait(
        self, refs: list[ObjectRef], num_returns: int, timeout_s: Any
    ) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Everything is ready."""
        return refs[:num_returns], refs[num_returns:]

    def run(self, function: Any, args: Any, kwargs: Any, returns: int) -> Any:
        """Run a task now."""
        try:
            args = [self._value(arg) for arg in args]
            kwargs = {k: self._value(arg) for k, arg in kwargs.items()}
            result = function(*args, **kwargs)
            if returns == 1:
                return self.put(result)
            if returns < 0:
                return iter([self.put(part) for part in result])
            return [self.put(part) for part in split(result, returns)]
        except Exception as error:  # noqa: BLE001  # raised by get
            name = getattr(function, "__name__", "task")
            dead = isinstance(error, ActorDiedError)
            failed = serialize.fail(
                error if dead else task_error(name, error, 0)
            )
            refs = [self._ref(failed) for _ in range(abs(returns))]
            return refs[0] if len(refs) == 1 else refs

    def actor(
        self, cls: type, args: Any, kwargs: Any, options: dict[str, Any]
    ) -> Any:
        """Make an actor: an object."""
        name = options.get("name")
        if name in self._names:
            if options.get("get_if_exists"):
                return self._names[name]
            raise ValueError(f"The name {name} is already taken.")
        args = [self._value(arg) for arg in args]
        kwargs = {k: self._value(arg) for k, arg in kwargs.items()}
        actor = LocalActor(self, cls(*args, **kwargs))
        if name is not None:
            self._names[name] = actor
        return actor

    def find(self, name: str) -> Any:
        """Give the actor of that name, or None."""
        return self._names.get(name)

    def kill(self, actor: LocalActor) -> None:
        """Forget an actor; the calls of who still has it fail."""
        error = ActorDiedError("the actor has died: it was ended by kill()")
        actor._instance = _Dead(error)
        for name in [n for n, other in self._names.items() if other is actor]:
            del self._names[name]

    def _value(self, arg: Any) -> Any:
        return self._load(arg) if isinstance(arg, ObjectRef) else arg

    def _ref(self, value: Any) -> ObjectRef:
        self._count += 1
        entry = Entry(self._count.to_bytes(18, "big"), None, None)
        entry.value = value
        return ObjectRef(entry)

    def _load(self, ref: ObjectRef) -> Any:
        value: Any = ref.entry.value
        if isinstance(value, Failed):
            return Values.load(None, ref.entry, None)  # type: ignore[arg-type]
        return serialize.unpack(value.data, value.buffers)


class _Local:
    def __init__(self, data: bytes, buffers: Any, refs: Any) -> None:
        self.data, self.buffers, self.refs = data, buffers, refs


class LocalActor:
    """A handle to an actor in this process."""

    def __init__(self, runtime: LocalRuntime, instance: Any) -> None:
        self._runtime = runtime
        self._instance = instance

    def __getattr__(self, name: str) -> Any:
        return LocalMethod(self._runtime, getattr(self._instance, name))


class _Dead:
    """Takes the place of an actor that was killed."""

    def __init__(self, error: ActorDiedError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def method(*args: Any, **kwargs: Any) -> None:
            raise self._error

        return method


class LocalMethod:
    """A method of an actor in this process."""

    def __init__(self, runtime: LocalRuntime, method: Any) -> None:
        self._runtime = runtime
        self._method = method

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Call it now."""
        marked = getattr(self._method, "__minimr_method__", {})
        returns = marked.get("num_returns", 1)
        return self._runtime.run(self._method, args, kwargs, returns)
