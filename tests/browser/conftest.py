"""What every browser test shares: a Chromium, the built site, and pages that remember what went wrong."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from explorer_site import NAME, write_site
from playground_site import button, wait_for_step
from playground_site import write_site as write_playgrounds
from visits import FLAGS, HOW_TO_GET_ONE, ROOT, SITE, Visit, find_chromium, served

from tgan_lib import zoo
from tgan_lib.gan import GAN


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find_chromium()
    if path is None:
        if os.environ.get("TGAN_REQUIRE_BROWSER") == "1":
            pytest.fail(HOW_TO_GET_ONE, pytrace=False)
        pytest.skip(HOW_TO_GET_ONE)
    return path


# One browser a file, not one a session: while playwright's synchronous API is open, its event loop is the
# running one in this thread, and notebooks that the same worker runs later would trip over it.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A running headless Chromium (playwright.sync_api.Browser)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site, built now when it is missing or older than its sources."""
    (ROOT / "_build").mkdir(exist_ok=True)
    with open(ROOT / "_build" / "site.lock", "w") as lock:  # two workers must not build at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        build = [sys.executable, str(ROOT / "book" / "tools" / "build.py"), "--if-stale"]
        done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"The site does not build:\n{(done.stdout + done.stderr)[-4000:]}", pytrace=False)
    return SITE


@pytest.fixture(scope="session")
def site_url(site: Path) -> Iterator[str]:
    """The site over http on this machine, without a slash at the end."""
    with served(site) as address:
        yield address


@contextmanager
def opening(browser: Any) -> Iterator[Callable[..., Visit]]:
    """What `open_page` is, for as long as the pages that it opened are wanted."""
    contexts: list[Any] = []

    def open_one(url: str, width: int = 1280, dark: bool = False, **options: Any) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        scheme, rest = url.split("://", 1)
        visit = Visit(page, "file:///" if scheme == "file" else f"{scheme}://{rest.split('/', 1)[0]}/")
        page.on("request", lambda request: visit.note_request(request.url))
        page.on("websocket", lambda socket: visit.note_request(socket.url.replace("ws", "http", 1)))
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        page.on("console", lambda said: visit.errors.append(said.text) if said.type == "error" else None)
        page.on("requestfailed", lambda request: visit.refused.append(f"{request.url} ({request.failure})"))
        page.on("response", lambda answer: visit.note_answer(answer.url, answer.status))
        page.goto(url, wait_until="load")
        return visit

    try:
        yield open_one
    finally:
        for context in contexts:
            context.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Visit]]:
    """`open_page(url, width=1280, dark=False)` opens a page, waits for its load event and returns a `Visit`.

    Further keywords go to playwright's `Browser.new_context`. Every request to another origin, every console
    error and every failed request is noted from the first byte on; `visit.assert_clean()` fails on any.
    """
    with opening(browser) as open_one:
        yield open_one


@pytest.fixture(scope="module")
def open_once(browser: Any) -> Callable[..., AbstractContextManager[Visit]]:
    """`with open_once(url, ...) as visit`: one page for several tests."""

    @contextmanager
    def once(url: str, **options: Any) -> Iterator[Visit]:
        with opening(browser) as open_one:
            yield open_one(url, **options)

    return once


@pytest.fixture(scope="module")
def gan() -> GAN:
    """The shipped MNIST DCGAN."""
    return zoo.load(NAME, device="cpu")


@pytest.fixture(scope="module")
def explorer_site(gan: GAN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site: index.html with one explorer, stale.html with one of another version of the model."""
    made = tmp_path_factory.mktemp("explorer")
    write_site(made, gan)
    return made


@pytest.fixture(scope="module")
def explorer_url(explorer_site: Path) -> Iterator[dict[str, str]]:
    """The explorer's page by scheme."""
    with served(explorer_site) as address:
        yield {"http": f"{address}/index.html", "file": (explorer_site / "index.html").as_uri()}


@pytest.fixture
def explore(open_page: Callable[..., Visit], explorer_url: dict[str, str]) -> Callable[..., Visit]:
    """`explore(scheme="file", ...)` opens the page and waits until its explorer draws."""

    def open_explorer(scheme: str = "file", **options: Any) -> Visit:
        visit = open_page(explorer_url[scheme], **options)
        visit.page.wait_for_selector(".tgx[data-ready]")
        return visit

    return open_explorer


@pytest.fixture(scope="module")
def playground_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site of three pages, each with one playground and its still picture."""
    made = tmp_path_factory.mktemp("playground")
    write_playgrounds(made)
    return made


@pytest.fixture(scope="module")
def playground_url(playground_site: Path) -> Iterator[dict[str, str]]:
    """The playgrounds' address by scheme, without a slash at the end."""
    with served(playground_site) as http:
        yield {"http": http, "file": playground_site.as_uri()}


@pytest.fixture
def play(open_page: Callable[..., Visit], playground_url: dict[str, str]) -> Callable[..., Visit]:
    """`play(scheme="file", page="index", ...)` opens a page and waits until its playground is there, at rest."""

    def open_playground(
        scheme: str = "file", page: str = "index", *, rested: bool = True, **options: Any
    ) -> Visit:
        options = {"reduced_motion": "reduce"} | options
        visit = open_page(f"{playground_url[scheme]}/{page}.html", **options)
        visit.page.wait_for_selector(".tgp[data-ready]")
        if rested and options["reduced_motion"] == "no-preference":  # it has run by itself
            wait_for_step(visit.page, 1)
            button(visit.page, "Run").wait_for()
            button(visit.page, "Restart").click()
        return visit

    return open_playground
