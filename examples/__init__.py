"""The programs that courses and Ray's documents describe, one idea a file.

A program is a file in a folder below this one, with a function

    main(ray, full=False, *, number=8, out=None) -> what engines agree on

`ray` is the module that has the verbs, minimr or Ray, after its `init`; no
program asks which one it is. Keyword arguments are options of the command
`python -m examples NAME`; `out` is a folder, for pictures. `full` asks for
the size to show, otherwise a run takes seconds. A file may say what cluster
it needs: CLUSTER = {"num_cpus": 2, "num_gpus": 1}, arguments of `init`.
"""
