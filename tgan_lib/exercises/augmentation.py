"""Checks of the chapter "Augmentation": G's loss through an augmentation, a shift, ADA's controller, a leak's share.

Numbers in closed form, a linear D and G, and pictures of a few pixels. A mistake is recognised by computing what
that mistake would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .core import NOTHING, Check, Wrong, call, close, scalar, wrong_if
from .linear import LinearDiscriminator, LinearGenerator

Answer = Callable[..., Any]

# --- augmented_generator_loss ---


class Stretch:
    """An augmentation of tensors of any shape: a number of its own for each row, the same at every call."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        rows = torch.arange(1.0, len(images) + 1).view(-1, *[1] * (images.ndim - 1))
        return 0.5 * rows * images + 0.2


def check_augmented_generator_loss(answer: Answer) -> str:
    """`augmented_generator_loss(discriminator, generator, z, augment)`: mean softplus(-D(T(G(z))))."""
    d = LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3)
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    z, t = torch.randn(5, 3), Stretch()
    loss = scalar(call(answer, discriminator=d, generator=g, z=z.clone(), augment=t), "the loss")
    wrong_if(
        any(p.grad is not None for p in [*d.parameters(), *g.parameters()]),
        "your function calls backward; it should return the loss and leave the step to the loop.",
    )
    _check_augmented_value(loss.detach(), d, g, z, len(t.seen))
    wrong_if(
        not loss.requires_grad, "the value is right, and no gradient leaves it: all of it is detached or under no_grad."
    )
    (to_g,) = torch.autograd.grad(loss, [g.weight], allow_unused=True)
    wrong_if(
        to_g is None,
        "the value is right, but no gradient reaches G: something between G and D is detached, T perhaps, or under "
        "no_grad. G can only learn through T, so T must let gradients through.",
    )
    right = softplus(-d(Stretch()(g(z)))).mean()
    (wanted,) = torch.autograd.grad(right, [g.weight])
    wrong_if(
        not close(to_g, wanted),
        "the value is right, but G's gradient is not: something between G and the loss is detached.",
    )
    return "T stands between G and D, and G's gradient goes through it."


@torch.no_grad()
def _check_augmented_value(loss: Tensor, d: nn.Module, g: nn.Module, z: Tensor, calls: int) -> None:
    t = Stretch()
    fake = g(z)
    right = softplus(-d(t(fake))).mean()
    known: list[tuple[Tensor, str]] = [
        (
            softplus(-d(fake)).mean(),
            "T is missing, so D judges plain fakes: it knows augmented images only, and what it says of others is no "
            "guide. Give it T(G(z)), as in its own step.",
        ),
        (softplus(-t(d(fake))).mean(), "T is applied to D's logits; it belongs on the images, before D."),
        (softplus(-d(g(t(z)))).mean(), "T is applied to the latents; it belongs on the images that G makes."),
        (
            softplus(d(t(fake))).mean(),
            "the sign is D's: this is small where D calls fakes generated. G wants softplus(-logit).",
        ),
        (
            -softplus(d(t(fake))).mean(),
            "this is the minimax loss, which stalls where D is sure; the chapter's is softplus(-logit).",
        ),
        (right * len(z), "the loss is summed over the batch; take the mean."),
        (softplus(-d(t(t(fake)))).mean(), "T is applied twice; once is right."),
        (
            (softplus(-d(t(fake))).mean() + softplus(-d(fake)).mean()) / 2,
            "half of your loss judges plain fakes, which D has not been shown.",
        ),
    ]
    for value, message in known:
        wrong_if(close(loss, value), message)
    wrong_if(calls == 0, "`augment` is never called: apply it to G(z) before D.")
    wrong_if(not close(loss, right), f"on a small linear D and G your loss is {loss:.4f}; it should be {right:.4f}.")


# --- shift_right ---

OFFSETS = [2, -1, 0, 3, -3]  # one for each image


def shifted(images: Tensor, offsets: list[int]) -> Tensor:
    """The right answer, image by image and column by column."""
    out = torch.zeros_like(images)
    width = images.shape[3]
    for i, offset in enumerate(offsets):
        for x in range(width):
            if 0 <= x - offset < width:
                out[i, :, :, x] = images[i, :, :, x - offset]
    return out


