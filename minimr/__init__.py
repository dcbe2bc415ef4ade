"""Ray's ideas from scratch, beside the same programs on Ray.

Importing this package opens no socket, starts no process and loads no torch.
The verbs of Ray's core (`minimr.remote`, `minimr.get`, ...) are loaded from
`minimr.core.api` at their first use, so that `import minimr as ray` is enough.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from minimr.core.api.left_out import missing

__version__ = "0.1.0"

# {name: the module that has it}
_VERBS = {
    "ObjectID": "minimr.core.process.records",
    "ObjectRef": "minimr.core.process.records",
    "DynamicObjectRefGenerator": "minimr.core.api.generator",
    "ObjectRefGenerator": "minimr.core.api.generator",
    "available_resources": "minimr.core.api.verbs",
    "cancel": "minimr.core.api.verbs",
    "cluster_resources": "minimr.core.api.verbs",
    "get": "minimr.core.api.verbs",
    "get_actor": "minimr.core.api.verbs",
    "get_gpu_ids": "minimr.core.api.context",
    "get_runtime_context": "minimr.core.api.context",
    "init": "minimr.core.api.session",
    "is_initialized": "minimr.core.api.session",
    "kill": "minimr.core.api.verbs",
    "method": "minimr.core.api.actors",
    "nodes": "minimr.core.api.verbs",
    "put": "minimr.core.api.verbs",
    "remote": "minimr.core.api.remote",
    "shutdown": "minimr.core.api.session",
    "timeline": "minimr.core.api.verbs",
    "wait": "minimr.core.api.verbs",
}
_MODULES = {
    *("actor", "cluster_utils", "dag", "exceptions", "runtime_context"),
    "util",
}


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
