"""Ctrl-C reaches the tests that press it; and what a run says at its end: how long each notebook took, and which tests
had no browser to run in."""

from __future__ import annotations

import signal
from collections import defaultdict
from typing import Any

# A shell lets what it starts in the background ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NO_BROWSER = "needs Chromium"


def notebook_seconds(stats: dict[str, list[Any]]) -> dict[str, float]:
    """Seconds for each notebook, starting its kernel included, from the reports of its cells."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in stats.values():
        for report in reports:
            if ".ipynb::" in getattr(report, "nodeid", ""):
                seconds[report.nodeid.split("::")[0]] += report.duration
    return dict(seconds)


def without_browser(stats: dict[str, list[Any]]) -> dict[str, int]:
    """How many cases of each test were skipped because no Chromium was found."""
    count: dict[str, int] = defaultdict(int)
    for report in stats.get("skipped", []):
        if NO_BROWSER in str(report.longrepr):
            count[report.nodeid.split("[")[0]] += 1
    return dict(count)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    say = terminalreporter.write_line
    if seconds := notebook_seconds(terminalreporter.stats):
        terminalreporter.section("seconds for each notebook")
        for name, taken in sorted(seconds.items()):
            say(f"{taken:7.1f} s  {name}")
    if missed := without_browser(terminalreporter.stats):
        terminalreporter.section("not run: these tests need Chromium, and none was found")
        for name, cases in sorted(missed.items()):
            say(f"{name}  ({cases} case{'s' if cases > 1 else ''})")
        say("To run them, install one (Debian: apt-get install chromium) or set CHROMIUM to its path.")
