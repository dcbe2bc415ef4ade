"""`python -m benchmarks`: see `benchmarks/cli.py`."""

if __name__ == "__main__":  # contenders' processes import this module too
    import sys

    from minimr.system.leaving import leave_at_ctrl_c

    leave_at_ctrl_c("benchmarks")
    from benchmarks.cli import run

    sys.exit(run())
