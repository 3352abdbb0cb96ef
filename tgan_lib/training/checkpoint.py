"""Checkpoints that are whole or absent: written beside, flushed, renamed over; read without running any code.

A file is one line "tgan-checkpoint VERSION SHA256" followed by what `torch.save` makes of a dictionary of
tensors, numbers, strings, lists and dictionaries. Nothing else is written, so that what was saved loads. It is
written beside and renamed over (`files`): a NAME.part that a kill left behind is never read, and the next save
writes over it.

The hash finds accidents, such as a truncated file or a flipped bit, before anything is parsed. It is not a
signature: whoever alters a file on purpose can write its hash anew. `weights_only=True` refuses what is not plain
data, so that a checkpoint runs no code, but torch's reader has had flaws of its own; load files of people you trust.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import shown
from ..files import write_whole
from ..plain import changed

VERSION = 3
MAGIC = "tgan-checkpoint"
# What the state of a run holds at least (`step.Run.state_dict`).
RUN: dict[str, type] = {
    "settings": dict,
    "config": dict,
    "networks": dict,
    "optimisers": list,
    "start": dict,
    "random": dict,
    "step": int,
    "seconds": float,
    "records": list,
    "grids": dict,
}
DEEPEST = 50  # dictionaries and lists within each other


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used, in one sentence that says why and what to do."""


def first_line(data: bytes) -> bytes:
    """The line that stands before `data` in a file."""
    return f"{MAGIC} {VERSION} {hashlib.sha256(data).hexdigest()}\n".encode()


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write `state` so that `path` holds either the old checkpoint or the new one, whenever the power goes.

    Raises CheckpointError when the disk refuses, or for a state that `load_checkpoint` would refuse; the old file is
    then still there. One process at a time (`folder.locked`).
    """
    path = Path(path)
    refuse_other_kinds(state, "the state")
    payload = io.BytesIO()
    torch.save(state, payload)
    data = payload.getvalue()
    if not is_plain_zip(data):
        raise CheckpointError("the state holds the words 'constants.pkl', by which TorchScript is known")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, first_line(data), data)
    except OSError as error:
        kept = "the previous one is untouched" if os.path.exists(path) else "nothing was written"
        raise CheckpointError(
            f"the checkpoint {path.name} could not be saved ({error.strerror or error}); {kept}"
        ) from error


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
    refusal = CheckpointError(f"{path.name} holds something other than plain data and was not loaded")
    try:
        loaded = is_plain_zip(data)
        state: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True) if loaded else None
        refuse_other_kinds(state, "the state")
    except Exception as error:
        raise refusal from error
    return state


def load_run(folder: Path) -> dict[str, Any] | None:
    """The state of the run in `folder`, None if it holds none. CheckpointError for what is no run, or damaged."""
    path = folder / "checkpoint.pt"
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(f"{path} could not be read ({error.strerror or error})") from error
    state = load_checkpoint(path)
    settings, networks = state.get("settings"), state.get("networks")
    for name, kind in RUN.items():
        if type(state.get(name)) is not kind:
            raise CheckpointError(f"{path} is a whole file, but holds no training run: {name} is missing")
    if not (isinstance(settings, dict) and type(settings.get("methods")) is list):
        raise CheckpointError(f"{path} is a whole file, but holds no training run: settings are missing")
    if not (isinstance(networks, dict) and all(isinstance(part, dict) for part in networks.values())):
        raise CheckpointError(f"{path} is a whole file, but holds no training run: weights are missing")
    return state


def is_plain_zip(data: bytes) -> bool:
    """Whether these bytes are what torch.save writes, and nothing that torch.load gives to readers that run code.

    Before 2.6 it gave older formats, and TorchScript (known by this member of the zip), to such readers,
    weights_only or not.
    """
    return data.startswith(b"PK\3\4") and b"constants.pkl" not in data


def refuse_other_kinds(state: Any, name: str) -> None:
    """CheckpointError unless `state` is a dictionary of what a checkpoint may hold: its writer and reader both ask.

    Kinds are asked for exactly: np.float64 is a float to Python and not to torch's reader.
    """
    if type(state) is not dict:
        raise CheckpointError(f"{name} is {shown(state)}; a dictionary is right")
    waiting: list[tuple[str, Any, int]] = [(name, state, 0)]
    while waiting:
        where, value, depth = waiting.pop()
        if depth > DEEPEST:
            raise CheckpointError(f"{where} is more than {DEEPEST} levels deep; a checkpoint is flatter")
        if type(value) in (dict, OrderedDict):
            for key, item in value.items():
                if type(key) not in (str, int):
                    raise CheckpointError(
                        f"{where} has the key {shown(key)}; words and whole numbers are right"
                    )
                waiting.append((f"{where}[{shown(key)}]", item, depth + 1))
        elif type(value) in (list, tuple):
            waiting += [(f"{where}[{i}]", item, depth + 1) for i, item in enumerate(value)]
        elif type(value) not in (str, int, float, bool, type(None)) and not is_plain_tensor(value):
            raise CheckpointError(
                f"{where} is {shown(value)} ({type(value).__module__}.{type(value).__name__}), which a checkpoint "
                "could not give back; Python's own numbers and words, lists, dictionaries and tensors are right"
            )


def is_plain_tensor(value: Any) -> bool:
    """A tensor with numbers in rows: not sparse, not quantised, no subclass and not on torch's meta device."""
    return (
        type(value) in (Tensor, nn.Parameter)
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_meta)
    )


def refuse_changed(saved: dict[str, Any], now: dict[str, Any], where: str) -> None:
    """CheckpointError naming the first field in which a run's settings differ from those it was started with.

    Both are plain values (see `plain`).
    """
    for field in sorted(saved.keys() | now.keys()):
        if found := changed(saved.get(field), now.get(field), field):
            name, old, new = found
            raise CheckpointError(
                f"{where} holds a run with {name}={old!r}, but {name}={new!r} was asked for; "
                "go on with the old value or choose another run_dir"
            )
