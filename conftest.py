"""For every test run, wherever it starts: where the book's tools are, that notebooks run small, and the order."""

from __future__ import annotations

import json
import math
import os
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "book" / "tools"))

# A notebook under test takes seconds and downloads nothing, unless somebody asks for another budget.
os.environ.setdefault("TGAN_BUDGET", "smoke")

# Workers share the cores: one thread each, or they wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# Of the other files, those that take half a minute.
LONG = ("test_exercises", "test_kill", "test_bad_input", "test_studies", "test_distributed", "test_training")


@cache
def rank(path: Path) -> tuple[int, float]:
    """A file's place: browsers, notebooks by the seconds of their stored smoke run, the long ones, all others."""
    if path.parent.name == "browser":
        return 0, 0.0
    if path.suffix == ".ipynb":
        record = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("tgan", {})
        return 1, -record.get("smoke_seconds", math.inf)
    return 2, 0.0 if path.stem in LONG else 1.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: workers take a file at a time, and nobody should wait for one begun last."""
    items.sort(key=lambda item: rank(item.path))
