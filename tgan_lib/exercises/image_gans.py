"""Checks of chapter 03, image GANs: a layer's output size, what D can compare, its loss, the averaged generator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.nn.functional import softplus

from .core import Check
from .linear import LinearDiscriminator, LinearGenerator
from .state import tensors_of
from .value import Value, either, exercise

# --- upsampled_size ---

# (size, kernel, stride, padding), chosen so that no two of the formulas below agree on all of them.
LAYERS = [(7, 4, 2, 1), (1, 4, 1, 0), (5, 3, 2, 1), (3, 5, 3, 2), (28, 3, 1, 1), (6, 2, 2, 0)]


def upsampled_size(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size - 1) * stride - 2 * padding + kernel


def size_mistakes(n: int, k: int, s: int, p: int) -> dict[str, Any]:
    right = upsampled_size(n, k, s, p)
    return {
        "this is the formula of an ordinary convolution, which shrinks; a transposed one runs it backwards: solve it "
        "for the size that goes in.": either((n + 2 * p - k) // s + 1, (n + 2 * p - k) / s + 1),
        "the -1 is missing: `size` pixels have only `size - 1` strides between them.": right + s,
        "padding is added, as an ordinary convolution does; a transposed one cuts it off the output.": right + 4 * p,
        "padding is cut off once; it is cut off both sides.": right + p,
        "padding is left out; it is cut off both sides of the output.": right + 2 * p,
        "every size is one too small: the last pixel paints `kernel` pixels, not `kernel - 1`.": right - 1,
        "`size * stride` is right for kernel 4, stride 2, padding 1; in general kernel and padding count.": n * s,
    }


SIZE = Value(
    right=upsampled_size,
    given=LAYERS,
    mistakes=size_mistakes,
    what="the size",
    hint="a size is one whole number",
    draws=True,  # a layer that is built draws its weights
    tolerance=0.0,
)

# --- mixed_difference ---


class CornersDiscriminator(nn.Module):
    """Images (N, 1, 4, 4) -> logits (N,): a weighted sum of pixels, and a product of two corners' sums, which counts
    more the lighter a third corner is."""

    def __init__(self, product: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 2, 16).sin())
        self.product = nn.Parameter(torch.tensor(product))

    def forward(self, images: Tensor) -> Tensor:
        top, bottom = images[:, 0, :2, :2].sum((1, 2)), images[:, 0, 2:, 2:].sum((1, 2))
        third = 1 + images[:, 0, 0, 3] / 2
        return images.flatten(1) @ self.weight + self.product * top * bottom * third


Places = tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]


def mixed_difference(d: nn.Module, x: Tensor, y: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return d(x) - d(torch.where(first, y, x)) - d(torch.where(second, y, x)) + d(torch.where(first | second, y, x))


def mixed_mistakes(d: nn.Module, x: Tensor, y: Tensor, first: Tensor, second: Tensor) -> dict[str, Any]:
    right = mixed_difference(d, x, y, first, second)
    one, two, both = d(torch.where(first, y, x)), d(torch.where(second, y, x)), d(torch.where(first | second, y, x))
    blank = torch.zeros_like(x)
    return {
        "the sign is turned: the image as it is and the one with both places changed count positive, the two with one "
        "place changed negative.": -right,
        "the image with both places changed is missing: without it, a D that only adds up is not told from one that "
        "compares.": d(x) - one - two,
        "the image as it is is missing.": both - one - two,
        "all four are added: two of them are subtracted.": d(x) + one + two + both,
        "this is a plain difference, between both places changed and none: a D that only adds up has one, too.":
        either(both - d(x), d(x) - both),
        "the places are blanked; they are to be taken from the other image.":
        mixed_difference(d, x, blank, first, second),
        "the two images are mixed pixel by pixel, or the whole image is changed: only the places marked True come from "
        "the other.": either(d(x) - one - two + d(y), mixed_difference(d, x, (x + y) / 2, first, second)),
        "both changed images have the same place changed; one has the first, one the second.":
        either(d(x) - 2 * one + both, d(x) - 2 * two + both),
        "the sign is lost: give the difference itself, negative or not.": either(right.abs(), right.clamp(min=0)),
        "it is averaged over the images; there is one number for each.": either(right.mean(), right.abs().mean()),
    }  # fmt: skip


def two_corners(product: float) -> Callable[[], list[Places]]:
    """A D, two batches of images, and two places that do not overlap: opposite corners, and single pixels."""

    def places() -> list[Places]:
        d = CornersDiscriminator(product)
        x, y = torch.rand(3, 1, 4, 4) * 2 - 1, torch.rand(3, 1, 4, 4) * 2 - 1
        top, bottom, dot, other = (torch.zeros(4, 4, dtype=torch.bool) for _ in range(4))
        top[:2, :2], bottom[2:, 2:], dot[0, 0], other[3, 3] = True, True, True, True
        return [(d, x, y, top, bottom), (d, x, y, dot, other), (d, x, y, other, dot)]

    return places


MIXED = Value(
    right=mixed_difference,
    given=two_corners(1.5),
    mistakes=mixed_mistakes,
    what="the mixed difference",
    hint="one number for each image",
    wrong="for a D that multiplies two corners yours{place} is {got:.4f}; it should be {right:.4f}.",
)
ADDED = MIXED.at(
    two_corners(0.0),
    but="right for a D that compares two places, but for one that adds up pixels ",
    wrong="yours{place} is {got:.4f}; it should be {right:.4f}.",
)

# --- discriminator_loss ---


def discriminator_loss(discriminator: nn.Module, generator: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    fake = generator(z).detach()
    return softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean()


def loss_mistakes(d: nn.Module, g: nn.Module, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """What the known mistakes make of the logits of real and of fake images."""
    real, fake = d(x), d(g(z).detach())
    real_half, fake_half = softplus(-real).mean(), softplus(fake).mean()
    right, called_real = real_half + fake_half, softplus(-fake).mean()
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    return {
        "the labels of real and fake are swapped: D's logit is positive for real, so the real half is softplus(-D(x)).":
        softplus(real).mean() + called_real,
        "the fakes are labelled as real: that is what G wants. D's fake half is softplus(D(G(z))).":
        real_half + called_real,
        "a sigmoid comes before a loss that applies its own: give binary_cross_entropy_with_logits the logits, not "
        "probabilities.": bce_with_logits(real.sigmoid(), ones) + bce_with_logits(fake.sigmoid(), zeros),
        "the loss is summed over the batch; take the mean, or the gradient grows with the batch.": right * len(real),
        "only the real half is there: add how badly D does on the fakes.": real_half,
        "only the fake half is there: add how badly D does on the real images.": fake_half,
        "this is half of ours: your loss averages the two halves; ours adds them. Both are in use; here, add them.":
        right / 2,
        "the sign is turned: this is what D wants large, and an optimiser makes its loss small.": -right,
        "this is a Wasserstein critic's loss, linear in the logits: the softplus is missing.":
        fake.mean() - real.mean(),
        "gradients reach G's parameters: the value is the same, but D's backward pass runs through G and leaves "
        "gradients there. Detach the fake images: D(G(z).detach()).": real_half + softplus(d(g(z))).mean(),
        "D learns nothing from the fakes: their logits are detached. Detach the images, before D sees them.":
        real_half + fake_half.detach(),
        "D learns nothing from the real images: their logits are detached.": real_half.detach() + fake_half,
    }  # fmt: skip


def small_game() -> list[tuple[LinearDiscriminator, LinearGenerator, Tensor, Tensor]]:
    d = LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3)
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    return [(d, g, torch.rand(5, 1, 2, 2) * 2 - 1, torch.randn(5, 3))]


LOSS = Value(
    right=discriminator_loss,
    given=small_game,
    mistakes=loss_mistakes,
    what="the loss",
    hint="take the mean over the batch",
    wrong="on a small linear D and G your loss is {got:.4f}; it should be {right:.4f}.",
    learns=["discriminator", "generator"],
    cut="no gradient reaches D: all of the loss is detached or under no_grad; only the fakes should be.",
)
FOOLED_LOSS = LOSS.at(
    [(LinearDiscriminator([50.0] * 4), LinearGenerator([[1.0] * 4]), -torch.ones(5, 1, 2, 2), torch.ones(5, 1))],
    but="right for small logits, but logits of -200 and 200 make it ",
    overflow="{got:.0f}: something overflows, exp(200) or the log of a sigmoid that rounds to 0. Use softplus, "
    "logsigmoid or binary_cross_entropy_with_logits.",
    wrong="{got:.1f}, and {right:.0f} is right: the log is held back, by an epsilon or binary_cross_entropy's clamp, "
    "and D's gradient with it. Start from logits.",
)

# --- update_ema ---

Mix = Callable[[Tensor, Tensor, float], Tensor]
Update = Callable[[nn.Module, nn.Module, float], None]


def averaged(p: Tensor, q: Tensor, decay: float) -> Tensor:
    return decay * p + (1 - decay) * q


def updating(parameter: Mix = averaged, buffer: Mix = lambda p, q, decay: q) -> Update:
    """An update that writes these mixtures of ema's and the generator's into ema's parameters and buffers."""

    @torch.no_grad()
    def update_ema(ema: nn.Module, generator: nn.Module, decay: float) -> None:
        for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
            p.copy_(parameter(p, q, decay))
        for b, c in zip(ema.buffers(), generator.buffers(), strict=True):
            b.copy_(buffer(b, c, decay))

    return update_ema


