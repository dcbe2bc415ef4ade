"""Benchmarks: `python -m benchmarks --help`. Nobody imports this package."""
