"""What nobody gets is said on standard error, once; what is got is not."""

import pytest

from tests.core.printing import run

pytestmark = pytest.mark.timeout(90)
BOTH = pytest.mark.parametrize("module", ["ray", "minimr"])
MINIMR = pytest.mark.parametrize("module", ["minimr"])


@BOTH
def test_what_a_task_and_a_call_raise_is_said_when_nobody_gets_it(module):
    names = ("a task", "a call")
    until = [f"ValueError: {name}" for name in names]
    said = run(module, "fails", *names, until=until)
    assert said.count("Unhandled error") == 2


@BOTH
def test_what_somebody_gets_is_not_said(module):
    names = ("a task that is got", "through another task")
    said = run(module, "fails", *names, until=["caught", "caught"])
    assert said.count("caught") == 2
    assert "Unhandled error" not in said


@MINIMR
@pytest.mark.parametrize("name", ["three", "a chain", "is kept"])
def test_an_error_is_said_once_however_many_have_it(module, name):
    said = run(module, "fails", name, "a task", until=["ValueError: a task"])
    assert said.count(f"ValueError: {name}\n") == 1


@MINIMR
def test_what_a_task_of_a_task_raises_is_said(module):
    name = "inside a task"
    said = run(module, "fails", name, until=[f"ValueError: {name}"])
    (line,) = [x for x in said.splitlines() if "Unhandled error" in x]
    assert "pid=" in line.partition("Unhandled")[0]  # of the outer one


@MINIMR
def test_what_a_constructor_raises_is_said_when_nobody_calls(module):
    name = "a constructor"
    said = run(module, "fails", name, until=[f"ValueError: {name}"])
    assert said.count("Unhandled error") == 1


@MINIMR
@pytest.mark.parametrize(
    "name", ["one of three is got", "a constructor that is called"]
)
def test_an_error_is_not_said_that_somebody_gets_elsewhere(module, name):
    said = run(module, "fails", name, "a task", until=["ValueError: a task"])
    assert said.count("Unhandled error") == 1


@MINIMR
def test_the_end_of_an_actor_is_no_unhandled_error(module):
    names = ("a call of the dead", "a task")
    said = run(module, "fails", *names, until=["ValueError: a task"])
    assert said.count("Unhandled error") == 1


@BOTH
def test_unhandled_errors_may_be_ignored(module):
    names = ("a task", "a task that is got")
    ignore = {"RAY_IGNORE_UNHANDLED_ERRORS": "1"}
    said = run(module, "fails", *names, until=["caught"], **ignore)
    assert "Unhandled error" not in said


@MINIMR
def test_what_runs_again_is_said_once(module, tmp_path):
    said = run(module, "survives", PATH_OF_TEST=str(tmp_path))
    assert said.count("minimr: dies_once() runs again: worker") == 1
    assert said.count("the actor Phoenix starts again: worker") == 1
    assert "killed by SIGKILL" in said


@MINIMR
def test_a_dead_node_is_said_once(module):
    said = run(module, "loses_a_node", until=["has died"])
    assert said.count("has died") == 1
