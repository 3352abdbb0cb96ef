"""What every study shares: results that say where they came from, stored cell by cell, so that a run can stop.

A study computes many cells (a method, a seed, a size). Each is stored as soon as it is done; started again,
the script goes on with the cells that are missing. A stored file whose settings differ from the script's is
refused, so that one table never mixes two studies.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torchvision

import tgan_lib

RESULTS = Path(__file__).resolve().parents[1] / "results"


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device() -> str:
    """The hardware in words: what a time or a number of steps in a time depends on."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads: {processor()}"


def provenance(script: str) -> dict[str, Any]:
    """Where and when results were made."""
    return {
        "script": script,
        "date": datetime.date.today().isoformat(),
        "device": device(),
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": str(torchvision.__version__),
            "tgan_lib": tgan_lib.__version__,
        },
    }


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
        else provenance(script) | {"settings": settings, "cells": {}}
    )
    if results["settings"] != settings:
        raise SystemExit(f"{path} holds the results of other settings; move it away to start afresh")
    for cell in cells:
        if cell not in results["cells"]:
            print(f"{cell} ...", flush=True)
            results["cells"][cell] = compute(cell)
            write(path, results)
    return results
