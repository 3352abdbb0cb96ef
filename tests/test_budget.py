"""The budget is what was asked for, else what the hardware allows, and it says so."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import tgan_lib
from tgan_lib.budget import budget, budget_sentence, current_budget


@pytest.mark.parametrize(("asked", "value"), [("smoke", 1), ("cpu", 2), ("gpu", 3), (" GPU ", 3)])
def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch, asked: str, value: int) -> None:
    monkeypatch.setenv("TGAN_BUDGET", asked)
    assert budget(smoke=1, cpu=2, gpu=3) == value
    assert "TGAN_BUDGET asks for it" in budget_sentence()


@pytest.mark.parametrize("has_gpu", [True, False])
def test_else_the_hardware_decides(monkeypatch: pytest.MonkeyPatch, has_gpu: bool) -> None:
    monkeypatch.delenv("TGAN_BUDGET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert current_budget() == ("gpu" if has_gpu else "cpu")
    assert ("a GPU was found" if has_gpu else "no GPU was found") in budget_sentence()


def test_a_word_that_is_no_budget_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "smok")
    with pytest.raises(ValueError, match=r"'smok' \(did you mean 'smoke'\?\)"):
        current_budget()


def test_every_exported_name_exists_and_importing_is_light() -> None:
    for name in tgan_lib.__all__:
        assert getattr(tgan_lib, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tgan_lib.nothing
    heavy = "import sys, tgan_lib; print([m for m in ('matplotlib', 'torchvision', 'ipywidgets') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
