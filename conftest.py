"""For every test run, wherever it starts: where the book's tools are, and that notebooks run small."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "book" / "tools"))

# A notebook under test takes seconds and downloads nothing, unless somebody asks for another budget.
os.environ.setdefault("TGAN_BUDGET", "smoke")

# Workers share the cores: one thread each, or they wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
