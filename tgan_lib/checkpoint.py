"""Checkpoints that are whole or absent: written beside, flushed, renamed over; read without running any code.

A file is one line "tgan-checkpoint VERSION SHA256" followed by what `torch.save` makes of a dictionary of
tensors, numbers, strings, lists and dictionaries. The hash finds a truncated or altered file before it is
parsed, and `weights_only=True` refuses anything that is not plain data.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

VERSION = 1
MAGIC = "tgan-checkpoint"


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used, in one sentence that says why and what to do."""


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write `state` so that `path` holds either the old checkpoint or the new one, whenever the power goes.

    Raises CheckpointError when the disk refuses; the old file is then still there.
    """
    path = Path(path)
    payload = io.BytesIO()
    torch.save(state, payload)
    data = payload.getvalue()
    head = f"{MAGIC} {VERSION} {hashlib.sha256(data).hexdigest()}\n".encode()
    beside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(head)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        kept = "the previous one is untouched" if path.exists() else "nothing was written"
        raise CheckpointError(
            f"the checkpoint {path.name} could not be saved ({error.strerror}); {kept}"
        ) from error


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary that `save_checkpoint` wrote, on the CPU. CheckpointError for any file that is not whole."""
    path = Path(path)
    with open(path, "rb") as file:
        words = file.readline(200).decode("latin-1").split()
        data = file.read()
    if len(words) != 3 or words[0] != MAGIC:
        raise CheckpointError(f"{path.name} is not a checkpoint of tgan_lib")
    if words[1] != str(VERSION):
        raise CheckpointError(
            f"{path.name} has checkpoint version {words[1]}; this tgan_lib reads version {VERSION}"
        )
    if hashlib.sha256(data).hexdigest() != words[2]:
        raise CheckpointError(
            f"{path.name} is damaged: its contents do not have the hash written in its first line"
        )
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path.name} holds something other than plain data and was not loaded"
        ) from error
    return state


def refuse_changed(saved: dict[str, Any], now: dict[str, Any], where: str) -> None:
    """CheckpointError naming the first field in which a run's settings differ from those it was started with."""
    for name in sorted(saved.keys() | now.keys()):
        if saved.get(name) != now.get(name):
            raise CheckpointError(
                f"{where} holds a run with {name}={saved.get(name)!r}, but {name}={now.get(name)!r} was asked for; "
                "go on with the old value or choose another run_dir"
            )
