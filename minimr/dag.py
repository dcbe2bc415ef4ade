"""Graphs of tasks: what Ray has in `ray.dag`."""

from minimr.core.api.graph import (
    ClassMethodNode,
    ClassNode,
    DAGNode,
    FunctionNode,
    InputNode,
    MultiOutputNode,
)

__all__ = [
    "ClassMethodNode",
    "ClassNode",
    "DAGNode",
    "FunctionNode",
    "InputNode",
    "MultiOutputNode",
]
