"""The landing page's slider shows the stored pictures, in their order, with the readings that belong to them."""

from __future__ import annotations

import json

import numpy as np
from extensions import extension
from PIL import Image

front = extension("front")
STEPS, SHOWN, SIDE = [0, 50, 100], 16, 8


def test_each_reading_is_a_picture_whose_rows_are_eight_samples() -> None:
    sheet = np.zeros((len(STEPS) * SIDE, SHOWN * SIDE, 3), np.uint8)
    for reading in range(len(STEPS)):
        for sample in range(SHOWN):
            place = np.s_[reading * SIDE : (reading + 1) * SIDE, sample * SIDE : (sample + 1) * SIDE]
            sheet[place] = 60 * reading, 10 * sample, 7
    content = {
        "settings": {"steps": STEPS, "shown": SHOWN},
        "cells": [{"at": {"style": "ink", "seed": 0}, "found": {"distance": [100.4, 50.6, 20.0]}}],
    }
    made = front.frames("ink", content, sheet)
    assert made.flat.shape == (3, 2 * SIDE, 8 * SIDE, 3)
    for reading in range(3):
        for sample in range(SHOWN):
            y, x = SIDE * (sample // 8), SIDE * (sample % 8)
            assert made.flat[reading, y + 3, x + 3].tolist() == [60 * reading, 10 * sample, 7]
    assert made.captions == [
        "The source, before a step: 100 from the other hand's portraits",
        "50 steps on a hundred portraits: 51 from those held out",
        "100 steps on a hundred portraits: 20 from those held out",
    ]


def test_what_is_stored_fits_together() -> None:
    content = json.loads(front.RESULTS.read_text())
    steps, shown = content["settings"]["steps"], content["settings"]["shown"]
    for cell in content["cells"]:
        assert len(cell["found"]["distance"]) == len(steps)
        with Image.open(front.BOOK / "_static" / "front" / f"{cell['at']['style']}.webp") as sheet:
            assert sheet.size == (shown * 64, len(steps) * 64)
