"""`python -m examples`: see `examples/command.py`."""

if __name__ == "__main__":  # processes of `--engine both` import this too
    import sys

    from minimr.system.leaving import leave_at_ctrl_c

    leave_at_ctrl_c("examples")
    from examples.command import run

    sys.exit(run())
