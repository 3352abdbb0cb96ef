"""Augmentation of what the discriminator sees, real and generated, in both steps.

With few images a discriminator soon knows each by heart; that is harder when an image is changed at random every
time. G's images go through the same random change T, so that G itself need not make changed ones:

    D's step: loss_D(D(T(x)), D(T(G(z))));    G's step: loss_G(D(T(G(z)))), with gradients through T.

`DiffAugment` changes every image, always (Zhao, Liu, Lin, Zhu and Han, 2020, "Differentiable Augmentation for
Data-Efficient GAN Training", NeurIPS). `ADA` changes an image with a probability that it raises when D overfits
and lowers when it does not (Karras et al., 2020, "Training Generative Adversarial Networks with Limited Data",
NeurIPS); it is in `ada`, as is `leaks`, which measures whether G makes changed images anyway.

Both are called as `augment(images, rng)`, in any floating precision; the arithmetic is done in float32 at least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import check_kind, check_rng, one_of

Change = Callable[[Tensor, "torch.Generator | None"], Tensor]
ROUNDINGS = ("down", "nearest")


def chosen(policy: str, known: Iterable[str]) -> list[str]:
    """The names in a policy such as "color,cutout"; ValueError for one that is not known, or stands there twice."""
    check_kind("policy", policy, str, 'names with commas between them, as "color,cutout",')
    names = [one_of("augmentation", name.strip(), known) for name in policy.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"policy is {policy!r}; each name once is right")
    return names


class Augment:
    """What `train` asks of an augmentation. `every`: steps of G between two calls of `adjust`."""

    every = 1

    def __call__(self, images: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """`images` (N, C, H, W) in [-1, 1], C 1 or 3, changed at random: the same shape, dtype and device.

        Gradients pass through. Each image has its own draw, from `rng`, which is on the images' device. Results
        may leave [-1, 1]. ValueError for other shapes or types, TypeError for what is no tensor.
        """
        check_rng(rng)
        check_kind("images", images, Tensor, "a tensor (N, 1 or 3, H, W) of floats in [-1, 1]")
        if images.ndim != 4 or images.shape[1] not in (1, 3) or min(images.shape[2:]) < 2:
            raise ValueError(
                f"images have shape {tuple(images.shape)}; (N, 1 or 3, H, W) of 2 px or more is right"
            )
        if not images.is_floating_point():
            raise ValueError(f"images are {images.dtype}; floats in [-1, 1] are right")
        wide = images.to(torch.promote_types(images.dtype, torch.float32))
        return self.change(wide, rng).to(images.dtype)

    def change(self, images: Tensor, rng: torch.Generator | None) -> Tensor:
        """The augmentation itself, on float32 or float64 images of a shape that was looked at."""
        raise NotImplementedError

    def observe(self, real_logits: Tensor) -> None:
        """Take note, in place, of D's logits of augmented real images, of any shape."""

    def adjust(self, batch_size: int) -> None:
        """Change the strength after `every` steps with batches of `batch_size` images."""

    def readings(self) -> dict[str, float]:
        """Numbers worth a place in a run's history. Waits for the device."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Name and numbers, as plain values: what a resumed run must have again."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors that change while training, themselves and not copies."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up `state` again, in place."""
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])

    def to(self, device: torch.device | str) -> Augment:
        """Move the state to `device`."""
        for name, tensor in self.state_dict().items():
            setattr(self, name, tensor.to(device))
        return self


class DiffAugment(Augment):
    """Every image is changed by every policy named: any of "color", "translation", "cutout" (Zhao et al., 2020).

    What a translation uncovers and a cutout covers is 0, as in the authors' code: mid-grey, not the -1 of a dark
    ground. A grey frame shows D how far an image was moved. G cannot then pass off shifted images as augmented
    ones, for they would be shifted against their frame.

    rounding: of the eighth of a side by which an image may move. "down" departs from the authors' code where a side
    is no multiple of 8: at 28 px it moves by up to 3 pixels, theirs, "nearest" (halves up), by up to 4.
    """

    def __init__(self, policy: str = "color,translation,cutout", rounding: str = "down") -> None:
        self.names, self.rounding = chosen(policy, AUGMENTATIONS), one_of("rounding", rounding, ROUNDINGS)

    def change(self, images: Tensor, rng: torch.Generator | None) -> Tensor:
        for name in self.names:
            for function in AUGMENTATIONS[name]:
                change = partial(function, rounding=self.rounding) if function is translation else function
                images = change(images, rng)
        return images

    def settings(self) -> dict[str, Any]:
        return {"name": "diffaugment", "policy": ",".join(self.names), "rounding": self.rounding}


def uniform(images: Tensor, low: float, high: float, rng: torch.Generator | None) -> Tensor:
    """One number for each image, (N, 1, 1, 1), drawn in float32 whatever the images are."""
    numbers = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device)
    return low + (high - low) * numbers.to(images.dtype)


def whole(images: Tensor, low: int, high: int, rng: torch.Generator | None) -> Tensor:
    """One whole number from low to high for each image, (N, 1)."""
    return torch.randint(low, high + 1, (len(images), 1), generator=rng, device=images.device)


def brightness(images: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Add one number in [-1/2, 1/2] to all of an image."""
    return images + uniform(images, -0.5, 0.5, rng)


def saturation(images: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Stretch each pixel's channels about their mean by a factor in [0, 2]. Grey images stay as they are."""
    mean = images.mean(1, keepdim=True)
    return mean + (images - mean) * uniform(images, 0, 2, rng)


def contrast(images: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Stretch each image about its mean by a factor in [1/2, 3/2]."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * uniform(images, 0.5, 1.5, rng)


def translation(images: Tensor, rng: torch.Generator | None = None, rounding: str = "down") -> Tensor:
    """Move each image by up to 1/8 of its sides, in whole pixels; 0 where nothing came. rounding: see `DiffAugment`."""
    for dim in (2, 3):
        side = images.shape[dim]
        furthest = side // 8 if rounding == "down" else (side + 4) // 8
        offset = whole(images, -furthest, furthest, rng)
        source = torch.arange(side, device=images.device) - offset  # (N, side)
        shape = (-1, 1, side, 1) if dim == 2 else (-1, 1, 1, side)
        inside = ((source >= 0) & (source < side)).view(shape)
        index = source.clamp(0, side - 1).view(shape).expand_as(images)
        images = torch.where(inside, images.gather(dim, index), 0.0)
    return images


def cutout(images: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Set a square of half the sides (halves up) to 0. Its middle is anywhere, so it may hang over the edge."""
    covered = []
    for dim in (2, 3):
        side = images.shape[dim]
        size = (side + 1) // 2
        first = whole(images, 0, side - size % 2, rng) - size // 2
        at = torch.arange(side, device=images.device)
        covered.append((at >= first) & (at < first + size))  # (N, side)
    square = covered[0][:, None, :, None] & covered[1][:, None, None, :]
    return torch.where(square, 0.0, images)


AUGMENTATIONS: dict[str, tuple[Change, ...]] = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}
