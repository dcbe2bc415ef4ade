"""Actor classes, handles and methods: what Ray has in `ray.actor`.

A.remote(x)            ActorClass ─> ActorSpec ─> Actors, control store
a.method.remote(x)     ActorHandle ─> ActorMethod ─> Task ─> Actors
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from minimr.core.api import options as opts
from minimr.core.api.calls import (
    RemoteCall,
    is_generator,
    pack_arguments,
    pickle_code,
    refuse,
)
from minimr.core.api.graph import ClassMethodNode, ClassNode
from minimr.core.api.session import session
from minimr.core.messages import (
    ActorSpec,
    Call,
    FindActor,
    Inline,
    Refusal,
)
from minimr.core.process.current import current, find
from minimr.core.process.records import ObjectRef
from minimr.core.process.runtime import Runtime
from minimr.core.process.task_io import SYSTEM_METHODS, ActorExit
from minimr.exceptions import (
    ActorAlreadyExistsError,
    ActorHandleNotFoundError,
    PendingCallsLimitExceeded,
)

ASYNC_CONCURRENCY = 1000  # of an actor with async methods, as in Ray


def old_handle(class_name: str) -> ActorHandleNotFoundError:
    """Return the error of a handle that has outlived its `init`."""
    return ActorHandleNotFoundError(
        f"this handle to a {class_name} is of an earlier init(): that actor "
        "is gone, or cannot be reached from here. Make a new one"
    )


class ActorMethod(RemoteCall):
    """A method of a handle: `handle.method.remote(...)`."""

    _node = ClassMethodNode

    def __init__(
        self,
        handle: ActorHandle | ActorMethod,
        method: str,
        parameters: str | None,
        options: dict[str, Any],
    ) -> None:
        # Not the handle, which has this method: that would be a cycle.
        self._spec: ActorSpec = handle._spec
        self._runtime: Runtime = handle._runtime
        self._anchor: ObjectRef | None = handle._anchor
        retries = options.get("max_task_retries")
        super().__init__(
            options.get("name") or f"{self._spec.class_name}.{method}",
            options,
            parameters,
            options.get("generator", False),
            self._spec.max_task_retries if retries is None else retries,
        )
        self._method, self._parameters = method, parameters
        self._function = method
        group = options.get("concurrency_group")
        if group is not None:
            _check_group(group, self._spec.groups, self._name)
            self._function = Call(method, group)
        self._queue = handle._queue
        self._held = [self._anchor] if self._anchor is not None else []

    def options(self, **options: Any) -> ActorMethod:
        """Return the same method with other options."""
        opts.check(options, opts.METHOD, "actor methods")
        merged = {**self._options, **options}
        return ActorMethod(self, self._method, self._parameters, merged)

    def __reduce__(self) -> tuple[Any, ...]:
        handle = ActorHandle(self._spec, self._anchor)
        about = (self._method, self._parameters, self._options)
        return ActorMethod, (handle, *about)

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method; return references to its results. Blocks: no.

        Raises:
            ActorHandleNotFoundError: the handle is of an earlier `init`.
            PendingCallsLimitExceeded: the limit of waiting calls is reached.
        """
        if self._runtime is not current():
            raise old_handle(self._spec.class_name)
        queue, limit = self._queue, self._spec.max_pending_calls
        if limit > 0 and queue is not None:
            under_way = [len(lease.inflight) for lease in queue.leases]
            if len(queue.tasks) + sum(under_way) >= limit:
                text = f"the actor has {limit} calls waiting"
                raise PendingCallsLimitExceeded(f"{text} (max_pending_calls)")
        return self._submit(self._runtime, args, kwargs)


