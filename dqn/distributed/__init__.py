"""Agents and GlobalNet, on any engine with Ray's verbs."""