def check_shift_right(answer: Answer) -> str:
    """`shift_right(images, offsets)`: image i moved by offsets[i] whole pixels, 0 where nothing came, per image."""
    images = torch.rand(5, 2, 4, 6) * 0.8 + 0.1  # no 0 among them
    before, leaf = images.clone(), images.requires_grad_()
    offsets = torch.tensor(OFFSETS)
    got = call(answer, images=leaf, offsets=offsets.clone())
    wrong_if(got is None or got is ..., NOTHING)
    wrong_if(not isinstance(got, Tensor), f"your function returns {type(got).__name__}; a tensor is right.")
    wrong_if(
        got.shape != images.shape,
        f"your images have shape {tuple(got.shape)} and had {tuple(images.shape)}: after padding, cut back.",
    )
    wrong_if(not torch.equal(leaf.detach(), before), "the images given have been changed; return new ones.")
    _check_places(got.detach(), before)
    wrong_if(
        not got.requires_grad,
        "the picture is right, but no gradient passes: it is detached, under no_grad, or went through NumPy. G would "
        "learn nothing through it.",
    )
    (gradient,) = torch.autograd.grad(got.sum(), leaf)
    stayed = shifted(torch.ones_like(before), [-offset for offset in OFFSETS])
    wrong_if(
        not close(gradient, stayed),
        "the picture is right, but its gradient is not: every pixel still in the picture should get what its new "
        "place gets.",
    )
    return "Each image goes its own way, nothing wraps around, and gradients follow the pixels."


def _check_places(got: Tensor, images: Tensor) -> None:
    rolled = torch.stack([x.roll(k, 2) for x, k in zip(images, OFFSETS, strict=True)])
    right = shifted(images, OFFSETS)
    first = OFFSETS[0]
    down = shifted(images.transpose(2, 3), OFFSETS).transpose(2, 3)
    empty = shifted(torch.ones_like(images), OFFSETS) == 0
    index = torch.arange(images.shape[3]) - torch.tensor(OFFSETS)[:, None]
    index = index.clamp(0, images.shape[3] - 1)[:, None, None, :].expand_as(images)
    known: list[tuple[Tensor, str]] = [
        (images, "the images have not moved."),
        (
            rolled,
            "what leaves on one side comes in again on the other, as roll does: fill with 0 there, or D sees pieces "
            "of letters at the wrong edge.",
        ),
        (
            shifted(images, [first] * len(images)),
            "all images move by the first image's offset: with one draw for the batch, D sees few positions. Each "
            "image has its own.",
        ),
        (images.roll(first, 3), "all images are rolled by the first offset: each has its own, and 0 comes in."),
        (
            shifted(images, [-offset for offset in OFFSETS]),
            "they move to the left: pixel x of the result is read at x - offset.",
        ),
        (down, "they move down: columns are the last axis of (N, C, H, W)."),
        (
            torch.where(empty, -1.0, right),
            "what comes in is -1, black; the exercise, as DiffAugment, fills with 0, so that D can tell the frame.",
        ),
        (images.gather(3, index), "the edge's pixels are repeated into the gap; fill it with 0."),
    ]
    for value, message in known:
        wrong_if(close(got, value), message)
    for i, offset in enumerate(OFFSETS):
        wrong_if(not close(got[i], right[i]), f"the image with offset {offset} is not where it should be.")


# --- ada_step ---

# (p, logits, batch size, images to one): r is above or below the target of 0.6, p in the middle or near an end
CONTROLLED: list[tuple[float, list[float], int, float]] = [
    (0.30, [2.0, 0.1, 3.0, 0.2, 1.0], 5, 1000.0),  # r = 1
    (0.30, [2.0, -0.1, 3.0, -0.2, 1.0, 0.5, -0.3], 5, 1000.0),  # r = 1/7
    (0.30, [0.1, 0.2, 0.1, 0.3], 8, 2000.0),  # r = 1, mean 0.175
    (0.30, [9.0, 9.0, 9.0, -1.0], 16, 2000.0),  # r = 0.5, mean 6.5, three quarters positive
    (0.40, [9.0, -1.0, -1.0, -1.0], 8, 1500.0),  # r = -0.5, mean 1.5
    (0.995, [1.0, 2.0], 16, 1000.0),  # past 1
    (0.005, [-2.0, 1.0], 16, 1000.0),  # past 0
]
EVERY, TARGET = 4, 0.6


