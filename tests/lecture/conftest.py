"""A browser without a screen, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lecture import page
from lecture.trace import Run
from minimr.cli.compare import pairs

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu",
    "--disable-dev-shm-usage", "--disable-background-networking",
    "--force-prefers-reduced-motion",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start Chromium, driven by chromedriver."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    profile = tmp_path_factory.mktemp("profile")
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    chrome = webdriver.Chrome(options=options, service=service)
    chrome.set_page_load_timeout(60)
    chrome.set_script_timeout(60)
    yield chrome
    chrome.quit()


class Tab:
    """A page that is open, and what a person does with it."""

    def __init__(self, chrome: Any, shots: Path) -> None:
        self.chrome, self.shots = chrome, shots

    def open(self, address: str) -> None:
        """Open an address anew, also if only what follows # differs."""
        self.chrome.get("about:blank")
        self.chrome.get(address)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.chrome.switch_to.active_element.send_keys(key)

    def js(self, script: str) -> Any:
        """Return what a line of JavaScript gives."""
        return self.chrome.execute_script(f"return {script}")

    def until(self, condition: str) -> None:
        """Wait for a condition in JavaScript, at most a minute."""
        self.chrome.execute_async_script(
            "const done = arguments[0]; const look = () => "
            f"({condition}) ? done(true) : setTimeout(look, 20); look()"
        )

    def leave(self) -> None:
        """Ask the server no more, and leave the page."""
        self.js("void (page.live = false)")
        self.open("about:blank")

    def panel(self) -> str:
        """Return the text below the lanes."""
        return str(self.js("document.getElementById('panel').innerText"))

    def size(self, width: int, height: int) -> None:
        """Have a screen of that size."""
        self.chrome.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width, "height": height,
                "deviceScaleFactor": 1, "mobile": False,
            },
        )  # fmt: skip

    def shot(self, name: str) -> None:
        """Keep a picture of the page with the test run."""
        self.chrome.save_screenshot(str(self.shots / f"{name}.png"))

    def complaints(self) -> list[str]:
        """Return what is on the console since it was last asked."""
        return [line["message"] for line in self.chrome.get_log("browser")]


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of this test run that keeps the pictures."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture
def tab(chromium: Any, shots: Path) -> Iterator[Tab]:
    """Open a page; a line on its console fails the test."""
    tab = Tab(chromium, shots)
    tab.size(1280, 720)
    tab.complaints()  # of the browser's own first page
    yield tab
    assert tab.complaints() == []
    tab.open("about:blank")


@pytest.fixture
def show(tab: Tab, tmp_path: Path) -> Callable[..., Tab]:
    """Write runs as a file, and open it from the disk."""

    def show(*runs: Run, link: str = "") -> Tab:
        path = tmp_path / "page.html"
        path.write_text(page.html(runs, pairs=pairs()), "utf-8")
        tab.open(f"{path.as_uri()}{link}")
        return tab

    return show