def updating_always(kept: float) -> Update:
    return updating(lambda p, q, decay: averaged(p, q, kept))


def updating_in_the_graph(ema: nn.Module, generator: nn.Module, decay: float) -> None:
    for p, q in zip(ema.parameters(), generator.parameters(), strict=True):
        p.mul_(decay).add_(q, alpha=1 - decay)


def sharing_buffers(ema: nn.Module, generator: nn.Module, decay: float) -> None:
    updating()(ema, generator, decay)
    for b, c in zip(ema.buffers(), generator.buffers(), strict=True):
        b.data = c.data


def lagging_pair(batch_norm: bool) -> tuple[nn.Module, nn.Module]:
    """An averaged generator, and the generator, some steps ahead of it."""
    generator = nn.Sequential(nn.Linear(3, 4), *([nn.BatchNorm1d(4)] if batch_norm else []))
    ema = copy.deepcopy(generator).requires_grad_(False)
    with torch.no_grad():
        for p in generator.parameters():
            p.add_(torch.rand_like(p) + 0.5)
        for _ in range(3):
            generator(torch.randn(8, 3) + 2)  # moves batch norm's running statistics
    return ema, generator


def after_the_next_step(_: Any, ema: nn.Module, generator: nn.Module, decay: float) -> dict[str, Any]:
    """ema's tensors once the generator has moved on: what shares memory with it has moved, too."""
    with torch.no_grad():
        for tensor in chain(generator.parameters(), generator.buffers()):
            tensor.add_(1)
    wants = [float(p.requires_grad) for p in ema.parameters()]
    return tensors_of(ema) | {"wants gradients": wants, "in training mode": [float(m.training) for m in ema.modules()]}


