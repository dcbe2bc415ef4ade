"""The page of a cluster: a visit starts who answers, and it ends with it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

import minimr

T = 60


@pytest.fixture
def page() -> Iterator[str]:
    with minimr.init(num_cpus=1, address="local") as context:
        yield context.dashboard_url


def answering() -> list[int]:
    """List the processes below this one that serve a page."""
    below = psutil.Process().children(recursive=True)
    return [each.pid for each in below if "--door" in each.cmdline()]


def test_the_first_visit_starts_the_page_and_its_head_ends_it(
    page: str,
) -> None:
    assert page.startswith("http://127.0.0.1:")
    assert answering() == []  # nobody has looked
    runs = page.replace("/?", "/runs.json?")
    with urllib.request.urlopen(runs, timeout=T) as answer:
        told = json.load(answer)
    assert told["state"]["nodes"][0]["total"]["CPU"] == 1
    assert told["live"]
    # A node that it started would be the head's to end.
    assert {verb for verb, *_ in told["buttons"]} == {"kill"}
    (pid,) = answering()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(page[:-1], timeout=T)  # another token
    assert answering() == [pid]
    minimr.shutdown()
    until = time.monotonic() + T
    while psutil.pid_exists(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_cluster_may_have_no_page() -> None:
    with minimr.init(
        num_cpus=1, address="local", include_dashboard=False
    ) as context:
        assert context.dashboard_url == ""
