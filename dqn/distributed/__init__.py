"""Agents and GlobalNet, on any engine that has the verbs."""
