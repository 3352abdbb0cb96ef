"""What every study shares: results that say where they came from, stored cell by cell, so that a run can stop.

A study computes many cells (a method, a seed, a size). Each is stored as soon as it is done; started again,
the script goes on with the cells that are missing. A stored file whose settings differ from the script's is
refused, so that one table never mixes two studies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tgan_lib.provenance import provenance

RESULTS = Path(__file__).resolve().parents[1] / "results"


def write(path: Path, results: dict[str, Any]) -> None:
    """JSON, written beside and renamed over."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(beside, path)


def run_cells(
    path: Path,
    script: str,
    settings: dict[str, Any],
    cells: Iterable[str],
    compute: Callable[[str], dict[str, Any]],
) -> dict[str, Any]:
    """Compute the cells that `path` does not hold yet, storing each; return all that is known.

    The result has "script", "date", "device", "versions", "settings" and "cells" (cell: what compute returned).
    """
    results = (
        json.loads(path.read_text())
        if path.exists()
        else {"script": script} | provenance() | {"settings": settings, "cells": {}}
    )
    if results["settings"] != settings:
        raise SystemExit(f"{path} holds the results of other settings; move it away to start afresh")
    for cell in cells:
        if cell not in results["cells"]:
            print(f"{cell} ...", flush=True)
            results["cells"][cell] = compute(cell)
            write(path, results)
    return results
