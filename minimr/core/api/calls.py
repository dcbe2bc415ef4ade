"""What remote functions and methods have in common: a call is a task.

f.remote(x, ref) ──> pickled arguments + [ref] ──> Task ──> Tasks
                     references to its results <── Objects
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

from minimr.core import serialization
from minimr.core.api import options as opts
from minimr.core.api.generator import ObjectRefGenerator, collect
from minimr.core.api.graph import DAGNode, FunctionNode
from minimr.core.messages import Call, Inline, Shape
from minimr.core.process.records import FIRST, ObjectRef, Queue, Task
from minimr.core.process.runtime import Runtime, running
from minimr.core.serialization import Slot

LARGE_BYTES = 10**7  # of pickled code: Ray warns there, too
MAX_BYTES = 95 * 2**20  # and refuses there

log = logging.getLogger(__name__)


def pack_arguments(
    args: Any, kwargs: Any, runtime: Runtime
) -> tuple[bytes | Inline, list[ObjectRef], list[ObjectRef]]:
    """Return pickled arguments, the references among them, and those inside.

    Each reference among the arguments is replaced by a `Slot`.
    """
    if not args and not kwargs:
        return b"", [], []
    refs: list[ObjectRef] = []

    def slot(arg: Any) -> Any:
        if not isinstance(arg, ObjectRef):
            return arg
        refs.append(arg)
        return Slot(len(refs) - 1)

    slotted = [slot(arg) for arg in args]
    named = {key: slot(arg) for key, arg in kwargs.items()}
    packed = serialization.pack(
        (slotted, named),
        lambda: {**{f"argument {i}": a for i, a in enumerate(args)}, **kwargs},
    )
    if sum(packed.sizes()) > serialization.INLINE_BYTES:  # of all
        return b"", [*refs, runtime.values.keep(packed)], []
    if packed.buffers:  # small arrays: read-only there, as large ones are
        return Inline(packed.data, packed.copied(), ()), refs, packed.refs
    return packed.data, refs, packed.refs


def pickle_code(target: Any, name: str) -> tuple[bytes, list[ObjectRef]]:
    """Return a function or class pickled, and the references it captures.

    It warns of large captured values.

    Raises:
        ValueError: they are too large.
    """
    blob, captured = serialization.pack_code(target, name)
    if len(blob) > MAX_BYTES:
        raise ValueError(
            f"{name} is too large: {len(blob) / 1e6:.1f} MB to send, and at "
            f"most {MAX_BYTES / 1e6:.1f}. Does it capture a large array? "
            "put() it, and pass the reference as an argument"
        )
    if len(blob) > LARGE_BYTES:
        text = "%s() takes %.0f MB to send: put() what it captures"
        log.warning(text, name, len(blob) / 1e6)
    return blob, captured


def is_generator(function: Any) -> bool:
    """Return whether calls of a function yield."""
    return inspect.isgeneratorfunction(function) or (
        inspect.isasyncgenfunction(function)
    )


def refuse(name: str) -> TypeError:
    """Return the error of a call without `.remote`."""
    return TypeError(
        f"What is remote cannot be called directly. Instead of '{name}()', "
        f"try '{name}.remote()'."
    )


class RemoteCall:
    """What functions and methods have in common: a call is a task."""

    _node: type[DAGNode] = FunctionNode

    def __init__(
        self,
        name: str,
        options: dict[str, Any],
        parameters: str | None,
        yields: bool,
        retries: int,
    ) -> None:
        self._name = name
        self._options = options
        self._check = opts.stub(parameters, name)
        asked = options.get("num_returns")
        self._returns = 1 if asked is None else asked
        if asked in opts.STREAMS or (asked is None and yields):
            ahead = options.get("_generator_backpressure_num_objects") or -1
            self._returns = -1 - max(ahead, 0)  # a generator
        self._collects = asked == "dynamic"
        self._retries = retries
        again = options.get("retry_exceptions") or False
        self._again = tuple(again) if isinstance(again, list) else again
        self._function: bytes | str | Call = b""
        self._blob = b""
        self._shape: Shape | None = None  # of a function's worker
        self._queue: Queue | None = None  # of a method's actor
        self._held: list[ObjectRef] = []  # by each of its tasks

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Refuse: `remote` is the way to call."""
        raise refuse(self._name)

    def options(self, **options: Any) -> RemoteCall:
        """Return the same with other options."""
        raise NotImplementedError

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it; return references to its results."""
        raise NotImplementedError

    def bind(self, /, *args: Any, **kwargs: Any) -> DAGNode:
        """Return a node of a graph: the call is made by `execute`."""
        self._check(*args, **kwargs)
        return self._node(self, args, kwargs)

    def _remote(
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Call it with these options. Ray: the same."""
        return self.options(**options).remote(*args or (), **kwargs or {})

    def _submit(self, runtime: Runtime, args: Any, kwargs: Any) -> Any:
        self._check(*args, **kwargs)
        blob, refs, held = pack_arguments(args, kwargs, runtime)
        now = running.get()
        task = Task(
            id=runtime.new_id(),
            name=self._name,
            function=self._function,
            blob=self._blob,
            args=blob,
            refs=refs,
            held=held + self._held,
            returns=self._returns,
            shape=self._shape,
            queue=self._queue,
            retries=self._retries,
            retry_exceptions=self._again,
            parent=now.task if now is not None else None,
        )
        with runtime.lock:
            result = _outcome(runtime, task, self._collects)
            runtime.tasks.submit(task)
            if runtime.references.released:
                runtime.objects.drain()
        runtime.flush()
        return result


def _outcome(runtime: Runtime, task: Task, collects: bool) -> Any:
    """Return new references to a task's results. Lock held."""
    if task.returns < 0 and not collects:
        return ObjectRefGenerator(runtime, task)
    if collects:
        collect(runtime, task)
    if task.returns == 1 or collects:
        return runtime.objects.new(task.id + FIRST, task)
    return [runtime.objects.new(id, task) for id in task.result_ids()] or None
