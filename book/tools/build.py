"""Builds the site into _build/html with every warning an error, looks it over, and says where to open it.

    python book/tools/build.py [--if-stale] [--check]

--if-stale  builds only when a source is newer than the last good build
--check     builds nothing, only looks the built site over
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
STAMP = ROOT / "_build" / "site-built"  # touched after a build that ended well
SOURCES = ("_config.yml", "_toc.yml", "requirements.lock", "book", "tgan_lib")
WIDGET = b"application/vnd.jupyter.widget-view+json"


def pages(root: Path = ROOT) -> list[str]:
    """The pages of _toc.yml in reading order, as paths from the root without an ending."""

    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, dict):
            yield from (entry[key] for key in ("root", "file") if key in entry)
            for value in entry.values():
                yield from files(value)
        elif isinstance(entry, list):
            for item in entry:
                yield from files(item)

    return list(files(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))))


def newest(*names: str) -> float:
    """The latest modification time (seconds) of any file under the given names, 0 when there is none."""
    times = [0.0]
    for name in names:
        path = ROOT / name
        files = path.rglob("*") if path.is_dir() else [path]
        times += [f.stat().st_mtime for f in files if f.is_file() and "__pycache__" not in f.parts]
    return max(times)


def faults(site: Path = SITE) -> list[str]:
    """What is wrong with the built site, a sentence each."""
    missing = [page for page in pages() if not (site / f"{page}.html").is_file()]
    found = [f"{page} is in _toc.yml but was not built." for page in missing]
    found += [
        f"{path.relative_to(site)} holds a widget that only a kernel could draw; give it a text/html twin."
        for path in sorted(site.rglob("*.html"))
        if WIDGET in path.read_bytes()
    ]
    return found


def build() -> int:
    """Runs jupyter-book and returns its exit code. Warnings are errors; links to nowhere are warnings."""
    built = STAMP.stat().st_mtime if STAMP.exists() else 0.0
    jupyter_book = str(Path(sys.executable).with_name("jupyter-book"))
    command = [jupyter_book, "build", str(ROOT), "-W", "-n", "--keep-going"]
    # Sphinx reads pages again when they change, but not when our extensions or the table of contents do; and
    # a page read before would not repeat its warnings.
    if newest("book/_ext", "_toc.yml", "_config.yml") > built:
        command.append("--all")
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the site into _build/html.")
    parser.add_argument("--if-stale", action="store_true", help="build only if a source is newer")
    parser.add_argument("--check", action="store_true", help="build nothing, look the built site over")
    arguments = parser.parse_args()
    start = time.monotonic()
    fresh = STAMP.exists() and STAMP.stat().st_mtime > newest(*SOURCES)
    if not arguments.check and not (arguments.if_stale and fresh):
        begun = time.time()
        STAMP.unlink(missing_ok=True)
        if build():
            print("The book was not built: see the warnings above.", file=sys.stderr)
            return 1
        STAMP.touch()
        os.utime(STAMP, (begun, begun))  # a source changed during the build is newer than this
        print(f"Built in {time.monotonic() - start:.0f} s.")
    for fault in (found := faults()):
        print(fault, file=sys.stderr)
    if found:
        return 1
    print(f"Open it in a browser: {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
