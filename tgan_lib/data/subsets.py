"""Which images: a few of each class, two parts that share none.

A few-shot set is stratified (each class gives as many images as every other) and nested (the 10 images of a seed
are the first 10 of its 100), so that a curve over the number of images changes nothing else. All randomness comes
from generators on the CPU: a seed picks the same images on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import real_number, seed_number, whole_number
from .images import Images, check_images


def few_shot(images: Images, n: int | None = None, *, per_class: int | None = None, seed: int = 0) -> Images:
    """`n` images spread as evenly over the classes as can be, or exactly `per_class` of each class.

    Classes take turns, in an order drawn once, until there are n; so their shares differ by at most one, but for
    a class that has given all it has. The first images are those of a smaller n with the same seed. Without
    labels all images are of one class. Raises ValueError when there are too few.
    """
    if (n is None) == (per_class is None):
        raise ValueError(f"n is {n} and per_class {per_class}; exactly one of them is right")
    order, turn = _by_turns(images, seed)
    if per_class is not None:
        if images.labels is None:
            raise ValueError("per_class needs labels and these images have none; pass n instead")
        per_class = whole_number("per_class", per_class)
        numbers, counts = images.labels.cpu().unique(return_counts=True)
        least, rarest = int(counts.min()), int(numbers[counts.argmin()])
        if per_class > least:
            name = images.class_names[rarest] if 0 <= rarest < len(images.class_names) else rarest
            raise ValueError(
                f"per_class is {per_class} and class {name!r} has {least} images; 1 to {least} is right"
            )
        return images.subset(order[turn < per_class])
    n = whole_number("n", n)
    if n > len(images):
        raise ValueError(f"n is {n} and there are {len(images)} images; 1 to {len(images)} is right")
    return images.subset(order[:n])


def split(images: Images, share: float, seed: int = 0) -> tuple[Images, Images]:
    """Two parts without a common image, stratified: the first has `share` of the images and of each class.

    The first part has round(share N) images; of a class it has its share to within one. Both keep the images'
    order. Raises ValueError where a part would be empty.
    """
    order, turn = _by_turns(images, seed)
    share = real_number("share", share)
    first = int(share * len(images) + 0.5) if 0 < share < 1 else 0
    if not 0 < first < len(images):
        raise ValueError(
            f"share is {share:g} of {len(images)} images, which leaves a part empty; "
            "a share between 0 and 1 that gives each part an image is right"
        )
    labels = _labels(images)
    # Rounding the running sums, not each class, makes the whole come out right.
    ends = labels.bincount().cumsum(0)
    upto = (ends.double() * share + 0.5).floor().long()
    take = upto.diff(prepend=torch.zeros(1, dtype=torch.long))
    chosen = torch.zeros(len(images), dtype=torch.bool)
    chosen[order] = turn < take[labels[order]]
    return images.subset(chosen.nonzero()[:, 0]), images.subset((~chosen).nonzero()[:, 0])


def _labels(images: Images) -> Tensor:
    """The classes that occur, numbered 0, 1, ... without gaps: int64 (N,), on the CPU."""
    if images.labels is None:
        return torch.zeros(len(images), dtype=torch.long)
    return images.labels.cpu().unique(return_inverse=True)[1]


def _by_turns(images: Images, seed: int) -> tuple[Tensor, Tensor]:
    """All indices, in an order in which classes take turns; and the turn, 0, 1, ..., each one comes in."""
    check_images(images)
    rng = torch.Generator().manual_seed(seed_number(seed))
    shuffled = torch.randperm(len(images), generator=rng)
    labels = _labels(images)[shuffled]
    counts = labels.bincount()
    by_class = labels.argsort(stable=True)
    turn = torch.empty_like(labels)
    turn[by_class] = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[by_class]]
    place = torch.randperm(len(counts), generator=rng)[labels]
    order = (turn * len(counts) + place).argsort()
    return shuffled[order], turn[order]
