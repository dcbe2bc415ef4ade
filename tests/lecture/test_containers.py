"""What the containers do, done here: there is no daemon to do it.

The commands of compose.yaml run as they are. The names that a network of
containers has are replaced by addresses of this machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import command

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
pytestmark = pytest.mark.timeout(2 * PATIENCE_S)

HOSTNAME = "#!/bin/sh\necho $ADDRESS\n"
MINIMR = f'#!/bin/sh\nexec {sys.executable} -m minimr "$@"\n'


def services() -> dict[str, Any]:
    text = (ROOT / "compose.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text)["services"])


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    for name, text in (("hostname", HOSTNAME), ("minimr", MINIMR)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_five_services_are_a_cluster_of_five(programs: Path) -> None:
    head = "127.77.9.1"
    started = []
    try:
        for number, (name, service) in enumerate(services().items(), 1):
            environ = {
                **os.environ,
                **service["environment"],
                "MINIMR_TOKEN_FILE": str(programs / "token"),
                "MINIMR_HOME": str(programs / name),
                "ADDRESS": f"127.77.9.{number}",
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
            }
            line = service["command"].replace("$$", "$")
            line = re.sub(r"\bhead:6390", f"{head}:6390", line)
            if name != "head":  # "restart: on-failure"
                assert service["restart"] == "on-failure"
                line = f"until {line}; do sleep 0.1; done"
            # of its own group, so that it ends with its shell
            started.append(
                subprocess.Popen(
                    ["sh", "-c", line],
                    env=environ,
                    start_new_session=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        assert len(started) == 5
        until = time.monotonic() + PATIENCE_S
        told = ""
        while told.count("alive") < 5:
            assert time.monotonic() < until, told
            status = subprocess.run(
                command("status", "--address", f"{head}:6390"),
                env=environ,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
            told = status.stdout
        assert "5 CPU" in told
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.wait()


def test_all_services_share_the_token_and_name_the_image() -> None:
    for service in services().values():
        (volume,) = service["volumes"]
        folder = volume.partition(":")[2]
        assert service["environment"]["MINIMR_TOKEN_FILE"].startswith(folder)
        assert service["image"] == "minimr"
        assert service["build"] == "."


def test_what_the_dockerfile_names_exists() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    for sources in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()
    (pinned,) = re.findall(r"\$\((grep [^)]*)\)", text)
    found = subprocess.run(
        ["sh", "-c", pinned], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert re.fullmatch(r"torch==[\d.]+\n", found.stdout)
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', text)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    known = re.findall(r"^(\w+) = \[$", project, re.MULTILINE)
    assert set(extras.split(",")) <= set(known)
