"""Errors: what a failed task gives to who asks for its result."""

import builtins
import errno
import importlib
import sys
import threading

import pytest

from tests.core.slotted import SlottedError, raise_it

pytestmark = pytest.mark.timeout(60)
T = 30


def failing(api, error):
    @api.remote
    def fails_on_purpose():
        raise error

    return fails_on_purpose


def caught(api, ref, kind=Exception):
    with pytest.raises(kind) as info:
        api.get(ref, timeout=T)
    return info.value


def test_get_raises_what_the_task_raised(api):
    with pytest.raises(ValueError, match="bad input"):
        api.get(failing(api, ValueError("bad input")).remote(), timeout=T)


def test_the_error_is_also_a_ray_task_error(api):
    error = caught(api, failing(api, KeyError("k")).remote(), KeyError)
    assert isinstance(error, api.exceptions.RayTaskError)
    assert isinstance(error, api.exceptions.RayError)


def test_the_error_has_the_raised_exception_as_its_cause(api):
    error = caught(api, failing(api, ValueError("x", 2)).remote())
    assert type(error.cause) is ValueError
    assert error.cause.args == ("x", 2)


def test_an_exception_class_of_the_program_is_caught_by_its_name(api):
    class GradeError(Exception):
        def __init__(self, grade):
            super().__init__(grade)
            self.grade = grade

    error = caught(api, failing(api, GradeError(5)).remote(), GradeError)
    assert error.grade == 5
    assert type(error.cause) is GradeError


def test_an_error_is_caught_by_its_base_class(api):
    caught(api, failing(api, KeyError("k")).remote(), LookupError)


def test_the_text_of_the_error_shows_where_it_was_raised(api):
    text = str(caught(api, failing(api, ValueError("bad input")).remote()))
    assert "fails_on_purpose" in text
    assert "raise error" in text
    assert "test_errors.py" in text
    assert "ValueError: bad input" in text


def test_the_text_of_the_error_shows_the_remote_process(api):
    @api.remote
    def fails(box):
        raise ValueError(box)

    text = str(caught(api, fails.remote("x")))
    assert "pid=" in text


def test_the_text_of_a_chained_error_shows_both(api):
    @api.remote
    def fails():
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            raise RuntimeError("outer") from error

    text = str(caught(api, fails.remote(), RuntimeError))
    assert "ZeroDivisionError" in text
    assert "RuntimeError: outer" in text


def test_every_result_of_a_failed_task_raises(api):
    @api.remote(num_returns=2)
    def fails():
        raise ValueError("both")

    for ref in fails.remote():
        caught(api, ref, ValueError)


def test_get_raises_again_when_asked_again(api):
    ref = failing(api, ValueError("again")).remote()
    for _ in range(2):
        caught(api, ref, ValueError)


def test_a_list_raises_when_one_of_it_failed(api):
    good, bad = api.put(1), failing(api, ValueError("one")).remote()
    with pytest.raises(ValueError, match="one"):
        api.get([good, bad, good], timeout=T)
    assert api.get(good, timeout=T) == 1


def test_a_failed_task_is_raised_without_waiting_for_the_rest(api, gate):
    slow = api.remote(lambda wait: wait()).remote(gate.wait)
    bad = failing(api, ValueError("early")).remote()
    with pytest.raises(ValueError, match="early"):
        api.get([slow, bad], timeout=T)
    gate.open()


def test_a_failed_argument_fails_the_task_without_running_it(api, mailbox):
    @api.remote
    def use(value, send):
        send("ran")

    bad = failing(api, KeyError("source")).remote()
    error = caught(api, use.remote(bad, mailbox.send), KeyError)
    assert "fails_on_purpose" in str(error)
    assert mailbox.empty()


def test_a_failure_travels_along_a_chain_as_long_as_it_likes(api, gate):
    @api.remote
    def waits_and_fails(wait):
        wait()
        raise KeyError("source")

    increment = api.remote(lambda x: x + 1)
    ref = waits_and_fails.remote(gate.wait)
    for _ in range(500):  # with three calls each deeper than Python's stack
        ref = increment.remote(ref)
    gate.open()
    caught(api, ref, KeyError)


def test_an_error_passes_through_a_nested_task(api):
    inner = failing(api, ValueError("deep"))
    outer = api.remote(lambda: api.get(inner.remote()))
    error = caught(api, outer.remote(), ValueError)
    assert "fails_on_purpose" in str(error)


def test_a_task_can_catch_the_error_of_its_child(api):
    inner = failing(api, ValueError("deep"))

    @api.remote
    def outer():
        try:
            return api.get(inner.remote())
        except ValueError as error:
            return isinstance(error, api.exceptions.RayTaskError)

    assert api.get(outer.remote(), timeout=T) is True


def test_an_exception_may_be_a_result(api):
    value = api.get(api.remote(lambda: ValueError("v")).remote(), timeout=T)
    assert type(value) is ValueError


def test_stop_iteration_of_a_task_arrives(api):
    caught(api, failing(api, StopIteration(1)).remote(), StopIteration)


