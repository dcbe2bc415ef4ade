"""What `@remote` makes of functions and classes.

f.remote(x)            RemoteFunction ─> Task ─> Tasks, Leases
A.remote(x)            ActorClass ─> ActorSpec ─> Actors, control store

The latter is in `actors.py`, and a call of a method with it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from minimr.core.api import options as opts
from minimr.core.api.actors import ActorClass
from minimr.core.api.calls import RemoteCall, is_generator, pickle_code
from minimr.core.api.session import session
from minimr.core.process.limited import Limited
from minimr.core.process.runtime import Runtime

DEFAULT_RETRIES = 3


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
        """Return the same function with other options."""
        other = RemoteFunction(self._target, {**self._options, **options})
        if "max_calls" in options:
            text = "Setting 'max_calls' is not supported in '.options()'."
            raise ValueError(text)
        other._function, other._blob = self._function, self._blob
        other._held = self._held
        return other

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a task; return references to its results. Blocks: no.

        Ray: the same.
        """
        runtime = session()
        if not isinstance(runtime, Runtime):  # local mode
            if self._collects:
                text = "local mode has no references inside of values"
                raise NotImplementedError(f'num_returns="dynamic": {text}')
            return runtime.run(self._target, args, kwargs, self._returns)
        group = runtime.duty.group
        if self._for is not runtime or self._inside is not group:
            self._shape = opts.shape(self._options, 1, runtime.job.env, group)
            self._for, self._inside = runtime, group
        if not self._blob:
            target, most = self._target, self._options.get("max_calls")
            if most:
                target = Limited(target, most)
            self._blob, self._held = pickle_code(target, self._name)
            if runtime.history is not None:
                runtime.history.defined(self._name, self._target)
            digest = hashlib.blake2b(self._blob, digest_size=16)
            self._function = digest.digest()
        return self._submit(runtime, args, kwargs)


def remote(*args: Any, **options: Any) -> Any:
    """Return a function whose calls are tasks, or an actor class.

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
    if inspect.isclass(target):
        return ActorClass(target, options)
    if inspect.iscoroutinefunction(target):
        raise ValueError(
            "'async def' should not be used for remote tasks. You can wrap "
            "the async function with `asyncio.run(f())`, or use an actor"
        )
    if inspect.isfunction(target) or _is_compiled(target):
        return RemoteFunction(target, options)
    raise TypeError("@remote is for either a function or a class.")


def _is_compiled(target: Any) -> bool:
    """Return whether Cython has made it: such functions have a type apart."""
    return type(target).__name__ == "cython_function_or_method"
