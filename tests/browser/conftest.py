"""A browser for the pages; where none is installed these tests say so and are passed over."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

#: Debian's and others' names of the browser; CHROMIUM names another one.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FOUND = os.environ.get("CHROMIUM") or next((path for name in _NAMES if (path := shutil.which(name))), None)
Open = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser the pages are tested by tests/unit/console alone."""
    if _FOUND is None:
        why = "no Chromium on PATH: install it (Debian: apt install chromium) or name it in CHROMIUM"
        for item in items:
            if "browser" in item.nodeid.split("/"):
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a worker."""
    from playwright.sync_api import sync_playwright

    # The handlers log each request as JSON; here only what a page does is of interest.
    logging.disable(logging.CRITICAL)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_FOUND, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
    logging.disable(logging.NOTSET)


@pytest.fixture
def surf(chromium: Any) -> Iterator[Open]:
    """Open a page in a fresh profile as a person; no page may report a fault or ask another host."""
    faults: list[str] = []
    contexts = []

    def opened(desk: Any, path: str, token: str | None = None, *, width: int = 1280, height: int = 900) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda said: _keep(faults, said))
        page.on("dialog", lambda shown: faults.append(f"a script opened a dialog: {shown.message}"))
        page.on("request", lambda asked: _elsewhere(faults, asked.url, desk.origin))
        page.goto(desk.origin + path)
        if token is not None:
            page.fill("textarea[name=token]", token)
            page.click("text=Use this token")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def _keep(faults: list[str], said: Any) -> None:
    # A status the page asked for and shows to the person is logged by the browser as well.
    if said.type in ("error", "warning") and "Failed to load resource" not in said.text:
        faults.append(f"{said.type}: {said.text}")


def _elsewhere(faults: list[str], url: str, origin: str) -> None:
    if not url.startswith(origin):
        faults.append(f"asked {url}")
