"""How a run stops: at its target, at Ctrl-C once, twice, and before it has begun."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tgan_lib.data import Images
from tgan_lib.gan import GAN
from tgan_lib.interrupts import finish_step_on_interrupt, handling, uninterrupted
from tgan_lib.training.checkpoint import load_checkpoint
from tgan_lib.training.step import Run
from tgan_lib.training.train import train

IMAGES = Images(torch.zeros(16, 1, 16, 16, dtype=torch.uint8))
OPTIONS: dict[str, Any] = {"batch_size": 4, "progress": False, "log_every": 1}


def small() -> GAN:
    return GAN.build("dcgan", size=16, latent_dim=4, width=4, device="cpu")


def press() -> None:
    signal.raise_signal(signal.SIGINT)


# Targets


def test_the_same_call_after_a_target_trains_no_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[int] = []

    def call(target: float, steps: int = 50) -> list[float]:
        metric = lambda g: float(10 - len(measured)) if not measured.append(1) else 0.0  # noqa: E731
        history = train(
            small(),
            IMAGES,
            steps=steps,
            run_dir=tmp_path,
            metric=metric,
            metric_every=5,
            target=target,
            **OPTIONS,
        )
        return [history.notes["steps"], *history["distance"]]

    first = call(8.0)
    assert first == [10, 9.0, 8.0]
    kept = (tmp_path / "checkpoint.pt").read_bytes()
    capsys.readouterr()
    for target in (8.0, 8.5):  # a target that lies behind is reached as well
        assert call(target) == first
        assert "is over at step 10: a distance of 8 has reached the target of" in capsys.readouterr().out
    assert len(measured) == 2
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept
    assert call(7.0) == [15, 9.0, 8.0, 7.0]  # one that lies ahead is trained for
    assert call(0.0, 15)[0] == 15
    assert "is over at step 15: it has its 15 steps" in capsys.readouterr().out


# Ctrl-C


def test_a_second_ctrl_c_cuts_a_measurement_short_and_the_step_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(gan: GAN) -> float:
        for _ in range(2):
            press()
        pytest.fail("the second one should have got through")

    history = train(small(), IMAGES, steps=9, metric=slow, metric_every=4, run_dir=tmp_path, **OPTIONS)
    assert [record["step"] for record in history.records] == [1, 2, 3, 4]
    assert "distance" not in history.records[-1]
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 4
    assert "Stopped after step 4; it is saved in" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed, whole = small(), small()
    train(resumed, IMAGES, steps=6, run_dir=tmp_path, **OPTIONS)
    train(whole, IMAGES, steps=6, **OPTIONS)
    for a, b in zip(resumed.generator.parameters(), whole.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_second_ctrl_c_in_a_step_is_an_interrupt_and_the_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(small(), IMAGES, steps=2, run_dir=tmp_path, **OPTIONS)
    kept = (tmp_path / "checkpoint.pt").read_bytes()

    def step(run: Run) -> None:
        press()
        press()

    monkeypatch.setattr(Run, "one_step", step)
    with pytest.raises(KeyboardInterrupt):
        train(small(), IMAGES, steps=9, run_dir=tmp_path, **OPTIONS)
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_the_first_step_trains_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = Run.__init__

    def pressed(self: Run, *arguments: Any, **options: Any) -> None:
        press()
        begin(self, *arguments, **options)

    monkeypatch.setattr(Run, "__init__", pressed)
    gan, fresh = small(), small()
    history = train(gan, IMAGES, steps=9, **OPTIONS)
    assert (history.records, history.notes["steps"]) == ([], 0)
    assert capsys.readouterr().out == "Stopped before the first step.\n"
    for a, b in zip(gan.generator.parameters(), fresh.generator.parameters(), strict=True):
        assert torch.equal(a, b)


PRESSED_IN_AN_IMPORT = """
import os, signal, sys, torch
from tgan_lib.interrupts import import_compiler

class Press:
    done = 0
    def find_spec(self, name, path=None, target=None):
        if name == "sympy.interactive" and not Press.done:
            Press.done = 1
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
try:
    import_compiler()
except KeyboardInterrupt:
    print("interrupted", Press.done)
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
print("whole")
"""


def test_ctrl_c_while_torch_imports_its_compiler_waits_until_it_is_whole() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRESSED_IN_AN_IMPORT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["interrupted 1", "whole"], done.stderr


def test_handlers_are_put_back_whatever_they_were() -> None:
    before = signal.getsignal(signal.SIGINT)
    heard: list[int] = []
    try:
        signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        ours = signal.getsignal(signal.SIGINT)
        with uninterrupted():
            press()
            press()
            assert not heard
        assert heard == [1]  # once, when it was over
        with finish_step_on_interrupt() as stop:
            press()
            assert stop.is_set()
            with pytest.raises(KeyboardInterrupt):
                press()
        assert signal.getsignal(signal.SIGINT) is ours
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a job in the background
        with finish_step_on_interrupt() as stop:
            press()
        assert not stop.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_python_did_not_set_is_replaced_by_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with handling(lambda *_: None):
        pass
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_leave_handlers_alone() -> None:
    seen: list[Any] = []

    def work() -> None:
        with finish_step_on_interrupt() as stop, uninterrupted():
            seen.append((stop.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, signal.getsignal(signal.SIGINT))]


def test_a_time_limit_of_none_or_zero_seconds() -> None:
    began = time.perf_counter()
    assert train(small(), IMAGES, steps=10**6, seconds=0, **OPTIONS).notes["steps"] == 0
    assert time.perf_counter() - began < 30