UPDATE = Value(
    right=updating(),
    given=lambda: [(*lagging_pair(batch_norm=False), decay) for decay in (0.9, 0.75)],
    changes=["ema"],
    seen=after_the_next_step,
    mistakes={
        "ema is as it was before. In a loop, `p = ...` only gives the name p to another tensor, and what is returned "
        "is thrown away: write into `ema` itself, with p.copy_(...), p.lerp_(...) or p.mul_(...).add_(...).":
        lambda ema, generator, decay: [averaged(p, p, decay) for p in ema.parameters()],
        "the weights are swapped: `decay`, near 1, is the share of ema that is kept; the generator's share is 1 - "
        "decay.": updating(lambda p, q, decay: averaged(q, p, decay)),
        "ema is a copy of the generator now: nothing is averaged.": updating(lambda p, q, decay: q),
        "the generator's share is added, but ema is not multiplied by decay, so it grows with each step.":
        updating(lambda p, q, decay: p + (1 - decay) * q),
        "the share that is kept is always the same; use the `decay` that is given.":
        either(*map(updating_always, (0.9, 0.99, 0.999))),
        "ema's parameters have become part of the gradient's graph, which grows with every step: update them under "
        "torch.no_grad().": updating_in_the_graph,
    },
    what="ema",
    wrong="{part}{place} is {got:.4f} in ema; decay * ema + (1 - decay) * generator is {right:.4f}.",
)  # fmt: skip
NORMED_UPDATE = UPDATE.at(
    lambda: [(*lagging_pair(batch_norm=True), 0.75)],
    but="right without batch norm, but with it ",
    mistakes={
        "the buffers are forgotten: batch norm's running mean and variance are not parameters, and with stale ones the "
        "averaged network draws bad samples. Copy the generator's buffers into ema's.":
        updating(buffer=lambda p, q, decay: p),
        "the buffers are averaged: batch norm's statistics are running averages already, and averaged again they lag "
        "behind. Copy them.":
        either(
            updating(buffer=averaged),
            updating(buffer=lambda p, q, decay: averaged(p, q, decay) if p.is_floating_point() else q),
        ),
        "the count of batches is left out: copy every buffer, those of whole numbers as well.":
        updating(buffer=lambda p, q, decay: q if p.is_floating_point() else p),
        "ema shares memory with the generator and will change as that trains: copy with copy_.": sharing_buffers,
    },
    wrong="{part}{place} is {got:.4f} in ema and should be {right:.4f}: parameters are averaged, buffers copied.",
)  # fmt: skip

CHECKS: dict[str, Check] = {
    "upsampled_size": exercise(SIZE, passed=f"Right for all {len(LAYERS)} layers tried."),
    "mixed_difference": exercise(
        MIXED, ADDED, passed="Right for a D that multiplies two corners, and 0 for one that only adds up pixels."
    ),
    "discriminator_loss": exercise(
        LOSS, FOOLED_LOSS, passed="Its value, D's gradient, none for G, and very large logits: all right."
    ),
    "update_ema": exercise(
        UPDATE, NORMED_UPDATE, passed="Parameters are averaged, buffers copied, and the generator is left alone."
    ),
}
