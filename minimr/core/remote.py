"""What `@remote` makes of functions and classes.

f.remote(x)            RemoteFunction ─> Task ─> Leases
A.remote(x)            ActorClass ─> ActorSpec ─> control store
a.method.remote(x)     ActorHandle ─> ActorMethod ─> Task ─> ActorCalls
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import cloudpickle

from minimr.core import messages as m
from minimr.core import options as opts
from minimr.core import serialize
from minimr.core.objects import ObjectRef, released
from minimr.core.results import Slot
from minimr.core.running import running
from minimr.core.runtime import Runtime
from minimr.core.session import session
from minimr.core.signature import read
from minimr.core.task import Task, object_id

DEFAULT_RETRIES = 3
ASYNC_CONCURRENCY = 1000  # of an actor with async methods, as in Ray


def define(function: Any, name: str) -> m.Define:
    """Pickle a function or a class, to be sent once to each worker."""
    blob = cloudpickle.dumps(function, 5)
    key = hashlib.blake2b(blob, digest_size=16).digest()
    return m.Define(key, name, blob)


def pack_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], runtime: Runtime
) -> tuple[bytes, list[ObjectRef], list[ObjectRef]]:
    """Pickle arguments; references among them are taken out.

    Returns: the pickle, the top-level references, and those inside.
    """
    if not args and not kwargs:
        return b"", [], []
    refs: list[ObjectRef] = []

    def slot(arg: Any) -> Any:
        if isinstance(arg, ObjectRef):
            refs.append(arg)
            return Slot(len(refs) - 1)
        if getattr(arg, "nbytes", 0) > serialize.INLINE_BYTES:
            refs.append(runtime.values.put(arg))
            return Slot(len(refs) - 1)
        return arg

    slotted = [slot(arg) for arg in args]
    named = {key: slot(arg) for key, arg in kwargs.items()}
    packed = serialize.pack((slotted, named))
    if packed.buffers:  # small arrays: they travel in the pickle
        data = cloudpickle.dumps((slotted, named), 5)
        return data, refs, packed.refs
    return packed.data, refs, packed.refs


def count_returns(value: Any, function: Any) -> int:
    """Read `num_returns`; -1 is a generator."""
    if value is None:
        return -1 if _is_generator(function) else 1
    if value in ("streaming", "dynamic"):
        if function is not None and not _is_generator(function):
            raise ValueError(
                f"num_returns={value!r} needs a generator function"
            )
        return -1
    return int(value)


def _is_generator(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(
        function
    )


def outcome(runtime: Runtime, task: Task) -> Any:
    """Make the references to a task's results. Lock held."""
    new = runtime.objects.new
    if task.returns == 1:
        return new(object_id(task.id, 0), task)
    if task.returns < 0:
        from minimr.core.generator import ObjectRefGenerator

        return ObjectRefGenerator(runtime, task)
    refs = [new(object_id(task.id, i), task) for i in range(task.returns)]
    return refs or None


class RemoteFunction:
    """A function whose calls are tasks. Made by `minimr.remote`."""

    def __init__(
        self, function: Callable[..., Any], options: dict[str, Any]
    ) -> None:
        opts.check(options, opts.TASK, "remote functions")
        functools.update_wrapper(self, function)
        self._function = function
        self._options = options
        self._returns = count_returns(options.get("num_returns"), function)
        self._signature = read(function)
        self._define: m.Define | None = None
        self._shape: m.Shape | None = None
        self._for: Runtime | None = None  # what the two above are made for
        retries = options.get("max_retries")
        self._retries = DEFAULT_RETRIES if retries is None else retries
        again = options.get("retry_exceptions") or False
        self._again = tuple(again) if isinstance(again, list) else again

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: it is `remote` that calls."""
        raise TypeError(
            "Remote functions cannot be called directly. Instead of running "
            f"'{self._function.__name__}()', try "
            f"'{self._function.__name__}.remote()'."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self._function, self._options)

    def options(self, **options: Any) -> RemoteFunction:
        """Give the same function with other options."""
        other = RemoteFunction(self._function, {**self._options, **options})
        other._define = self._define
        return other

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a task. Blocks: no; gives references to its results.

        Ray: the same.
        """
        runtime = session()
        if self._for is not runtime:
            self._prepare(runtime)
        if not isinstance(runtime, Runtime):  # local mode
            return runtime.run(self._function, args, kwargs, self._returns)
        if self._signature is not None:
            self._signature.check(function_name(self._function), args, kwargs)
        blob, refs, held = pack_arguments(args, kwargs, runtime)
        assert self._define is not None
        assert self._shape is not None
        task = Task(
            runtime.new_id(),
            self._options.get("name") or self._define.name,
            self._define,
            blob,
            refs,
            held,
            self._returns,
            self._shape,
            self._retries,
            self._again,
        )
        now = running.get()
        task.parent = now.task if now else None
        with runtime.lock:
            result = outcome(runtime, task)
            runtime.leases.submit(task)
            if released:
                runtime.objects.drain()
        runtime.flush()
        return result

    def _prepare(self, runtime: Any) -> None:
        if self._define is None:
            name = function_name(self._function)
            self._define = define(self._function, name)
        job_env = runtime.job.env if runtime.job else ()
        self._shape = opts.shape(self._options, 1, job_env)
        self._for = runtime


class ActorClass:
    """A class whose instances are actors. Made by `minimr.remote`."""

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        opts.check(options, opts.ACTOR, "actors")
        self._cls = cls
        self._options = options
        self.__name__ = cls.__name__
        self.__doc__ = cls.__doc__
        self._define: m.Define | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: it is `remote` that calls."""
        name = self._cls.__name__
        raise TypeError(
            "Actors cannot be instantiated directly. Instead of "
            f"'{name}()', use '{name}.remote()'."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorClass, (self._cls, self._options)

    def options(self, **options: Any) -> ActorClass:
        """Give the same class with other options."""
        other = ActorClass(self._cls, {**self._options, **options})
        other._define = self._define
        return other

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Start an actor. Blocks: no, but for a name until it is known.

        Raises:
            ValueError: the name is taken.
        Ray: the same.
        """
        from minimr.core.creation import create

        runtime = session()
        if not isinstance(runtime, Runtime):  # local mode
            return runtime.actor(self._cls, args, kwargs, self._options)
        if self._define is None:
            self._define = define(self._cls, self._cls.__name__)
        return create(
            runtime, self._cls, self._define, self._options, args, kwargs
        )


def remote(*args: Any, **options: Any) -> Any:
    """Turn a function into tasks, or a class into actors.

    Ray: `ray.remote`, with and without arguments.
    """
    if len(args) == 1 and not options and callable(args[0]):
        return _wrap(args[0], {})
    if args or not options:
        raise AssertionError(
            "The @ray.remote decorator must be applied either with no "
            "arguments and no parentheses, for example '@ray.remote', or it "
            "must be applied using some of the arguments"
        )
    return lambda target: _wrap(target, options)


def _wrap(target: Any, options: dict[str, Any]) -> Any:
    if inspect.isclass(target):
        return ActorClass(target, options)
    if inspect.iscoroutinefunction(target):
        raise ValueError(
            "'async def' should not be used for remote tasks. You can wrap "
            "the async function with `asyncio.run(f())`, or use an actor"
        )
    if inspect.isfunction(target):
        return RemoteFunction(target, options)
    raise TypeError(
        "The @ray.remote decorator must be applied to either a function or "
        "a class."
    )


def function_name(function: Any) -> str:
    """Name a function, for people."""
    return str(getattr(function, "__name__", "function"))
