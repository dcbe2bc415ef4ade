"""`python -m lecture`: see `lecture/command.py`."""

if __name__ == "__main__":
    import sys

    from minimr.system.leaving import leave_at_ctrl_c

    leave_at_ctrl_c("lecture")
    from lecture.command import main

    sys.exit(main())