def controlled(
    p: float,
    logits: list[float],
    batch_size: int,
    images_to_one: float,
    *,
    statistic: Callable[[Tensor], Tensor] = lambda x: x.sign().mean(),
    target: float = TARGET,
    direction: Callable[[float], float] = lambda excess: float((excess > 0) - (excess < 0)),
    move: float | None = None,
    low: float = 0.0,
    high: float = 1.0,
) -> float:
    """p after ADA's step, or after a mistaken one."""
    excess = float(statistic(torch.tensor(logits))) - target
    step = batch_size * EVERY / images_to_one if move is None else move
    return min(max(p + direction(excess) * step, low), high)


def mistaken(**given: Any) -> list[float]:
    return [controlled(*case, **given) for case in CONTROLLED]


def mistaken_moves(move: Callable[[int, float], float]) -> list[float]:
    return [controlled(*case, move=move(case[2], case[3])) for case in CONTROLLED]


CONTROL_MISTAKES: list[tuple[list[float], str]] = [
    ([case[0] for case in CONTROLLED], "p stays as it is, whatever D says of the training images."),
    (
        mistaken(direction=lambda e: float((e < 0) - (e > 0))),
        "the sign is turned: r above the target means that D overfits, and p should rise.",
    ),
    (
        mistaken(low=-9, high=9),
        "p leaves [0, 1]: it is a probability, and one that had gone far past 1 would come back late. Clamp it.",
    ),
    (mistaken(low=-9), "p goes below 0; clamp it there too."),
    (mistaken(high=9), "p goes above 1: nothing more would change, but p would come back late. Clamp it."),
    (
        mistaken_moves(lambda b, n: EVERY / n),
        "the batch size is forgotten: the step counts images, and 4 steps of B images are 4 B of them.",
    ),
    (
        mistaken_moves(lambda b, n: b / n),
        "the 4 is forgotten: p moves once in 4 steps, so a move is worth 4 batches of images.",
    ),
    (mistaken_moves(lambda b, n: 1 / n), "the step counts adjustments, not images: it is 4 B / images_to_one."),
    (
        mistaken(statistic=lambda x: x.mean()),
        "this is the mean of the logits, which has no scale; r_t is the mean of their *signs*.",
    ),
    (
        mistaken(statistic=lambda x: x.mean().sign()),
        "this is the sign of the mean, 1 or -1; r_t is the mean of the signs.",
    ),
    (
        mistaken(statistic=lambda x: (x > 0).double().mean()),
        "this is the share of positive logits, from 0 to 1; a mean of signs goes from -1 to 1, and 0.6 of it is a "
        "share of 0.8.",
    ),
    (
        mistaken(statistic=lambda x: x.sigmoid().mean()),
        "this is the mean probability of 'real'; r_t is the mean of the logits' signs.",
    ),
    (
        mistaken(direction=lambda e: e),
        "the step is proportional to r - 0.6; ADA's has one size, and only its direction comes from r.",
    ),
    (mistaken(target=0.0), "the target is 0 here; it is 0.6, or p rises though D is in order."),
    (mistaken(target=-TARGET), "the target is on the wrong side: compare r with 0.6, not with -0.6."),
    (
        mistaken(direction=lambda e: 1.0 if e > 0 else 0.0),
        "p can only rise: when r is below 0.6 it should come down again.",
    ),
]


def check_ada_step(answer: Answer) -> str:
    """`ada_step(p, real_logits, batch_size, images_to_one)`: p after one adjustment, target 0.6, every 4 steps."""
    got = []
    for p, logits, batch_size, images_to_one in CONTROLLED:
        given = torch.tensor(logits)
        value = call(answer, p=p, real_logits=given, batch_size=batch_size, images_to_one=images_to_one)
        wrong_if(value is None or value is ..., NOTHING)
        try:
            got.append(float(value))
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"your function returns {value!r}; p is one number.") from None
    right = mistaken()
    if not close(torch.tensor(got), torch.tensor(right), 1e-6):
        for values, message in CONTROL_MISTAKES:
            wrong_if(close(torch.tensor(got), torch.tensor(values), 1e-6), message)
    for (p, logits, batch_size, images_to_one), seen, wanted in zip(CONTROLLED, got, right, strict=True):
        wrong_if(
            not close(seen, wanted, 1e-6),
            f"from p = {p} with logits {logits}, batches of {batch_size} and {images_to_one:g} images to one, p "
            f"becomes {seen:.4f}; it should be {wanted:.4f}.",
        )
    return "p rises above the target, falls below it, and keeps within [0, 1]."