class ActorHandle:
    """A handle to an actor, through which it is called.

    The actor ends with its last counted handle. Such a handle has a reference
    to the actor's anchor. One that was found by name has none, as in Ray.
    """

    def __init__(self, spec: ActorSpec, anchor: ObjectRef | None) -> None:
        self._spec = spec
        self._anchor = anchor
        self._runtime: Runtime = current()
        with self._runtime.lock:
            self._queue = self._runtime.actors.queue(spec.id)
        at_once = spec.is_async or spec.concurrency > 1 or bool(spec.groups)
        self._queue.ordered = not at_once

    def __getattr__(self, name: str) -> ActorMethod:
        known = self._spec.methods.get(name, (None, {}))
        if name not in self._spec.methods and name not in SYSTEM_METHODS:
            raise AttributeError(
                f"'{self._spec.class_name}' object has no attribute '{name}'"
            )
        method = self.__dict__[name] = ActorMethod(self, name, *known)
        return method

    def __reduce__(self) -> tuple[Any, ...]:
        # The control store has what starting the actor needs.
        spec = self._spec._replace(blob=b"", args=b"", deps=())
        return ActorHandle, (spec, self._anchor)

    def __repr__(self) -> str:
        return f"Actor({self._spec.class_name}, {self._spec.id.hex()})"

    def __hash__(self) -> int:
        return hash(self._spec.id)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ActorHandle) and self._spec.id == other._spec.id
        )

    @property
    def _actor_id(self) -> Any:
        return self._spec.id


class ActorClassInheritanceException(TypeError):  # noqa: N818  # Ray's name
    """A class derives from an actor class."""


class ActorClass:
    """A class whose instances are actors. Made by `minimr.remote`.

    It has the attributes of the class: constants, static methods, ...
    """

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        opts.check(options, opts.ACTOR, "actors")
        self._cls = cls
        self._options = options
        functools.update_wrapper(self, cls, updated=())  # its name, ...
        self._blob = b""
        self._captured: list[ObjectRef] = []  # references in the class

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cls, name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Refuse: `remote` is the way to call."""
        raise refuse(self.__name__)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise ActorClassInheritanceException(
            f"A class cannot derive from the actor class {self.__name__}. "
            "Derive from a plain class, and make both actors with remote()."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ActorClass, (self._cls, self._options)

    def options(self, **options: Any) -> ActorClass:
        """Return the same class with other options."""
        other = ActorClass(self._cls, {**self._options, **options})
        other._blob, other._captured = self._blob, self._captured
        return other

    def remote(self, /, *args: Any, **kwargs: Any) -> Any:
        """Start an actor; return a handle. Blocks: only to register a name.

        Raises:
            ActorAlreadyExistsError: the name is taken.
        Ray: the same.
        """
        runtime = session()
        if not isinstance(runtime, Runtime):  # local mode
            return runtime.actor(self._cls, args, kwargs, self._options)
        name: Any = self._options.get("name")
        share = self._options.get("get_if_exists")
        if name == "" or (share and name is None):
            raise ValueError(f"The actor name must not be empty: {name!r}")
        namespace = self._options.get("namespace") or runtime.job.namespace
        found = find_actor(runtime, name, namespace) if share else None
        if found is not None:
            return found
        opts.stub(opts.signature(self._cls), self.__name__)(*args, **kwargs)
        blob, refs, held = pack_arguments(args, kwargs, runtime)
        spec = self._spec(runtime, blob, namespace)
        answers: list[Any] = []
        with runtime.lock:
            create = runtime.actors.create
            held = [*held, *self._captured]
            anchor = create(spec, refs, held, answers.append)
        runtime.flush()
        if name is not None:
            runtime.wait_for(answers.__len__, None)
            if isinstance(answers[0], Refusal):
                found = find_actor(runtime, name, namespace) if share else None
                if found is None:
                    raise ActorAlreadyExistsError(answers[0].why)
                return found
        return ActorHandle(spec, anchor)

    def bind(self, /, *args: Any, **kwargs: Any) -> ClassNode:
        """Return an actor of a graph: `execute` starts it."""
        opts.stub(opts.signature(self._cls), self.__name__)(*args, **kwargs)
        return ClassNode(self, args, kwargs)

    def _remote(
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Start an actor with these options, and return it. Ray: the same."""
        return self.options(**options).remote(*args or (), **kwargs or {})

    def _spec(
        self, runtime: Runtime, args: bytes | Inline, namespace: str
    ) -> ActorSpec:
        options, job = self._options, runtime.job
        if not self._blob:
            self._blob, self._captured = pickle_code(self._cls, self.__name__)
            if runtime.history is not None:
                for _, code in inspect.getmembers(
                    self._cls, inspect.isfunction
                ):
                    name = f"{self.__name__}.{code.__name__}"
                    runtime.history.defined(name, code)
        is_async = any(
            inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f)
            for _, f in inspect.getmembers(self._cls, inspect.isfunction)
        )
        # As in Ray: an actor that asks for nothing holds nothing.
        asks = ("num_cpus", "num_gpus", "resources", "memory")
        held = int(any(options.get(name) is not None for name in asks))
        detached = options.get("lifetime") == "detached"
        methods = _methods(self._cls)
        groups = tuple((options.get("concurrency_groups") or {}).items())
        for name, (_, about) in methods.items():
            if about.get("concurrency_group") is not None:
                _check_group(about["concurrency_group"], groups, name)
        place = opts.shape(options, 1, job.env, runtime.duty.group)
        at_once = ASYNC_CONCURRENCY if is_async else 1
        return ActorSpec(
            id=runtime.new_id(),
            class_name=self.__name__,
            blob=self._blob,
            args=args,
            deps=(),
            place=place,
            hold=opts.amounts(options, held, place.strategy),
            name=options.get("name"),
            namespace=namespace,
            max_restarts=options.get("max_restarts") or 0,
            max_task_retries=options.get("max_task_retries") or 0,
            concurrency=options.get("max_concurrency") or at_once,
            is_async=is_async,
            methods=methods,
            job=job,
            owner=None if detached else runtime.address,
            max_pending_calls=options.get("max_pending_calls") or -1,
            groups=groups,
        )


