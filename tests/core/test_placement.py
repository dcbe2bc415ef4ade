"""Where tasks and actors run when there are several nodes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)  # a program that starts three nodes
PROGRAM = Path(__file__).with_name("placement_program.py")


@pytest.fixture(scope="module", params=["ray", "minimr"])
def seen(request, tmp_path_factory):
    """What the program saw, run once for all cases."""
    pytest.importorskip(request.param)
    path = tmp_path_factory.mktemp("placement") / "seen.json"
    done = subprocess.run(
        [sys.executable, str(PROGRAM), request.param, str(path)],
        timeout=200,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROGRAM.parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert path.exists(), done.stdout
    return json.loads(path.read_text())


def test_actors_find_every_cpu_that_tasks_have_left(seen):
    assert seen["actors after tasks"] == [[2, 2, 2]] * 2


def test_actors_that_hold_nothing_use_every_node(seen):
    assert seen["places of actors that hold nothing"] == 3


def test_tasks_run_where_their_large_arguments_are(seen):
    assert seen["tasks go to their arguments"] == [True] * 5


def test_a_lost_argument_is_made_anew_with_what_its_reader_asks_for(seen):
    # For a task, for an actor, and for that actor on another node.
    assert seen["lost arguments"] == [1, 1, 1]
