"""The transformations of adaptive discriminator augmentation: geometry as one affine map, colour as luma and chroma.

Karras, Aittala, Hellsten, Laine, Lehtinen and Aila (2020), "Training Generative Adversarial Networks with Limited
Data" (NeurIPS), apply twelve small transformations one after the other, each to each image with probability p.
Their ranges are those of the authors' code. Seven are geometric, in the order x-flip F, quarter turns Q, whole-pixel
translation t, scaling S, rotation R1, stretching A, rotation R2, fractional translation f, so that a pixel at
`out`, counted from the image's centre, is read at

    in = F Q^-1 (S^-1 R1^-1 A^-1 R2^-1 (out - f) - t),

one affine map and one sampling for all seven. Five change colours. Write l for the mean of a pixel's channels and
k = x - l for the rest; with brightness b, contrast c, luma flip (a sign), hue angle h and saturation s,

    x' = sign c (l + b) + c s Rot_h(k),

where Rot_h turns k about the grey axis. A grey image has no k, so hue and saturation leave it alone by themselves.

One departure from the paper: images are sampled bilinearly, without the wavelet low-pass filter that its authors
put around the sampling. What is turned or shrunk is therefore a little softer, or a little more jagged, than theirs.
At 32 to 64 px that is a matter of single pixels, reals and fakes suffer it alike, and what is not chosen for a
transformation that resamples keeps its pixels exactly. Beyond its edge an image goes on as its reflection.

Nothing here waits for the device: shapes are fixed, and probability p is a tensor that is compared with noise.
The functions take draws (name -> (N, d), 0 for "leave it") and can be tried with chosen ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..errors import check_function, check_tensor, real_number, shown, whole_number
from .diff_augment import Augment, chosen
from .resample import Resample

Noise = Callable[[int], Tensor]  # a number of columns d to (N, d) random numbers


def draw(
    n: int, p: Tensor, names: Collection[str], device: torch.device, rng: torch.Generator | None = None
) -> dict[str, Tensor]:
    """How strongly each of `n` images gets each transformation: name in `TRANSFORMS` -> (n, 1) or (n, 2) float32.

    Each name in `names` is chosen for an image with probability `p`, a scalar tensor in [0, 1]; what is not chosen
    is 0. The same `rng` gives an image the same draws whatever else is asked for.
    """

    def uniform(d: int) -> Tensor:
        return torch.rand(n, d, generator=rng, device=device)

    def normal(d: int) -> Tensor:
        return torch.randn(n, d, generator=rng, device=device)

    # two rotations that may each happen: with this chance the probability of either is p
    half = 1 - (1 - p).sqrt()
    drawn = {}
    for name, strength in TRANSFORMS.items():
        wanted, strengths = name in names, strength(uniform, normal)
        chosen = uniform(2) < half * wanted if name == "rotate" else uniform(1) < p * wanted
        drawn[name] = torch.where(chosen, strengths, 0.0)
    return drawn


def any_of(drawn: dict[str, Tensor], names: Collection[str]) -> Tensor:
    """Which images one of `names` changes: bool (N, 1, 1, 1)."""
    return torch.cat([drawn[name] for name in names], 1).ne(0).any(1).view(-1, 1, 1, 1)


def rotation(angle: Tensor) -> Tensor:
    """Matrices (N, 2, 2) that turn by `angle` (N,), in radians."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)


