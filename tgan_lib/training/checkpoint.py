"""Checkpoints that are whole or absent: written beside, flushed, renamed over; read without running any code.

A file is one line "tgan-checkpoint VERSION SHA256" followed by what `torch.save` makes of a dictionary of
tensors, numbers, strings, lists and dictionaries. It is written as NAME.part in the same folder, which is renamed
over NAME when its last byte is on the disk; a NAME.part that a kill left behind is never read, and the next save
writes over it.

The hash finds accidents, such as a truncated file or a flipped bit, before anything is parsed. It is not a
signature: whoever alters a file on purpose can write its hash anew. `weights_only=True` refuses what is not plain
data, so that a checkpoint runs no code, but torch's reader has had flaws of its own; load files of people you trust.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

VERSION = 2
MAGIC = "tgan-checkpoint"
# What fsync says on file systems that have none, as some network drives; a full or failing disk says otherwise.
NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used, in one sentence that says why and what to do."""


def first_line(data: bytes | memoryview) -> bytes:
    """The line that stands before `data` in a file."""
    return f"{MAGIC} {VERSION} {hashlib.sha256(data).hexdigest()}\n".encode()


def check_finite(networks: Mapping[str, Mapping[str, Tensor]]) -> None:
    """FloatingPointError naming the first weight or buffer that holds an infinity or no number at all.

    networks: name -> state_dict. For a loop to call before it saves, since its losses were finite with the weights
    from before the last update. One number per tensor is computed where the tensors are, then read back at once.
    """
    names = [f"{network}.{name}" for network, state in networks.items() for name in state]
    tensors = [tensor for state in networks.values() for tensor in state.values()]
    if not tensors:
        return
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors])
    for name, good in zip(names, finite.tolist(), strict=True):
        if not good:
            raise FloatingPointError(
                f"{name} is no longer finite, so nothing was saved and the last good checkpoint is kept; "
                "a lower learning rate is the first thing to try"
            )


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write `state` so that `path` holds either the old checkpoint or the new one, whenever the power goes.

    Raises CheckpointError when the disk refuses; the old file is then still there. One process at a time.
    """
    path = Path(path)
    payload = io.BytesIO()
    torch.save(state, payload)
    data = payload.getbuffer()
    beside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(first_line(data))
            file.write(data)
            file.flush()
            to_disk(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        kept = "the previous one is untouched" if os.path.exists(path) else "nothing was written"
        raise CheckpointError(
            f"the checkpoint {path.name} could not be saved ({error.strerror or error}); {kept}"
        ) from error
    finally:
        with suppress(OSError):  # after a rename there is none
            beside.unlink()
    # The rename itself is on the disk once its folder is. Until then a power cut brings back the old file, which is
    # whole too, so that a system that cannot do this (Windows opens no folders) is no reason to stop.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def to_disk(descriptor: int) -> None:
    """fsync, which a file system is allowed not to have. OSError when the disk is full or fails."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """The dictionary that `save_checkpoint` wrote, on the CPU. CheckpointError for any file that is not whole."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            line = file.readline(200)
            data = file.read()
    except OSError as error:
        raise CheckpointError(f"{path} could not be read ({error.strerror or error})") from error
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != MAGIC:
        raise CheckpointError(f"{path.name} is {'not a checkpoint of tgan_lib' if line else 'an empty file'}")
    if words[1] != str(VERSION):
        raise CheckpointError(
            f"{path.name} has checkpoint version {words[1]}; this tgan_lib reads version {VERSION}"
        )
    if line != first_line(data):
        raise CheckpointError(
            f"{path.name} is damaged: its contents do not have the hash written in its first line; "
            "put a copy in its place, or move it away to begin anew"
        )
    # torch.save writes a zip. Before 2.6 torch.load gave older formats, and TorchScript (known by this member of
    # the zip), to readers that do run code, weights_only or not.
    plain = data.startswith(b"PK\3\4") and b"constants.pkl" not in data
    refusal = CheckpointError(f"{path.name} holds something other than plain data and was not loaded")
    try:
        state: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True) if plain else None
    except Exception as error:
        raise refusal from error
    if not isinstance(state, dict):
        raise refusal
    return state


def refuse_changed(saved: dict[str, Any], now: dict[str, Any], where: str) -> None:
    """CheckpointError naming the first field in which a run's settings differ from those it was started with."""
    for name in sorted(saved.keys() | now.keys()):
        if saved.get(name) != now.get(name):
            raise CheckpointError(
                f"{where} holds a run with {name}={saved.get(name)!r}, but {name}={now.get(name)!r} was asked for; "
                "go on with the old value or choose another run_dir"
            )