def test_an_error_with_what_cannot_be_pickled_is_a_task_error(api):
    @api.remote
    def fails():
        error = ValueError("holds a lock")
        error.lock = threading.Lock()
        raise error

    error = caught(api, fails.remote(), api.exceptions.RayTaskError)
    assert "holds a lock" in str(error)


def test_an_error_that_cannot_be_rebuilt_is_a_ray_error(api):
    class TwoPartsError(Exception):
        def __init__(self, a, b):
            super().__init__(f"{a} and {b}")

    # An instance would not even reach the task: it is made there.
    @api.remote
    def fails():
        raise TwoPartsError(1, 2)

    error = caught(api, fails.remote(), api.exceptions.RayError)
    assert "1 and 2" in str(error)


def test_a_result_that_cannot_be_pickled_is_a_type_error(api):
    ref = api.remote(lambda: threading.Lock()).remote()
    error = caught(api, ref, TypeError)
    assert isinstance(error, api.exceptions.RayTaskError)


def test_an_argument_that_cannot_be_pickled_raises_at_once(api):
    identity = api.remote(lambda x: x)
    with pytest.raises(TypeError, match="lock"):
        identity.remote(threading.Lock())


def test_a_function_that_cannot_be_pickled_raises_at_once(api):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        api.remote(lambda: lock).remote()


def test_a_timeout_is_a_timeout_error_and_no_task_error(api, gate):
    ref = api.remote(lambda wait: wait()).remote(gate.wait)
    with pytest.raises(TimeoutError) as info:
        api.get(ref, timeout=0)
    assert isinstance(info.value, api.exceptions.GetTimeoutError)
    assert not isinstance(info.value, api.exceptions.RayTaskError)


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("RayTaskError", ["RayError"]),
        ("RayActorError", ["RayError"]),
        ("ActorDiedError", ["RayActorError"]),
        ("ActorUnavailableError", ["RayActorError"]),
        ("WorkerCrashedError", ["RayError"]),
        ("TaskCancelledError", ["RayError"]),
        ("GetTimeoutError", ["RayError"]),
        ("ObjectLostError", ["RayError"]),
        ("OwnerDiedError", ["ObjectLostError"]),
        ("ObjectFreedError", ["ObjectLostError"]),
        ("ObjectReconstructionFailedError", ["ObjectLostError"]),
        ("ObjectStoreFullError", ["RayError"]),
        ("OutOfDiskError", ["RayError"]),
        ("OutOfMemoryError", ["RayError"]),
        ("NodeDiedError", ["RayError"]),
        ("TaskUnschedulableError", ["RayError"]),
        ("ActorUnschedulableError", ["RayError"]),
        ("PendingCallsLimitExceeded", ["RayError"]),
        ("RuntimeEnvSetupError", ["RayError"]),
        ("RaySystemError", ["RayError"]),
    ],
)
def test_the_errors_form_rays_family(api, name, bases):
    error = getattr(api.exceptions, name)
    for base in bases:
        assert issubclass(error, getattr(api.exceptions, base))
    assert issubclass(error, Exception)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are of 3.11")
def test_a_group_of_errors_arrives_as_a_group(api):
    kind = builtins.ExceptionGroup
    group = kind("two", [ValueError("a"), TypeError("b")])
    error = caught(api, failing(api, group).remote(), kind)
    assert isinstance(error, api.exceptions.RayTaskError)
    match, rest = error.split(ValueError)
    assert [str(part) for part in match.exceptions] == ["a"]
    assert [str(part) for part in rest.exceptions] == ["b"]


def test_an_error_that_cannot_be_pickled_is_of_no_class_of_pythons(api):
    @api.remote
    def fails():
        error = KeyError("holds a lock")
        error.lock = threading.Lock()
        raise error

    error = caught(api, fails.remote(), api.exceptions.RayTaskError)
    assert not isinstance(error, KeyError | RuntimeError)
    assert isinstance(error.cause, api.exceptions.RayError)


def test_an_error_keeps_what_is_in_none_of_its_arguments(api):
    if api.__name__ == "ray":
        pytest.skip("Ray's has none of it")
    path = "/no/such/file"
    missing = caught(
        api, failing(api, FileNotFoundError(2, "no", path)).remote()
    )
    assert (missing.errno, missing.strerror) == (errno.ENOENT, "no")
    assert missing.filename == path
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd")
    odd = caught(api, failing(api, error).remote())
    assert (odd.object, odd.start, odd.reason) == (b"\xff", 0, "odd")


def test_what_an_error_has_in_slots_arrives(api):
    with pytest.raises(SlottedError, match="why") as raised:
        api.get(api.remote(raise_it).remote(), timeout=T)
    if api.__name__ == "minimr":  # Ray drops them
        assert raised.value.cause.code == raised.value.code == 7
        assert raised.value.secret() == 8


def test_every_error_of_ray_has_a_name(api):
    ours = api.exceptions
    for name in dir(importlib.import_module("ray.exceptions")):
        theirs = getattr(importlib.import_module("ray.exceptions"), name)
        if name.endswith(("Error", "Exception")) and name != "RayException":
            assert issubclass(getattr(ours, name), Exception), name
            bases = {base.__name__ for base in getattr(ours, name).__mro__}
            assert bases >= {base.__name__ for base in theirs.__mro__}, name