def _check_group(
    group: str, groups: tuple[tuple[str, int], ...], method: str
) -> None:
    if group not in dict(groups):
        raise ValueError(
            f"{method} is in the concurrency group {group!r}, and the actor "
            f"has {sorted(dict(groups)) or 'none'}: name it in "
            "@remote(concurrency_groups={...})"
        )


def _methods(cls: type) -> dict[str, tuple[str | None, dict[str, Any]]]:
    methods = {}
    for name, function in inspect.getmembers(cls, callable):
        own = inspect.isfunction(function) or inspect.ismethod(function)
        if name.startswith("__") and not own:  # of every class
            continue
        options = dict(getattr(function, "__minimr_method__", {}))
        if is_generator(function):
            options["generator"] = True
        static = isinstance(inspect.getattr_static(cls, name), staticmethod)
        has_self = not static and not inspect.ismethod(function)
        methods[name] = (opts.signature(function, has_self), options)
    return methods


def find_actor(
    runtime: Runtime, name: str, namespace: str
) -> ActorHandle | None:
    """Return an actor, if any. Blocks: until the control store answers."""
    spec = runtime.ask_head(FindActor(name, namespace))
    return ActorHandle(spec, None) if isinstance(spec, ActorSpec) else None


def method(**options: Any) -> Any:
    """Return a decorator that sets options of a method of an actor class.

    Ray: `ray.method`.
    """
    opts.check(options, opts.METHOD, "actor methods")
    if not options:
        raise ValueError("method() takes at least one option")

    def mark(function: Any) -> Any:
        function.__minimr_method__ = options
        return function

    return mark


def exit_actor() -> None:
    """End this actor, after this method.

    Runs in: actor.

    Raises:
        TypeError: this is no actor.
    Ray: the same.
    """
    runtime = find()
    if runtime is None or runtime.duty.spec is None:
        raise TypeError("exit_actor() is for the methods of an actor.")
    runtime.duty.leave()
    raise ActorExit
