"""The one way this library words bad input: a plain sentence with the value seen and what would be right.

A leaf: it imports nothing of ours. Each check gives its value back in plain Python, so that a number of NumPy or a
tensor with one element becomes an int or a float where it comes in:

    steps = whole_number("steps", steps)
    share = real_number("share", share, least=0, most=1)
    check_tensor("z", z, ("n", 64))
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from math import inf, isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
MOST_SHOWN = 60  # characters of a value that a sentence quotes
MOST_KNOWN = 180  # characters of a list of names
MOST_COUNT = 2**31 - 1
MOST_SEED = 2**63 - 1  # what torch and NumPy both take


def shown(value: object) -> str:
    """`value` in at most 60 characters on one line; arrays, tensors and objects of ours by their kind."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and getattr(value, "ndim", None):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    try:
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
            return f"a whole number of {value.bit_length()} bits"
        text = " ".join(repr(value).split())
    except Exception:  # a repr of somebody else's
        text = ""
    if not text or text.startswith("<") or (len(text) > MOST_SHOWN and not isinstance(value, str)):
        kind = type(value).__name__
        return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 4]}...{text[-1]}"


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """A ValueError that says the name seen, the nearest known ones, and those that would be right."""
    known = sorted(map(str, known))
    near = get_close_matches(name, known, n=2, cutoff=0.6) if isinstance(name, str) else []
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    said = ", ".join(known)
    if len(said) > MOST_KNOWN:
        said = f"{said[:MOST_KNOWN].rpartition(', ')[0]}, ... ({len(known)} in all)"
    return ValueError(f"there is no {kind} named {shown(name)}{hint}; known: {said or 'none'}")


def one_of(kind: str, name: T, known: Iterable[T]) -> T:
    """`name`, which is one of `known`; ValueError with the nearest of them if it is not."""
    known = list(known)
    if not isinstance(name, str) or name not in known:
        raise unknown_name(kind, name, map(str, known))
    return name


def first_line(error: BaseException) -> str:
    """What somebody else's error says, short enough for a part of a sentence."""
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]


def _plain(value: Any) -> Any:
    """A number of NumPy or a tensor without axes as Python's own; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _limits(
    least: float | None, most: float | None, above: float | None = None, below: float | None = None
) -> str:
    if above is not None and below is not None:
        return f" between {above} and {below}"
    low = f" above {above}" if above is not None else f" from {least}" if least is not None else ""
    high = "" if most is None else f" up to {most}" if not low or above is not None else f" to {most}"
    return low + high + ("" if below is None else f" to below {below}")


def whole_number(name: str, value: Any, least: int | None = 1, most: int | None = None) -> int:
    """`value` as an int from `least` to `most`; ValueError if it is no such number (True and 2.0 are none).

    No number of things goes beyond 2**31 - 1: what fits in no memory is refused before it is asked for.
    """
    plain = _plain(value)
    number = int(plain) if isinstance(plain, Integral) and not isinstance(plain, bool) else None
    if number is not None and most is None and abs(number) > MOST_COUNT:
        most = MOST_COUNT
    low = number is not None and (least is None or number >= least)
    if number is None or not low or (most is not None and number > most):
        limits = _limits(least, most)
        raise ValueError(f"{name} is {shown(value)}; a whole number (int){limits} is right")
    return number


def seed_number(value: Any, name: str = "seed") -> int:
    """`value` as a seed that every generator of random numbers takes."""
    plain = _plain(value)
    if not isinstance(plain, Integral) or isinstance(plain, bool) or not 0 <= int(plain) <= MOST_SEED:
        raise ValueError(f"{name} is {shown(value)}; a whole number (int) from 0 to 2**63 - 1 is right")
    return int(plain)


def real_number(
    name: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """`value` as a finite float from `least` to `most`, above `above` and below `below`; ValueError if it is none."""
    plain = _plain(value)
    number = inf
    if isinstance(plain, Real) and not isinstance(plain, bool):
        try:
            number = float(plain)
        except OverflowError:  # an int that no float holds
            number = inf
    low = (least is None or number >= least) and (above is None or number > above)
    high = (most is None or number <= most) and (below is None or number < below)
    if not (isfinite(number) and low and high):
        raise ValueError(f"{name} is {shown(value)}; a number{_limits(least, most, above, below)} is right")
    return number


def true_or_false(name: str, value: Any) -> bool:
    """`value` as a bool; ValueError if it is another thing, such as "no" or 2."""
    plain = _plain(value)
    if not isinstance(plain, bool):
        raise ValueError(f"{name} is {shown(value)}; True or False is right")
    return plain


def check_kind(name: str, value: Any, kinds: type | tuple[type, ...], right: str) -> None:
    """TypeError unless `value` is one of `kinds`, which `right` says in words ("a GAN")."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} is {shown(value)}; {right} is right")


def is_path(text: str) -> bool:
    """Whether a file or folder can be called so: every name short enough, on one line, without NUL."""
    return (
        bool(text.strip())
        and text.isprintable()
        and all(len(os.fsencode(n)) <= 255 for n in Path(text).parts)
    )


def as_path(name: str, value: Any) -> Path:
    """`value` as a Path, with ~ for the home folder; ValueError for what is no path."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not is_path(text):
        raise ValueError(f"{name} is {shown(value)}; the path of a file or folder is right")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{name} is {shown(text)}, and there is no such home folder here") from error


def check_rng(rng: Any) -> None:
    """TypeError unless it is a random generator, or None for torch's own."""
    check_kind("rng", rng, (torch.Generator, type(None)), "a torch.Generator or None")


def check_function(name: str, value: Any, right: str) -> None:
    """TypeError unless `value` can be called, as `right` says."""
    if not callable(value):
        raise TypeError(f"{name} is {shown(value)}; {right} is right")


def check_tensor(
    name: str,
    value: Any,
    shape: Sequence[int | str] | None = None,
    *,
    dtypes: str = "float",
    finite: bool = False,
) -> None:
    """ValueError unless `value` is a tensor of this shape and kind; TypeError if it is no tensor.

    shape: an int for a length that is known, a word for one that is free but not 0, as in ("N", 64). dtypes:
    "float", "int" (any whole numbers), "uint8", or "any". finite: NaN and infinity are refused too, which reads
    from the device.
    """
    kind = {"any": "tensor"}.get(dtypes, f"{dtypes} tensor")
    right = f"an {kind}" if kind.startswith("int") else f"a {kind}"
    if shape is not None:
        right += f" of shape ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    check_kind(name, value, Tensor, right)
    whole = not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)
    fits = {
        "float": value.is_floating_point(),
        "int": whole,
        "uint8": value.dtype == torch.uint8,
        "any": True,
    }[dtypes]
    if shape is not None:
        fits &= value.ndim == len(shape) and all(
            seen > 0 if isinstance(known, str) else seen == known
            for seen, known in zip(value.shape, shape, strict=False)
        )
    if not fits:
        raise ValueError(f"{name} is {shown(value)}; {right} is right")
    if finite and not torch.isfinite(value).all():
        raise ValueError(f"{name} holds NaN or infinity; {right} with finite numbers is right")
