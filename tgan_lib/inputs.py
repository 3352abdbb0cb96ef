"""What comes in from outside: numbers, seeds, images, features. Each is checked here, and answered in one sentence.

A leaf: it imports nothing of ours, so everything may import it. A check returns what it was given in a plain form
(numbers of NumPy and single-element tensors become Python's), or raises a ValueError that says the value seen and
what would be right.
"""

from __future__ import annotations

import math
import operator
import reprlib
from typing import Any

import torch
from torch import Tensor

MOST = 10_000_000  # images, samples or latents at once: more is a slip of the finger


def shown(value: object) -> str:
    """A value as a message shows it: on one line, and short; tensors and arrays by their shape."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape):
        return f"a {type(value).__name__} of shape {tuple(shape)}"
    try:
        text = " ".join(reprlib.repr(plain(value)).split())
    except Exception:  # whatever somebody's __repr__ does
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def plain(value: Any) -> Any:
    """A number of NumPy or a tensor of one number as Python's own; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def whole_number(name: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """`value` as an int from `low` to `high`; ValueError for anything else, truth values and 2.0 among it."""
    number: Any = plain(value)
    try:
        found = None if isinstance(number, bool) else operator.index(number)
    except TypeError:
        found = None
    if found is None or found < low or (high is not None and found > high):
        right = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is {shown(value)}; a whole number {right} is right")
    return found


def real_number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, between: bool = False
) -> float:
    """`value` as a finite float from `low` to `high`, or strictly `between` them; ValueError for anything else."""
    number: Any = plain(value)
    try:
        found = math.nan if isinstance(number, (bool, str, bytes)) else float(number)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        found = math.nan
    inside = low < found < high if between else low <= found <= high
    if not (inside and math.isfinite(found)):
        raise ValueError(f"{name} is {shown(value)}; {_interval(low, high, between)} is right")
    return found


def _interval(low: float, high: float, between: bool) -> str:
    if low == -math.inf and high == math.inf:
        return "a finite number"
    if high == math.inf:
        return f"a number {'above' if between else 'of at least'} {low:g}"
    return f"a number {'between' if between else 'from'} {low:g} {'and' if between else 'to'} {high:g}"


def seed_number(value: Any, name: str = "seed") -> int:
    """A seed: a whole number from 0, small enough for every generator."""
    return whole_number(name, value, 0, 2**63 - 1)


def image_batch(images: Any, *, bounded: bool = True, what: str = "images") -> Tensor:
    """`images` as they are, made sure of: (N, 1 or 3, H, W) with N of at least 1, uint8 or finite floats in [-1, 1].

    Floats are refused where none is below 0 though they differ: such a set is scaled to [0, 1], and a measure of it
    would be silently wrong. `bounded=False` lets any finite floats pass: what a generator without a tanh gives.
    """
    if not isinstance(images, Tensor):
        raise ValueError(
            f"{what} are {shown(images)} ({type(images).__name__}); a tensor (N, 1 or 3, H, W) is right"
        )
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] not in (1, 3) or not all(shape):
        raise ValueError(
            f"{what} have shape {shape}; (N, 1 or 3, H, W) with at least one image and one pixel is right"
        )
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"{what} are {images.dtype}; uint8 in 0 to 255 or floats in [-1, 1] are right")
    low, high = torch.stack(images.detach().aminmax()).float().tolist()
    if not (math.isfinite(low) and math.isfinite(high)):  # aminmax hands NaN on
        raise ValueError(f"{what} hold NaN or infinity; uint8 or finite floats in [-1, 1] are right")
    if bounded and not (low >= -1.001 and high <= 1.001):
        raise ValueError(f"{what} run from {low:g} to {high:g}; floats in [-1, 1] or uint8 are right")
    if bounded and 0 <= low < high:
        raise ValueError(
            f"{what} run from {low:g} to {high:g}, none below 0, as if scaled to [0, 1]; floats in [-1, 1] or "
            "uint8 are right"
        )
    return images


def as_floats(images: Tensor) -> Tensor:
    """A batch that `image_batch` let pass, as float32 in [-1, 1]."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images.float()


def feature_matrix(features: Any, what: str = "features", least: int = 1) -> Tensor:
    """Features (n, d), d and n of at least 1 and `least`, real and finite, in float64 where they are."""
    if not isinstance(features, Tensor):
        raise ValueError(f"{what} are {shown(features)} ({type(features).__name__}); a tensor (n, d) is right")
    if features.ndim != 2 or len(features) < least or not features.shape[1]:
        raise ValueError(
            f"{what} have shape {tuple(features.shape)}; (n, d) with n of at least {least} and d of at least 1 is right"
        )
    if features.is_complex() or features.dtype == torch.bool:
        raise ValueError(f"{what} are {features.dtype}; real numbers are right")
    if not torch.isfinite(features).all():
        raise ValueError(f"{what} hold NaN or infinity; finite numbers are right")
    if features.device.type == "mps":  # which has no float64
        features = features.cpu()
    return features.double()


def feature_pair(features1: Any, features2: Any, *, least: int = 1) -> tuple[Tensor, Tensor]:
    """Two sets of features (n, d) and (m, d) of one d, as from `feature_matrix`, on the first one's device."""
    first, second = feature_matrix(features1, least=least), feature_matrix(features2, least=least)
    if first.shape[1] != second.shape[1]:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"the features have shapes {shapes}; (n, d) and (m, d) with one d are right")
    return first, second.to(first.device)


def score_vector(scores: Any, what: str = "scores") -> Tensor:
    """Scores or logits (n,), n of at least 1, without NaN, in float64 on the CPU; infinity is a score."""
    if not isinstance(scores, Tensor):
        raise ValueError(f"{what} are {shown(scores)} ({type(scores).__name__}); a tensor (n,) is right")
    if scores.ndim != 1 or not len(scores) or scores.is_complex() or scores.isnan().any():
        raise ValueError(
            f"{what} are {scores.dtype} of shape {tuple(scores.shape)} with {int(scores.isnan().sum())} NaN; (n,) with "
            "n of at least 1 and no NaN is right"
        )
    return scores.detach().cpu().double()
