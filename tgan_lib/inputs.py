"""Images, features, scores and paths as they come in from outside: one check for each, that every wing uses.

A leaf but for `errors`, so that every wing may import it. A wrong type is a TypeError and anything else a ValueError,
in one sentence with what was seen and what would be right.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from .errors import check_kind, whole_number

Floats = Literal["strict", "loose", "any"]
MOST_IMAGES = 10_000_000  # to be drawn at once: more is a slip of the finger, and no memory holds them


def image_batch(images: Any, what: str = "images", *, floats: Floats = "strict") -> Tensor:
    """`images` as they are, made sure of: (N, 1 or 3, H, W) with N of at least 1, uint8 or finite floats.

    floats: "strict" in [-1, 1]. Floats of which none is below 0 though they differ are refused too: such a set is
    scaled to [0, 1] or [0, 255], and a measure of it would be silently wrong. "loose" asks the second only, for what
    may come from a generator without a tanh, and "any" neither, for what certainly does.
    """
    check_kind(what, images, Tensor, "a tensor (N, 1 or 3, H, W)")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] not in (1, 3) or not all(shape):
        raise ValueError(f"{what} have shape {shape}; (N, 1 or 3, H, W), none of them 0, is right")
    if images.dtype == torch.uint8:
        return images
    if not images.is_floating_point():
        raise ValueError(f"{what} are {images.dtype}; uint8 in 0 to 255 or floats in [-1, 1] are right")
    low, high = torch.stack(images.detach().aminmax()).float().tolist()
    if not (math.isfinite(low) and math.isfinite(high)):  # aminmax hands NaN on
        raise ValueError(f"{what} hold NaN or infinity; uint8 or finite floats in [-1, 1] are right")
    if floats == "strict" and not (low >= -1.001 and high <= 1.001):
        raise ValueError(f"{what} run from {low:g} to {high:g}; floats in [-1, 1] or uint8 are right")
    if floats != "any" and 0 <= low < high:
        scale = "[0, 1]" if high <= 1.001 else "[0, 255]"
        raise ValueError(
            f"{what} run from {low:g} to {high:g}, none below 0, as if scaled to {scale}; floats in [-1, 1] or uint8 "
            "are right"
        )
    return images


def as_floats(images: Tensor) -> Tensor:
    """A batch that `image_batch` let pass, as float32 in [-1, 1]."""
    return images / 127.5 - 1 if images.dtype == torch.uint8 else images.float()


def feature_matrix(features: Any, what: str = "the features", least: int = 1) -> Tensor:
    """Features (n, d), n of at least `least` and d of at least 1, real and finite; in float64, where they are."""
    check_kind(what, features, Tensor, "a tensor (n, d)")
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


def feature_pair(features1: Any, features2: Any, least: int = 1) -> tuple[Tensor, Tensor]:
    """Two sets of features (n, d) and (m, d) of one d, as from `feature_matrix`, on the first one's device."""
    first, second = feature_matrix(features1, least=least), feature_matrix(features2, least=least)
    if first.shape[1] != second.shape[1]:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"the features have shapes {shapes}; (n, d) and (m, d) with one d are right")
    return first, second.to(first.device)


def score_vector(scores: Any, what: str = "the scores") -> Tensor:
    """Scores or logits (n,), n of at least 1, without NaN; in float64, on the CPU. Infinity is a score."""
    check_kind(what, scores, Tensor, "a tensor (n,)")
    if scores.ndim != 1 or not len(scores) or scores.is_complex() or scores.isnan().any():
        raise ValueError(
            f"{what} have shape {tuple(scores.shape)} with {int(scores.isnan().sum())} NaN; real numbers (n,), "
            "n of at least 1 and no NaN, are right"
        )
    return scores.detach().cpu().double()


def labels_of(labels: Any, n: int | None = None, what: str = "labels") -> Tensor:
    """Labels (n,), whole numbers, n of at least 1; as they are."""
    check_kind(what, labels, Tensor, "a tensor (n,) of whole numbers")
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if not whole or labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"{what} are {labels.dtype} of shape {tuple(labels.shape)}; whole numbers (n,), at least one, are right"
        )
    if n is not None and len(labels) != n:
        raise ValueError(f"{what} have shape {tuple(labels.shape)} for {n} images; one each is right")
    return labels


def image_count(name: str, n: Any, least: int = 1) -> int:
    """How many images to draw or to look at: a whole number that a memory can hold."""
    return whole_number(name, n, least, MOST_IMAGES)
