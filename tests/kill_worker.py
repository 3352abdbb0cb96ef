"""A small training run in a process of its own, for tests/test_kill.py to kill.

    python kill_worker.py '{"run_dir": "...", "steps": 40, "method": "plain"}'   trains once
    python kill_worker.py                       imports torch once, then forks a child for each line of its input

It prints "alive" after every step, before that step is saved; as a server also "pid N" for a child that starts,
"over" for one that was not killed, and "ended STATUS" for either (negative: the signal that ended it).
"""

from __future__ import annotations

import builtins
import json
import os
import signal
import stat
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tgan_lib import files
from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.training.history import History
from tgan_lib.training.train import train

# The points of one save, in order, at which a child can be told to die. The rename makes a new checkpoint of NAME.part.
BEFORE_RENAME = (
    "before open",
    "opened",
    "first line torn",
    "midway",
    "last byte",
    "before fsync",
    "before rename",
)
AFTER_RENAME = ("after rename", "before folder fsync", "before history")
TORN = {"first line torn": (0, 0.1), "midway": (1, 0.5), "last byte": (1, 1.0)}  # which write, how much of it


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Torn:
    """A file whose writer dies within one of its writes, when the bytes so far have reached the system."""

    def __init__(self, file: Any, write: int, share: float) -> None:
        self.file, self.left, self.share = file, write, share

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: Any) -> None:
        if self.left == 0:
            self.file.write(memoryview(data)[: int(self.share * len(data))])
            self.file.flush()
            die()
        self.left -= 1
        self.file.write(data)


def die_at(point: str, save: int) -> None:
    """From now on this process kills itself at `point` of its `save`-th save."""
    saves = 0
    fsync, replace, write_history = os.fsync, os.replace, History.write

    def reach(here: str) -> None:
        if here == point and saves == save:
            die()

    def opening(path: Path, mode: str) -> Any:
        nonlocal saves
        if path.name != "checkpoint.pt.part":
            return builtins.open(path, mode)
        saves += 1
        reach("before open")
        file = builtins.open(path, mode)  # noqa: SIM115
        reach("opened")
        return Torn(file, *TORN[point]) if point in TORN and saves == save else file

    def syncing(descriptor: int) -> None:
        reach("before folder fsync" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "before fsync")
        fsync(descriptor)

    def replacing(old: Path, new: Path) -> None:
        if Path(new).name == "checkpoint.pt":
            reach("before rename")
        replace(old, new)
        if Path(new).name == "checkpoint.pt":
            reach("after rename")

    def writing_history(self: History, path: Path) -> None:
        reach("before history")
        write_history(self, path)

    files.open = opening  # type: ignore[attr-defined]
    os.fsync = syncing  # type: ignore[assignment]
    os.replace = replacing  # type: ignore[assignment]
    History.write = writing_history  # type: ignore[method-assign, assignment]


def options_of(method: str) -> dict[str, Any]:
    """What `train` is given for a method, made anew for every run."""
    if method == "plain":
        return {}
    from tgan_lib.augment import ADA
    from tgan_lib.penalties import LeCam

    return {
        "loss": "hinge",
        "penalties": {"r1": 0.1},
        "terms": [LeCam(0.3, decay=0.9)],
        "augment": ADA(p=0.5, target=0.3, images_to_one=20_000),  # p moves, and stays below 1
        "d_steps": 2,
        "mirror": True,
    }


def work(
    images: Images, run_dir: str, steps: int, method: str = "plain", save_every: int = 1, leash: int = 10**6
) -> None:
    """Train towards `steps`, going on from what `run_dir` holds. After `leash` steps dawdle, waiting for a signal."""
    network = "dcgan_2016" if method == "plain" else "dcgan"  # with batch norm in D; without, as R1 asks
    gan = GAN.build(network, size=28, latent_dim=8, width=4, device="cpu")
    gan.discriminator.net.insert(2, nn.Dropout(0.2))  # type: ignore[union-attr, operator]

    def alive(gan: GAN) -> float:
        nonlocal leash
        print("alive", flush=True)
        leash -= 1
        if leash <= 0:
            time.sleep(0.3)
        return 0.0

    train(
        gan,
        images,
        steps=steps,
        batch_size=8,
        run_dir=run_dir,
        save_every=save_every,
        log_every=1,
        metric=alive,
        metric_every=1,
        progress=False,
        **options_of(method),
    )


def serve(images: Images) -> None:
    """For each line {"run_dir": ..., "steps": ..., "die": [point, save], ...} a child that does it."""
    torch.optim.Adam([nn.Parameter(torch.zeros(1))])  # imports much, which no child need do again
    for line in sys.stdin:
        options = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(300)  # an end to whatever hangs
                if "die" in options:
                    die_at(*options.pop("die"))
                work(images, **options)
                status = 0
            except BaseException:
                traceback.print_exc()
            print("over", flush=True)
            os._exit(status)
        print(f"pid {child}", flush=True)
        # It stays a zombie until it is waited for, so that nobody else gets its number while a signal is under way.
        sys.stdin.readline()
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)


if __name__ == "__main__":
    signal.alarm(900)
    torch.set_num_threads(1)
    glyphs = load("glyphs:digits", size=28, limit=64, device="cpu")
    if len(sys.argv) > 1:
        work(glyphs, **json.loads(sys.argv[1]))
    else:
        serve(glyphs)
