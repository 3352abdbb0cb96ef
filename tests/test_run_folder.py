"""A run's folder is one run's at a time, and a place that cannot be written is known before the first step."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tgan_lib.data import Images, load
from tgan_lib.distributed import World
from tgan_lib.gan import GAN
from tgan_lib.training import folder as folders
from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint
from tgan_lib.training.folder import BEAT, LOCK, STALE, opened
from tgan_lib.training.train import train

OPTIONS: dict[str, Any] = {"batch_size": 8, "progress": False}
RIVAL = """
import sys, torch
from tgan_lib import GAN, load, train
torch.set_num_threads(1)
images = load("glyphs:digits", size=16, limit=32, device="cpu")
gan = GAN.build("mlp", size=16, latent_dim=4, width=4, device="cpu")
def wait(gan):
    print("here", flush=True)
    return float(sys.stdin.readline() or 0)
train(gan, images, steps=2, batch_size=8, progress=False, run_dir=sys.argv[1], metric=wait, metric_every=1)
"""


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=32, device="cpu")


def small() -> GAN:
    return GAN.build("mlp", size=16, latent_dim=4, width=4, device="cpu")


def go(digits: Images, folder: Any, steps: int = 2, **options: Any) -> int:
    return int(train(small(), digits, steps=steps, run_dir=folder, **OPTIONS | options).notes["steps"])


def test_a_run_in_another_process_is_left_alone_and_its_folder_taken_over_when_it_was_killed(
    digits: Images, tmp_path: Path
) -> None:
    rival = subprocess.Popen(
        [sys.executable, "-c", RIVAL, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert rival.stdout is not None
    assert rival.stdout.readline() == "here\n"
    measured: list[int] = []
    with pytest.raises(
        CheckpointError, match=rf"another run is training in {tmp_path} \(process {rival.pid} on "
    ):
        go(digits, tmp_path, metric=lambda gan: measured.append(1) or 0.0, metric_every=1)
    assert not measured
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOCK]
    rival.kill()
    for _ in range(200):  # killed and not yet waited for: a zombie, which holds nothing
        if Path(f"/proc/{rival.pid}").exists() and folders.runs(tmp_path / LOCK, rival.pid):
            time.sleep(0.05)
    if Path("/proc").exists():
        assert go(digits, tmp_path) == 2
    rival.wait()
    assert go(digits, tmp_path, 3) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "history.jsonl"]


def test_two_runs_of_one_process_do_not_share_a_folder(digits: Images, tmp_path: Path) -> None:
    with opened(tmp_path, World()) as refusal:
        assert refusal is None
        with pytest.raises(CheckpointError, match=f"another run is training in .*process {os.getpid()} on"):
            go(digits, tmp_path)
    assert go(digits, tmp_path) == 2


def lock(folder: Path, age: float, **said: Any) -> None:
    path = folder / LOCK
    path.write_text(json.dumps({"host": platform.node(), "pid": 1, "begun": 0.0} | said))
    os.utime(path, (time.time() - age, time.time() - age))


def dead_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.parametrize("age", [0.0, 10 * STALE])
@pytest.mark.parametrize(
    ("said", "free_at_once", "free_later"),
    [
        ({"pid": "dead"}, True, True),  # of this host
        ({"pid": os.getpid()}, True, True),  # of a container that is no more: this process holds none
        ({"pid": os.getppid()}, False, False),  # it lives, and may have been stopped for a while
        ({"host": "elsewhere"}, False, True),
        ({"host": "elsewhere", "pid": "dead"}, False, True),
        ({"pid": None}, False, True),  # torn: being written now, or by a process that died over it
        ({"pid": 10**30}, False, False),
    ],
)
def test_a_stale_lock_is_taken_over_and_no_other(
    digits: Images, tmp_path: Path, said: dict[str, Any], free_at_once: bool, free_later: bool, age: float
) -> None:
    lock(tmp_path, age, **{k: dead_process() if v == "dead" else v for k, v in said.items()})
    if free_later if age else free_at_once:
        assert go(digits, tmp_path) == 2
        assert not (tmp_path / LOCK).exists()
    else:
        with pytest.raises(CheckpointError, match=r"another run .* delete run\.lock$"):
            go(digits, tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == [LOCK]


def test_a_lock_beats_while_its_run_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 3 * BEAT < STALE  # some beats may be late
    monkeypatch.setattr(folders, "BEAT", 0.01)
    with opened(tmp_path, World()):
        lock(tmp_path, STALE)
        deadline = time.time() + 10
        while time.time() - (tmp_path / LOCK).stat().st_mtime > 5:
            assert time.time() < deadline
            time.sleep(0.01)
    assert not (tmp_path / LOCK).exists()
    time.sleep(0.1)
    assert threading.active_count() < 20


def test_the_folder_is_given_back_after_an_error(digits: Images, tmp_path: Path) -> None:
    def broken(gan: GAN) -> float:
        raise KeyError("a fault of the metric")

    with pytest.raises(KeyError):
        go(digits, tmp_path, metric=broken, metric_every=1)
    assert not (tmp_path / LOCK).exists()


# Places that cannot be written


@pytest.mark.parametrize("name", ["a file", "in a file", "/proc/nowhere/run", "n" * 300])
def test_a_place_that_cannot_be_is_known_before_the_first_step(
    digits: Images, tmp_path: Path, name: str
) -> None:
    (tmp_path / "taken").touch()
    path = {"a file": tmp_path / "taken", "in a file": tmp_path / "taken" / "run"}.get(name, tmp_path / name)
    measured: list[int] = []
    with pytest.raises(
        (CheckpointError, ValueError), match=r"is a file; a folder|nothing can be written in|folder is right"
    ) as caught:
        go(digits, path, metric=lambda gan: measured.append(1) or 0.0, metric_every=1)
    assert not measured
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "a\0b", 3, b"bytes", "~nobody-of-this-name/run"])
def test_what_is_no_path_is_one_sentence(digits: Images, path: Any) -> None:
    with pytest.raises(ValueError, match=r"run_dir is .*(is right|no such home folder)|cannot be found"):
        go(digits, path)


def test_a_tilde_is_the_home_folder(digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert go(digits, "~/runs/mine") == 2
    assert load_checkpoint(tmp_path / "runs" / "mine" / "checkpoint.pt")["step"] == 2


def test_a_finished_run_can_be_looked_at_where_nothing_can_be_written(
    digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system's refusal is played: a test that runs as root is refused nothing."""
    assert go(digits, tmp_path) == 2
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def read_only(path: Any, mode: str = "r", *_: Any, **__: Any) -> Any:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(folders, "open", read_only, raising=False)
    gan = small()
    history = train(gan, digits, steps=2, run_dir=tmp_path, **OPTIONS)
    assert history.steps() == [2]
    assert "is over at step 2" in capsys.readouterr().out
    with pytest.raises(
        CheckpointError, match=r"nothing can be written in .* \(Read-only file system\); choose"
    ):
        go(digits, tmp_path, 3)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