# --- leak_share ---


def check_leak_share(answer: Answer) -> str:
    """`leak_share(samples, real, transform)`: the q with mean samples = (1 - q) mean real + q mean T(real)."""
    real = torch.rand(40, 1, 4, 6) * 2 - 1
    real[:, :, :, 3:] -= 0.5  # so that the mean is not its own mirror image
    for share in (0.3, 0.8):
        samples = real.clone()
        k = round(share * len(real))
        # k copies of T's mean: the samples' mean is then exactly the mixture's
        samples[:k] = flip(real).mean(0)
        samples[k:] = real.mean(0)
        noise = torch.randn_like(samples)
        across = flip(real).mean(0) - real.mean(0)
        off = torch.randn_like(across)
        off -= across * (off * across).sum() / across.square().sum()  # wrong elsewhere, and not along w
        samples = samples + (noise - noise.mean(0)) + off
        _check_share(answer, samples, real, share)
    return "Right for shares of 30 % and 80 %, whatever else is wrong with the samples."


def flip(images: Tensor) -> Tensor:
    """Left to right."""
    return images.flip(3)


def _check_share(answer: Answer, samples: Tensor, real: Tensor, share: float) -> None:
    value = call(answer, samples=samples.clone(), real=real.clone(), transform=flip)
    wrong_if(value is None or value is ..., NOTHING)
    if isinstance(value, Tensor) and value.numel() != 1:
        raise Wrong(
            f"your function returns a tensor of shape {tuple(value.shape)}; q is one number: take the inner product "
            "over all pixels."
        )
    try:
        got = float(value)
    except (TypeError, ValueError):
        raise Wrong(f"your function returns {type(value).__name__}; q is one number.") from None
    mean, moved, ours = real.mean(0), flip(real).mean(0), samples.mean(0)
    w, d = moved - mean, ours - mean
    inner, size = float((d * w).sum()), float(w.square().sum())
    own = flip(samples).mean(0) - ours
    known = [
        (1 - share, "this is the share that is *not* transformed; q is 1 when all samples are."),
        (-share, "the sign is turned: both differences are taken from the mean of the real images."),
        (
            inner / size**0.5,
            "the inner product is divided by the length of w; with q w and w in it, divide by w's squared length.",
        ),
        (inner, "the inner product is not divided by <w, w>, so it has the scale of the pixels."),
        (
            inner / w.numel(),
            "the mean of the product is not divided by the mean of w squared, so it has the scale of the pixels.",
        ),
        (
            float(d.norm() / w.norm()),
            "this is a ratio of lengths: whatever else is wrong with the samples counts too. Project onto w first.",
        ),
        (
            float((d * w).sum() / d.square().sum()),
            "it is divided by the samples' own difference; divide by <w, w>, T's effect on the real images.",
        ),
        (
            float((d * w).sum() / (d.norm() * w.norm())),
            "this is the cosine between the two differences, which knows their direction alone; q is a length.",
        ),
        (
            float((d * own).sum() / own.square().sum()),
            "w is measured on the samples, which may leak themselves; take T's effect on the real images.",
        ),
        (
            float((d / w).mean()),
            "a ratio at every pixel, averaged, is ruled by the pixels where w is near 0; divide two sums.",
        ),
        (float((ours * w).sum()) / size, "the mean of the real images is not taken off the samples' mean."),
    ]
    if not close(got, share, 1e-3):
        for mistake, message in known:
            wrong_if(close(got, mistake, 1e-3), message)
    wrong_if(not close(got, share, 1e-3), f"of samples of which {share:.0%} are transformed, your share is {got:.4f}.")


CHECKS: dict[str, Check] = {
    "augmented_generator_loss": check_augmented_generator_loss,
    "shift_right": check_shift_right,
    "ada_step": check_ada_step,
    "leak_share": check_leak_share,
}
