"""`python -m dqn`: see `dqn/cli.py`."""

from dqn.cli import main

if __name__ == "__main__":
    main()
