"""For every test run, wherever it starts: where the book's tools are, and that notebooks run small."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "book" / "tools"))

# A notebook under test takes seconds and downloads nothing, unless somebody asks for another budget.
os.environ.setdefault("TGAN_BUDGET", "smoke")
