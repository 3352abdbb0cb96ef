"""A run that is killed, again and again and in the middle of its saves, ends as the run that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from kill_worker import AFTER_RENAME, BEFORE_RENAME

from tgan_lib.training.checkpoint import load_checkpoint
from tgan_lib.training.history import History

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork and SIGKILL")

WORKER = [sys.executable, str(Path(__file__).with_name("kill_worker.py"))]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
STEPS, MORE = 125, 50
SLACK = 2  # steps, beyond the one at which a signal is due, that a child takes at full speed
KILLS, FEWER = (
    24,
    10,
)  # at random instants, in `make test-all` and `make test`; one more at every point of a save


class Zygote:
    """A process that has imported torch and forks one training child at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=ENVIRONMENT
        )
        self.child = 0
        self.said: list[str] = []

    def start(self, **options: Any) -> None:
        self.said.clear()
        self._write(json.dumps(options))
        self.child = int(self.read("pid"))

    def read(self, word: str) -> str:
        """What stands after `word` in the next line that begins with it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith(word):
                return line[len(word) :]
            assert word == "ended" or line != "over\n", (
                f"the run was over before it said {word!r}: {self.said}"
            )
        raise AssertionError(f"the worker ended before it said {word!r}: {self.said}")

    def send(self, signal_number: int) -> None:
        os.kill(self.child, signal_number)

    def ended(self) -> int:
        """The child's exit status, negative for a signal; waits for it."""
        self._write("wait")
        return int(self.read("ended"))

    def run(self, **options: Any) -> None:
        self.start(**options)
        assert self.ended() == 0, self.said

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    assert zygote.process.stdin is not None
    zygote.process.stdin.close()
    assert zygote.process.wait(60) == 0


@dataclass
class Whole:
    """A method's undisturbed run: its states after STEPS and after MORE, and the seconds that a step of it takes."""

    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    beat: float = 0.0


