"""Three budgets, one notebook: a number for tests, one for a laptop, one for a GPU.

`smoke` is seconds on a CPU with drawn images (what the tests run), `cpu` is minutes on two cores, `gpu` is the
full run. The environment variable TGAN_BUDGET picks one; without it the hardware does, so that nobody trains
for an hour on a CPU by accident.
"""

from __future__ import annotations

import os
from typing import TypeVar

import torch

from .errors import unknown_name

T = TypeVar("T")
BUDGETS = ("smoke", "cpu", "gpu")


def current_budget() -> str:
    """The budget's name: what TGAN_BUDGET says, else by hardware. ValueError if it says another word."""
    asked = os.environ.get("TGAN_BUDGET", "").strip().lower()
    if not asked:
        return "gpu" if torch.cuda.is_available() else "cpu"
    if asked not in BUDGETS:
        raise unknown_name("budget (TGAN_BUDGET)", asked, BUDGETS)
    return asked


def budget(*, smoke: T, cpu: T, gpu: T) -> T:
    """The one of three values that belongs to the current budget: `steps = budget(smoke=20, cpu=1500, gpu=20_000)`."""
    return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[current_budget()]


def budget_sentence() -> str:
    """Which budget was picked and why, and how to choose another: two lines for the top of a notebook."""
    name = current_budget()
    why = (
        "TGAN_BUDGET asks for it"
        if os.environ.get("TGAN_BUDGET", "").strip()
        else {
            "cpu": "no GPU was found",
            "gpu": "a GPU was found",
        }[name]
    )
    what = {
        "smoke": "a few steps on drawn images, to test that everything runs; results mean nothing",
        "cpu": "minutes on two CPU cores",
        "gpu": "the full run on a GPU",
    }[name]
    return f"Budget: {name} ({what}), because {why}.\nSet TGAN_BUDGET to smoke, cpu or gpu to choose another."
