"""Values as a file keeps them: what a checkpoint, a card or a history holds is plain before it is written.

A leaf. Numbers of NumPy and tensors without axes are easily mistaken for Python's own (`np.float64` even is a
float), and a reader that takes plain data alone refuses them; so they are turned where they come in.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from math import isclose
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import shown


def plain(value: Any, name: str, functions: bool = False) -> Any:
    """`value` of None, bool, int, float, str, lists of them and dictionaries by name; ValueError, naming what is not.

    Numbers and arrays of NumPy and tensors become numbers and lists, tuples lists, paths, devices and dtypes words.
    functions: a function is given as its qualified name, an object as its class with what it holds; only for values
    that are compared and never built again.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        found = value.tolist()
        # a long double's list is itself
        return plain(float(found) if isinstance(found, np.floating) else found, name, functions)
    for kind in (int, float, str):  # their subclasses
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, (os.PathLike, torch.device, torch.dtype)):
        return str(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{name} has {shown(key)} for a name; words (str) are right")
        return {str(key): plain(item, f"{name}.{key}", functions) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [plain(item, f"{name}[{i}]", functions) for i, item in enumerate(items)]
    if functions:
        kind, held = type(value), getattr(value, "__dict__", {})
        if hasattr(value, "__qualname__"):
            return f"{value.__module__}.{value.__qualname__}"
        if all(hasattr(value, part) for part in ("func", "args", "keywords")):  # functools.partial
            held = {"func": value.func, "args": value.args, "keywords": value.keywords}
        return {"class": f"{kind.__module__}.{kind.__qualname__}"} | plain(held, name, functions)
    raise ValueError(
        f"{name} is {shown(value)}, which no file keeps; numbers, words, lists and dictionaries are"
    )


def changed(saved: Any, now: Any, name: str) -> tuple[str, Any, Any] | None:
    """The first place where two plain values differ, as (its name, what is saved, what is now); None if none does.

    Dictionaries with the same names, and lists of as many dictionaries, are gone into.
    """
    if isinstance(saved, dict) and isinstance(now, dict) and saved.keys() == now.keys():
        pairs = [(f"{name}.{key}" if name else key, saved[key], now[key]) for key in sorted(saved)]
    elif isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        if not all(isinstance(item, dict) for item in (*saved, *now)):
            return None if saved == now else (name, saved, now)
        pairs = [(f"{name}[{i}]", a, b) for i, (a, b) in enumerate(zip(saved, now, strict=True))]
    else:
        same = type(saved) is type(now) or {type(saved), type(now)} == {int, float}
        return None if same and saved == now else (name, saved, now)
    return next((found for pair in pairs if (found := changed(pair[1], pair[2], pair[0]))), None)


def near(saved: Mapping[str, list[float]], now: Mapping[str, list[float]]) -> bool:
    """Whether two `fingerprint`s are those of the same weights, but for rounding."""
    return saved.keys() == now.keys() and all(
        len(saved[name]) == len(now[name])
        and all(
            isclose(a, b, rel_tol=1e-4, abs_tol=1e-4) for a, b in zip(saved[name], now[name], strict=True)
        )
        for name in saved
    )


def fingerprint(tensors: Mapping[str, Tensor]) -> list[float]:
    """Five numbers that other weights would not have: their norm, and four sums of them with random signs over it.

    Not a hash: the same seed gives weights that differ in the last digit on another processor, and these numbers
    differ as little. Waits for the device.
    """
    parts = [t.detach().reshape(-1).to("cpu", torch.float64) for t in tensors.values()]
    flat = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
    size = float(flat.norm())
    bits = torch.randint(16, (len(flat),), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    signs = [1.0 - 2.0 * (bits >> i & 1) for i in range(4)]
    return [size, *(float((flat * sign).sum()) / (size or 1.0) for sign in signs)]


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits that tell tensors with other names, types, shapes or contents apart."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)  # NumPy has no bfloat16
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()[:16]