@pytest.fixture(scope="module")
def whole(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    """`whole(method)`, run when it is first asked for."""

    @cache
    def run(method: str) -> Whole:
        found, folder = Whole(), tmp_path_factory.mktemp(method)
        for steps in (STEPS, STEPS + MORE):
            started = time.perf_counter()
            zygote.run(run_dir=str(folder), steps=steps, method=method, save_every=10**6)
            found.beat = (time.perf_counter() - started) / (STEPS if steps == STEPS else MORE)
            found.states[steps] = load_checkpoint(folder / "checkpoint.pt")
        assert len(found.states[STEPS]["records"]) == STEPS
        return found

    return run


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Equal bit for bit, whatever it is made of; the clock excepted."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one.keys() - {"seconds"}:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype, where
        assert torch.equal(one, other), where
    else:
        assert one == other, where


def assert_ends_like(whole: Whole, zygote: Zygote, folder: Path, method: str) -> None:
    """Run to STEPS and MORE: weights, optimisers, generators, sampler, method state and every loss are the same."""
    for steps in (STEPS, STEPS + MORE):
        zygote.run(run_dir=str(folder), steps=steps, method=method, save_every=25)
        ours, theirs = load_checkpoint(folder / "checkpoint.pt"), whole.states[steps]
        assert {"networks", "optimisers", "sampler", "random", "step", "records"} <= ours.keys()
        assert ours["step"] == steps
        assert_same(ours, theirs)
        written = History.read(folder / "history.jsonl").records
        assert_same(written, ours["records"])
    losses = [(r["d_loss"], r["g_loss"]) for r in ours["records"][-MORE:]]
    assert len(set(losses)) == MORE


def step_in(folder: Path) -> int:
    """The step of the checkpoint that a killed run left, 0 without one. Fails if it is not whole."""
    path = folder / "checkpoint.pt"
    return load_checkpoint(path)["step"] if path.exists() else 0


@pytest.mark.parametrize(
    ("method", "kills"),
    [
        pytest.param("plain", KILLS, marks=pytest.mark.slow),
        pytest.param("ada", KILLS, marks=pytest.mark.slow),
        ("ada", FEWER),
    ],
)
def test_a_run_killed_at_any_instant_ends_as_if_it_had_not_been(
    zygote: Zygote, whole: Callable[[str], Whole], tmp_path: Path, method: str, kills: int
) -> None:
    undisturbed = whole(method)
    rng = random.Random(method)
    options = {"run_dir": str(tmp_path), "steps": STEPS, "method": method}
    part = tmp_path / "checkpoint.pt.part"
    step, survived, tries, in_save, old_part = 0, 0, 0, 0, 0

    def killed(at_least: int, at_most: int) -> bool:
        """The child is dead; what it left must be whole and no older than its last finished save.

        Returns whether it left a new part, having died while it wrote one.
        """
        nonlocal step, survived, tries, in_save, old_part
        tries += 1
        assert zygote.ended() == -signal.SIGKILL, zygote.said
        assert at_least <= step_in(tmp_path) <= at_most
        step = step_in(tmp_path)
        survived += 1
        new_part = part.stat().st_mtime_ns if part.exists() else 0
        torn, old_part = new_part not in (0, old_part), new_part
        in_save += torn
        return torn

    # at random instants, a random time after the start or after a random number of steps
    for _ in range(kills):
        every, lived = rng.choice((1, 1, 2)), rng.randint(0, 2)
        zygote.start(**options, save_every=every, leash=lived + SLACK)
        for _ in range(lived):
            zygote.read("alive")
        time.sleep(rng.uniform(0, 2 * undisturbed.beat))
        zygote.send(signal.SIGKILL)
        killed(max(step, (step + lived - 1) // every * every), STEPS - 1)
    at_random = in_save
    # at every point of a save, the first of a life or a later one
    for point in BEFORE_RENAME + AFTER_RENAME:
        save = rng.randint(1, 2)
        before = step
        zygote.start(**options, save_every=1, die=[point, save])
        expected = before + save - (point in BEFORE_RENAME)
        assert killed(expected, expected) == (point in BEFORE_RENAME[1:]), point
        in_save += point in AFTER_RENAME or point == "before open"
    assert_ends_like(undisturbed, zygote, tmp_path, method)
    assert not part.exists()
    if method == "ada":  # it had something to lose
        p = [float(undisturbed.states[steps]["augment"]["p"]) for steps in (STEPS, STEPS + MORE)]
        assert len({0.5, 1.0, *p}) == 4
    print(f"\n{method}: survived {survived} of {tries} kills; {in_save} fell into a save,", end=" ")
    print(f"{at_random} of these among the {kills} at random instants")
    assert survived == tries >= 20
    assert in_save >= 5


@pytest.mark.slow
def test_an_interrupted_run_ends_well_and_goes_on_as_if_it_had_not_been(
    zygote: Zygote, whole: Callable[[str], Whole], tmp_path: Path
) -> None:
    undisturbed = whole("plain")
    rng = random.Random(1)
    options = {"run_dir": str(tmp_path), "steps": STEPS, "method": "plain", "save_every": 3}
    # a whole Python process once: nothing is handed on but the file
    alone = subprocess.Popen(
        [*WORKER, json.dumps(options)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert alone.stdout is not None
    for _ in range(4):
        assert alone.stdout.readline() == "alive\n"
    alone.send_signal(signal.SIGINT)
    said, _ = alone.communicate(timeout=120)
    assert alone.returncode == 0
    assert f"Stopped after step {step_in(tmp_path)}; it is saved in {tmp_path}" in said
    for _ in range(6):
        before = step_in(tmp_path)
        zygote.start(**options, leash=1 + SLACK)
        zygote.read("alive")
        time.sleep(rng.uniform(0, 2 * undisturbed.beat))
        zygote.send(signal.SIGINT)
        assert zygote.ended() == 0, zygote.said
        said = "".join(zygote.said)
        assert f"Going on from step {before}" in said
        assert f"Stopped after step {step_in(tmp_path)}; it is saved in {tmp_path}" in said
        assert before < step_in(tmp_path) < STEPS
    assert_ends_like(undisturbed, zygote, tmp_path, "plain")


def test_a_history_that_a_kill_left_behind_its_checkpoint_catches_up(zygote: Zygote, tmp_path: Path) -> None:
    """Also when the run had reached its end, so that nothing more is saved."""
    zygote.start(run_dir=str(tmp_path), steps=3, die=["before history", 3])
    assert zygote.ended() == -signal.SIGKILL
    assert step_in(tmp_path) == 3
    zygote.run(run_dir=str(tmp_path), steps=3)
    assert [r["step"] for r in History.read(tmp_path / "history.jsonl").records] == [1, 2, 3]
