"""A page opened in a browser, and what went wrong in it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
HOW_TO_GET_ONE = (
    "needs Chromium, and none was found: install one (Debian, Ubuntu: apt-get install chromium) "
    "or set CHROMIUM to the path of a Chromium or Chrome"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page that asks for another host gets an error, which its record shows, and nothing leaves the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def find_chromium() -> str | None:
    """The path of a Chromium, or None. CHROMIUM in the environment goes first."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over http on this machine: its address, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@dataclass
class Visit:
    """An open page and what went wrong in it so far."""

    page: Any  # playwright.sync_api.Page
    origin: str
    outside: list[str] = field(default_factory=list)  # requests that left the site
    errors: list[str] = field(default_factory=list)  # console errors and uncaught exceptions
    refused: list[str] = field(default_factory=list)  # HTTP errors and files not found

    def note_request(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:", "about:")):
            self.outside.append(url)

    def note_answer(self, url: str, status: int) -> None:
        if status >= 400:
            self.refused.append(f"{url} ({status})")

    def assert_clean(self) -> None:
        assert self.outside == [], f"requests that left the site: {self.outside}"
        assert self.refused == [], f"requests that failed: {self.refused}"
        assert self.errors == [], f"console errors: {self.errors}"