def product(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product of (N, i, j) and (N, j, k), in full precision where `@` might use fewer digits."""
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def affine(drawn: dict[str, Tensor], height: int, width: int) -> Tensor:
    """Where output pixels are read, (N, 2, 3): in = M[:, :, :2] out + M[:, :, 2], as (x, y) from the centre.

    x grows to the right and y downwards, in pixels. Mirrored, quarter-turned and whole-pixel maps have whole
    entries, so that such images are copied exactly.
    """
    flip, scale, stretch = (drawn[name][:, 0] for name in ("xflip", "scale", "aniso"))
    turn = rotation(-math.pi / 2 * drawn["rotate90"][:, 0]).round()  # cos and sin of quarter turns are whole
    mirror = torch.stack([1 - 2 * flip, torch.ones_like(flip)], -1)
    blit = mirror.unsqueeze(-1) * turn  # F Q^-1
    before, after = drawn["rotate"].unbind(1)
    # S^-1 scales both axes alike, so it may stand beside A^-1, behind R1^-1
    squeeze = torch.stack([-stretch - scale, stretch - scale], -1).exp2()
    linear = product(blit, product(rotation(-before), squeeze.unsqueeze(-1) * rotation(-after)))
    sides = [width, height]
    whole = torch.stack([(drawn["xint"][:, i] * side).round() for i, side in enumerate(sides)], -1)
    moved = torch.stack([drawn["xfrac"][:, i] * side for i, side in enumerate(sides)], -1)
    offset = -product(linear, moved.unsqueeze(-1)) - product(blit, whole.unsqueeze(-1))
    return torch.cat([linear, offset], -1)


def reflect(position: Tensor, side: int) -> Tensor:
    """Positions folded back into [0, side - 1] at the first and last pixel's centre, however far outside."""
    last = side - 1
    return last - (position.remainder(2 * last) - last).abs()


def warp(images: Tensor, matrix: Tensor) -> Tensor:
    """Images (N, C, H, W) read at `matrix` (N, 2, 3; see `affine`), bilinearly, reflected beyond the edges.

    In the images' precision, float32 or float64. A whole position gives that very pixel: positions are scaled
    to [-1, 1] for `grid_sample` by a power of two, to which the image is padded, since no other side has a
    reciprocal without rounding error.
    """
    height, width = images.shape[2:]
    m = matrix.to(images.dtype).unsqueeze(-1).unsqueeze(-1)  # (N, 2, 3, 1, 1)
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    y = torch.arange(height, device=images.device, dtype=images.dtype)[:, None] - (height - 1) / 2
    grid, room = [], []
    for i, side in enumerate((width, height)):
        position = m[:, i, 0] * x + m[:, i, 1] * y + m[:, i, 2] + (side - 1) / 2  # (N, H, W)
        room.append(1 << (side - 1).bit_length())
        grid.append((2 * reflect(position, side) + 1) / room[i] - 1)
    padded = pad(images, (0, room[0] - width, 0, room[1] - height))
    found: Tensor = Resample.apply(padded, torch.stack(grid, -1))
    return found


def geometry(images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Images (N, C, H, W) after the geometric draws; those with none are returned bit for bit."""
    moved = warp(images, affine(drawn, *images.shape[2:]))
    return torch.where(any_of(drawn, GEOMETRY), moved, images)


def colour(images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Images (N, 1 or 3, H, W) in [-1, 1] after the colour draws; those with none are returned bit for bit.

    Results may leave [-1, 1], as they do in the paper: clamping would stop gradients there.
    """
    b, log_c, flip, h, log_s = (drawn[name].to(images.dtype).view(-1, 1, 1, 1) for name in COLOUR)
    luma = images.mean(1, keepdim=True)
    chroma = images - luma
    across = (chroma.roll(1, 1) - chroma.roll(-1, 1)) / math.sqrt(3)  # the grey axis x chroma
    turned = h.cos() * chroma + h.sin() * across
    changed = log_c.exp2() * ((1 - 2 * flip) * (luma + b) + log_s.exp2() * turned)
    return torch.where(any_of(drawn, COLOUR), changed, images)


def leaks(samples: Tensor, real: Tensor, transform: Callable[[Tensor], Tensor]) -> float:
    """The share of `samples` that look as if `transform` had been applied to them; near 0 without a leak.

    samples (N, C, H, W), real (M, C, H, W): generated and real images, in [-1, 1], not augmented. transform: the
    augmentation T in question, sure (`lambda x: x.flip(3)`) or random (`ADA("rotate", p=1)`). With w the difference
    that it makes to the mean image, w = mean T(real) - mean real, samples of which a share q is transformed lie on
    average q w away from the real ones, so

        q = <mean samples - mean real, w> / <w, w>.

    It is exact on average where G is right otherwise; whatever else is wrong with G's mean image along w counts as
    a leak (or as less than none), so compare with a G trained without. ValueError where w is 0, as such a transform
    does not show in the mean, and for what are no images of one shape.
    """
    for what, images in {"samples": samples, "real": real}.items():
        check_tensor(what, images, ("N", "C", "H", "W"), finite=True)
    if samples.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"samples are {shown(samples)} and real images {shown(real)}; one (C, H, W) is right"
        )
    mean = real.double().mean(0)
    check_function("transform", transform, "a function from images to images")
    changed = transform(real)
    check_tensor("what the transform gave", changed, tuple(real.shape))
    w = changed.double().mean(0) - mean
    size = w.square().sum()
    if size < 1e-12 * w.numel():
        raise ValueError("the transform does not change the mean of the real images; choose one that does")
    return ((samples.double().mean(0) - mean) * w).sum().div(size).item()


# name -> the strength of a transformation that happens, in the paper's order; 0 would change nothing
TRANSFORMS: dict[str, Callable[[Noise, Noise], Tensor]] = {
    "xflip": lambda uniform, normal: (2 * uniform(1)).floor(),  # 1 mirrors left to right
    "rotate90": lambda uniform, normal: (4 * uniform(1)).floor(),  # quarter turns
    "xint": lambda uniform, normal: (2 * uniform(2) - 1) / 8,  # of the side, rounded to whole pixels
    "scale": lambda uniform, normal: 0.2 * normal(1),  # log2 of the factor
    "rotate": lambda uniform, normal: math.pi * (2 * uniform(2) - 1),  # radians, before and after stretching
    "aniso": lambda uniform, normal: 0.2 * normal(1),  # log2 of the factor across; down it is the reciprocal
    "xfrac": lambda uniform, normal: normal(2) / 8,  # of the side
    "brightness": lambda uniform, normal: 0.2 * normal(1),  # added; the range of an image is 2
    "contrast": lambda uniform, normal: 0.5 * normal(1),  # log2 of the factor, about mid-grey
    "lumaflip": lambda uniform, normal: (2 * uniform(1)).floor(),  # 1 turns light into dark
    "hue": lambda uniform, normal: math.pi * (2 * uniform(1) - 1),  # radians about the grey axis
    "saturation": lambda uniform, normal: normal(1),  # log2 of the factor
}
GEOMETRY = ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac")
COLOUR = ("brightness", "contrast", "lumaflip", "hue", "saturation")
# what may stand in a policy: the paper's three groups, or one transformation by itself
GROUPS: dict[str, tuple[str, ...]] = {
    "blit": GEOMETRY[:3],
    "geom": GEOMETRY[3:],
    "color": COLOUR,
    **{name: (name,) for name in TRANSFORMS},
}


class ADA(Augment):
    """Adaptive discriminator augmentation: each transformation, on each image, with probability p.

    policy: groups "blit" (x-flips, quarter turns, whole-pixel translation), "geom" (scaling, rotation,
    stretching, fractional translation) and "color" (brightness, contrast, luma flip, hue, saturation), or single
    names in `ada.TRANSFORMS`; the three groups together are the "bgc" that the paper settles on. The order is
    always the paper's.

    How much D overfits is read from r = E[sign D(x_train)], the mean sign of its logits of augmented training
    images (equation 1 of the paper): 0 for a D that cannot tell, 1 for one that knows them all. Every `every`
    steps of B images

        p <- p + sign(r - target) B every / images_to_one,   kept in [0, 1],

    so that p can go from 0 to 1 within `images_to_one` images: 500 000 from scratch, 100 000 when transferring,
    as the authors' code has it. That code bounds p from below only; above 1 nothing more would change, except
    that p would come back late. `images_to_one=None` keeps `p` where it is, as one needs to see what leaks.

    `p` and `last_r` (r at the last adjustment, 0 before the first) are scalar tensors on the device.
    """

    def __init__(
        self,
        policy: str = "blit,geom,color",
        target: float = 0.6,
        images_to_one: float | None = 500_000,
        every: int = 4,
        p: float = 0.0,
    ) -> None:
        names = chosen(policy, GROUPS)
        self.every = whole_number("every (steps between two adjustments)", every)
        self.target = real_number("target", target, above=-1, below=1)  # r is a mean of signs
        self.images_to_one = None
        if images_to_one is not None:
            self.images_to_one = real_number("images_to_one", images_to_one, above=0)
        p = real_number("p (a probability)", p, 0, 1)
        self.start = {"name": "ada", "policy": ",".join(names), "p": p}
        self.names = {transform for name in names for transform in GROUPS[name]}
        self.p = torch.tensor(p)
        self.sign_sum, self.count, self.last_r = (torch.zeros(()) for _ in range(3))

    def change(self, images: Tensor, rng: torch.Generator | None) -> Tensor:
        drawn = draw(len(images), self.p, self.names, images.device, rng)
        if self.names & set(GEOMETRY):
            images = geometry(images, drawn)
        if self.names & set(COLOUR):
            images = colour(images, drawn)
        return images

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        self.sign_sum.add_(real_logits.sign().sum(dtype=torch.float32))
        self.count.add_(real_logits.numel())

    @torch.no_grad()
    def adjust(self, batch_size: int) -> None:
        seen = self.count > 0  # without an observation nothing changes
        self.last_r.copy_(torch.where(seen, self.sign_sum / self.count, self.last_r))
        if self.images_to_one is not None:
            move = batch_size * self.every / self.images_to_one
            self.p.add_(move * seen * torch.sign(self.last_r - self.target)).clamp_(0, 1)
        self.sign_sum.zero_()
        self.count.zero_()

    def readings(self) -> dict[str, float]:
        return {"ada_p": self.p.item(), "ada_r": self.last_r.item()}

    def settings(self) -> dict[str, Any]:
        numbers = {"target": self.target, "images_to_one": self.images_to_one, "every": self.every}
        return self.start | numbers

    def state_dict(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("p", "sign_sum", "count", "last_r")}
