"""Files that are whole or absent, and the one format in which a GAN is kept: weights and a card.

A file is written as NAME.part in the same folder, which is renamed over NAME when its last byte is on the disk. A
GAN is NAME.safetensors, tensors by name, and NAME.json, its card, which holds what builds the networks again and
the SHA-256 of the weights. The two are renamed one after the other, the weights first; should the power go between,
the new card is still there as NAME.json.part, and the reader takes it.

A leaf: what the tensors and the card are is `gan`'s affair. The hash finds accidents. It is not a signature.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from .errors import as_path, shown

# What fsync says on file systems that have none, as some network drives; a full or failing disk says otherwise.
NO_FSYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
SUFFIXES = (".safetensors", ".json")


def write_whole(path: Path, *parts: bytes) -> None:
    """Write `parts` so that `path` holds either the old file or the new one, whenever the power goes.

    OSError when the disk refuses; the old file is then still there.
    """
    beside = path.with_name(path.name + ".part")
    try:
        write_through(beside, *parts)
        os.replace(beside, path)
    finally:
        with suppress(OSError):  # after a rename there is none
            beside.unlink()
    rename_to_disk(path.parent)


def write_through(path: Path, *parts: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with open(path, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in NO_FSYNC:
                raise


def rename_to_disk(folder: Path) -> None:
    """A rename is on the disk once its folder is.

    Until then a power cut brings back the old file, which is whole too, so that a system that cannot do this
    (Windows opens no folders) is no reason to stop.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def half(tensor: Tensor) -> Tensor:
    """A copy on the CPU, floats as fp16. ValueError for a finite number beyond 65504, which that cannot hold."""
    full = tensor.detach().cpu().contiguous()
    if not full.is_floating_point():
        return full.clone()
    found = full.half()
    if not torch.equal(torch.isfinite(full), torch.isfinite(found)):
        raise ValueError("it holds a number beyond 65504, too large for 16 bits; half=False is right")
    return found


def pair(path: Any) -> tuple[Path, Path]:
    """The files of the GAN at `path`: cats-lr0.001 -> (cats-lr0.001.safetensors, cats-lr0.001.json).

    `path` may name either of them. ValueError for a folder.
    """
    path = as_path("path", path)
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")
    name = path.name.removesuffix(suffix)
    if not name or name == ".." or (not suffix and path.is_dir()):
        raise ValueError(f"{path} is a folder; a name for a GAN in it, such as {path / 'my-gan'}, is right")
    return path.with_name(name + ".safetensors"), path.with_name(name + ".json")


def write_pair(path: Any, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> dict[str, Any]:
    """Write the two files of a GAN; returns the card, completed by "sha256" and "bytes".

    tensors: on the CPU and contiguous. card: plain values (`plain`). RuntimeError, in a sentence, when the disk
    refuses.
    """
    weights, described = pair(path)
    data = safetensors.save(dict(tensors))
    full = dict(card) | {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    text = json.dumps(full, indent=2) + "\n"
    beside = described.with_name(described.name + ".part")
    try:
        weights.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_through(beside, text.encode())
            write_whole(weights, data)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise
        os.replace(beside, described)
    except OSError as error:
        raise RuntimeError(
            f"{weights} could not be written ({error.strerror or error}); choose another place"
        ) from error
    rename_to_disk(weights.parent)
    return full


def read_card(path: Path) -> dict[str, Any]:
    """A card; FileNotFoundError or ValueError in a sentence."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise FileNotFoundError(f"the card {path} could not be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # of JSON, or of UTF-8
        raise ValueError(f"{path.name} is not a card: it is damaged, or no JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is not a card: it holds {shown(found)}; a dictionary is right")
    return found


def read_pair(path: Any, card: Mapping[str, Any] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a GAN at `path`, and its card, or those that belong to the `card` given.

    FileNotFoundError where a file is missing, ValueError where they do not belong together or are damaged.
    """
    weights, described = pair(path)
    if (other := as_path("path", path)).is_file() and other.suffix not in SUFFIXES:
        raise ValueError(
            f"{other.name} is no GAN: one that was saved is {weights.name} with a card beside, or a run's folder"
        )
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise FileNotFoundError(
            f"there are no weights at {weights} ({error.strerror or error}); "
            "the path that was given to save, or the folder of a run, is right"
        ) from error
    known = read_card(described) if card is None else dict(card)
    digest = hashlib.sha256(data).hexdigest()
    if "sha256" not in known:
        raise ValueError(f"the card of {weights.name} has no sha256, so it is not the card of a GAN")
    if known["sha256"] != digest and card is None:  # a save that ended between its two renames
        with suppress(FileNotFoundError, ValueError):
            newer = read_card(described.with_name(described.name + ".part"))
            known = newer if newer.get("sha256") == digest else known
    if known["sha256"] != digest:
        raise ValueError(
            f"{weights.name} does not have the hash on its card; the file is damaged or from another version"
        )
    try:
        return safetensors.load(data), known
    except SafetensorError as error:
        raise ValueError(f"{weights.name} is not a safetensors file") from error
