"""Ray's ideas from scratch, beside the same programs on Ray.

Importing this package does nothing: no socket, no process, no torch. The
verbs of Ray's core (`minimr.remote`, `minimr.get`, ...) are loaded from
`minimr.api` at their first use, so that `import minimr as ray` is enough.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minimr.left_out import missing

__version__ = "0.1.0"

# {name: the module that has it}
_VERBS = {
    "ObjectID": "minimr.core.refs",
    "ObjectRef": "minimr.core.refs",
    "DynamicObjectRefGenerator": "minimr.api.generator",
    "ObjectRefGenerator": "minimr.api.generator",
    "available_resources": "minimr.api.verbs",
    "cancel": "minimr.api.verbs",
    "cluster_resources": "minimr.api.verbs",
    "get": "minimr.api.verbs",
    "get_actor": "minimr.api.verbs",
    "get_gpu_ids": "minimr.runtime_context",
    "get_runtime_context": "minimr.runtime_context",
    "init": "minimr.api.session",
    "is_initialized": "minimr.api.session",
    "kill": "minimr.api.verbs",
    "method": "minimr.actor",
    "nodes": "minimr.api.verbs",
    "put": "minimr.api.verbs",
    "remote": "minimr.api.remote",
    "shutdown": "minimr.api.session",
    "timeline": "minimr.api.verbs",
    "wait": "minimr.api.verbs",
}
_MODULES = {"actor", "cluster_utils", "exceptions", "runtime_context", "util"}


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        value = getattr(import_module(_VERBS[name]), name)
    elif name in _MODULES:
        value = import_module(f"minimr.{name}")
    else:
        raise missing(__name__, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_VERBS, *_MODULES})
