"""`python -m benchmarks`."""

from benchmarks.cli import main

if __name__ == "__main__":  # contenders' processes import this module too
    main(prog_name="python -m benchmarks")
