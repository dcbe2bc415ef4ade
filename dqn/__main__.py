"""`python -m dqn`: see `dqn/cli/main.py`."""

if __name__ == "__main__":
    import sys

    from minimr.system.leaving import leave_at_ctrl_c

    leave_at_ctrl_c("dqn")
    from dqn.cli.main import run

    sys.exit(run())
