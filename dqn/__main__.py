"""`python -m dqn`: see `dqn/cli.py`."""

if __name__ == "__main__":
    import sys

    from minimr.leaving import leave_at_ctrl_c

    leave_at_ctrl_c("dqn")
    from dqn.cli import run

    sys.exit(run())
