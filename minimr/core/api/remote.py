"""What `@remote` makes of functions and classes.

f.remote(x)            RemoteFunction ──┐
                                        ├─> Task ─> Tasks, Leases
a.method.remote(x)     ActorMethod ─────┘
A.remote(x)            ActorClass ─> ActorSpec ─> Actors, control store

The latter two are in `minimr/core/api/actors.py`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import logging
from collections.abc import Callable
from typing import Any

from minimr.core import serialization
from minimr.core.api import options as opts
from minimr.core.api.generator import ObjectRefGenerator, collect
from minimr.core.api.session import session
from minimr.core.messages import Call, Inline, Shape
from minimr.core.process.refs import ObjectRef, released
from minimr.core.process.runtime import Runtime, running
from minimr.core.process.tasks import FIRST, Queue, Task, object_id
from minimr.core.serialization import Slot

DEFAULT_RETRIES = 3
LARGE_BYTES = 10**7  # of pickled code: Ray warns there, too
MAX_BYTES = 95 * 2**20  # and refuses there

log = logging.getLogger(__name__)


def pack_arguments(
    args: Any, kwargs: Any, runtime: Runtime
) -> tuple[bytes | Inline, list[ObjectRef], list[ObjectRef]]:
    """Pickle arguments; references among them are taken out.

    Returns: the pickle, the top-level references, and those inside.
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
    """Pickle a function or a class; warn if it takes much along.

    Returns: the pickle, and the references that it captures.

    Raises:
        ValueError: it takes too much along.
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
    """Tell whether calls of a function yield."""
    return inspect.isgeneratorfunction(function) or (
        inspect.isasyncgenfunction(function)
    )


def refuse(name: str) -> TypeError:
    """Say that it is `remote` that calls."""
    return TypeError(
        f"What is remote cannot be called directly. Instead of '{name}()', "
        f"try '{name}.remote()'."
    )


class RemoteCall:
    """What functions and methods have in common: a call is a task."""

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
        """Refuse: it is `remote` that calls."""
        raise refuse(self._name)

    def options(self, **options: Any) -> RemoteCall:
        """Return the same with other options."""
        raise NotImplementedError

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        raise NotImplementedError

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
            runtime.new_id(),
            self._name,
            self._function,
            self._blob,
            blob,
            refs,
            held + self._held,
            self._returns,
            self._shape,
            self._queue,
            self._retries,
            self._again,
            now.task if now is not None else None,
        )
        with runtime.lock:
            result = _outcome(runtime, task, self._collects)
            runtime.tasks.submit(task)
            if released:
                runtime.objects.drain()
        runtime.flush()
        return result


def _outcome(runtime: Runtime, task: Task, collects: bool) -> Any:
    """Make the references to a task's results. Lock held."""
    if task.returns < 0 and not collects:
        return ObjectRefGenerator(runtime, task)
    if collects:
        collect(runtime, task)
    if task.returns == 1 or collects:
        return runtime.objects.new(task.id + FIRST, task)
    ids = [object_id(task.id, index) for index in range(task.returns)]
    return [runtime.objects.new(id, task) for id in ids] or None


class RemoteFunction(RemoteCall):
    """A function whose calls are tasks. Made by `minimr.remote`."""

    def __init__(
        self, function: Callable[..., Any], options: dict[str, Any]
    ) -> None:
        opts.check(options, opts.TASK, "remote functions")
        functools.update_wrapper(self, function)
        yields, retries = is_generator(function), options.get("max_retries")
        if isinstance(options.get("num_returns"), str) and not yields:
            kind = options["num_returns"]
            raise ValueError(f"num_returns={kind!r} needs a generator")
        super().__init__(
            options.get("name") or function.__name__,
            options,
            opts.signature(function),
            yields,
            DEFAULT_RETRIES if retries is None else retries,
        )
        self._target = function
        # The runtime and the placement group that the shape is for.
        self._for: Any = None
        self._inside: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self._target, self._options)

    def options(self, **options: Any) -> RemoteFunction:
        """Give the same function with other options."""
        other = RemoteFunction(self._target, {**self._options, **options})
        other._function, other._blob = self._function, self._blob
        other._held = self._held
        return other

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a task. Blocks: no; gives references to its results.

        Ray: the same.
        """
        runtime = session()
        if not isinstance(runtime, Runtime):  # local mode
            if self._collects:
                text = "local mode has no references inside of values"
                raise NotImplementedError(f'num_returns="dynamic": {text}')
            return runtime.run(self._target, args, kwargs, self._returns)
        if self._for is not runtime or self._inside is not runtime.group:
            about = (self._options, 1, runtime.job.env, runtime.group)
            self._shape = opts.shape(*about)
            self._for, self._inside = runtime, runtime.group
        if not self._blob:
            self._blob, self._held = pickle_code(self._target, self._name)
            digest = hashlib.blake2b(self._blob, digest_size=16)
            self._function = digest.digest()
        return self._submit(runtime, args, kwargs)


def remote(*args: Any, **options: Any) -> Any:
    """Turn a function into tasks, or a class into actors.

    Ray: `ray.remote`, with and without arguments.
    """
    if len(args) == 1 and not options and callable(args[0]):
        return _wrap(args[0], {})
    if args or not options:
        raise AssertionError(
            "@remote is written with no arguments and no parentheses, or "
            "with options: @remote(num_cpus=2)"
        )
    return lambda target: _wrap(target, options)


def _wrap(target: Any, options: dict[str, Any]) -> Any:
    from minimr.core.api.actors import ActorClass

    if inspect.isclass(target):
        return ActorClass(target, options)
    if inspect.iscoroutinefunction(target):
        raise ValueError(
            "'async def' should not be used for remote tasks. You can wrap "
            "the async function with `asyncio.run(f())`, or use an actor"
        )
    if inspect.isfunction(target):
        return RemoteFunction(target, options)
    raise TypeError("@remote is for either a function or a class.")
