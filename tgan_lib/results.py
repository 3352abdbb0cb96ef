"""Results of the book's studies: runs too long for a notebook, stored with the seeds and the machine they had.

They are made by the scripts in book/studies and kept in book/results; an installed library carries a copy, so
that a chapter opened alone (on Colab, say) finds them too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import unknown_name

_BUILT = Path(__file__).parent / "_results"  # a copy that setup.py puts into an installed library
FOLDER = (
    _BUILT if _BUILT.is_dir() else Path(__file__).parents[1] / "book" / "results"
)  # in a checkout, the original


def results(name: str) -> dict[str, Any]:
    """What the study `name` found: "script", "date", "device", "versions", "settings" and "cells"."""
    known = [path.stem for path in FOLDER.glob("*.json")]
    if name not in known:
        raise unknown_name("stored study", name, known)
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def picture(name: str) -> NDArray[np.uint8]:
    """The picture that the study `name` stored beside its numbers: uint8 (H, W), or (H, W, 3) in colour."""
    known = [path.stem for path in FOLDER.glob("*.png")]
    if name not in known:
        raise unknown_name("stored picture", name, known)
    from PIL import Image

    return np.asarray(Image.open(FOLDER / f"{name}.png"))
