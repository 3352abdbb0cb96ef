"""Checks of chapter 15, augmentation: G's loss through an augmentation, a shift, ADA's controller, a leak's share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .core import Check
from .linear import LinearDiscriminator, LinearGenerator
from .value import Value, either, exercise

# --- augmented_generator_loss ---

Augment = Callable[[Tensor], Tensor]


def stretch(images: Tensor) -> Tensor:
    """An augmentation of tensors of any shape: a number of its own for each row, the same at every call."""
    rows = torch.arange(1.0, len(images) + 1).view(-1, *[1] * (images.ndim - 1))
    return 0.5 * rows * images + 0.2


def augmented(discriminator: nn.Module, generator: nn.Module, z: Tensor, augment: Augment) -> Tensor:
    return softplus(-discriminator(augment(generator(z)))).mean()


def augmented_mistakes(d: nn.Module, g: nn.Module, z: Tensor, t: Augment) -> dict[str, Tensor]:
    """What the known mistakes make of D, G, latents and an augmentation."""
    logits, plain = d(t(g(z))), softplus(-d(g(z))).mean()
    turned = softplus(logits).mean()
    return {
        "T is missing, so D judges plain fakes: it knows augmented images only, and what it says of others is no "
        "guide. Give it T(G(z)), as in its own step.": plain,
        "T is applied to D's logits; it belongs on the images, before D.": softplus(-t(d(g(z)))).mean(),
        "T is applied to the latents; it belongs on the images that G makes.": softplus(-d(g(t(z)))).mean(),
        "the sign is D's: this is small where D calls fakes generated. G wants softplus(-logit).": turned,
        "this is the minimax loss, which stalls where D is sure; the chapter's is softplus(-logit).": -turned,
        "the loss is summed over the batch; take the mean.": softplus(-logits).sum(),
        "T is applied twice; once is right.": softplus(-d(t(t(g(z))))).mean(),
        "half of your loss judges plain fakes, which D has not been shown.": (softplus(-logits).mean() + plain) / 2,
    }


def linear_game() -> list[tuple[nn.Module, nn.Module, Tensor, Augment]]:
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    return [(LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3), g, torch.randn(5, 3), stretch)]


AUGMENTED = Value(
    right=augmented,
    given=linear_game,
    mistakes=augmented_mistakes,
    what="the loss",
    hint="take the mean over the batch",
    wrong="on a small linear D and G your loss is {got:.4f}; it should be {right:.4f}.",
    learns=["generator"],
    cut="the value is right, but no gradient reaches G: something between G and the loss is detached, T perhaps, or "
    "under no_grad. G can only learn through T, so T must let gradients through.",
    slope="the value is right, but G's gradient is not: something between G and the loss is detached.",
)

# --- shift_right ---


def shifted(images: Tensor, offsets: Tensor) -> Tensor:
    """Image i moved by offsets[i] columns; 0 comes in."""
    source = torch.arange(images.shape[3]) - offsets[:, None]
    inside = (source >= 0) & (source < images.shape[3])
    return torch.where(inside[:, None, None], edge_repeated(images, offsets), 0.0)


def edge_repeated(images: Tensor, offsets: Tensor) -> Tensor:
    source = (torch.arange(images.shape[3]) - offsets[:, None]).clamp(0, images.shape[3] - 1)
    return images.gather(3, source[:, None, None].expand_as(images))


def shift_mistakes(images: Tensor, offsets: Tensor) -> dict[str, Any]:
    """What the known mistakes make of images that move by these offsets."""
    right, first = shifted(images, offsets), int(offsets[0])
    empty = shifted(torch.ones_like(images), offsets) == 0
    return {
        "the images have not moved.": images,
        "what leaves on one side comes in again on the other, as roll does: fill with 0 there, or D sees pieces of "
        "letters at the wrong edge.": torch.stack([x.roll(int(k), 2) for x, k in zip(images, offsets, strict=True)]),
        "all images move by the first image's offset: with one draw for the batch, D sees few positions. Each image "
        "has its own.": shifted(images, offsets[:1].expand(len(images))),
        "all images are rolled by the first offset: each has its own, and 0 comes in.": images.roll(first, 3),
        "they move to the left: pixel x of the result is read at x - offset.": shifted(images, -offsets),
        "they move down: columns are the last axis of (N, C, H, W).": shifted(images.mT, offsets).mT,
        "what comes in is -1, black; the exercise, as DiffAugment, fills with 0, so that D can tell the "
        "frame.": torch.where(empty, -1.0, right),
        "the edge's pixels are repeated into the gap; fill it with 0.": edge_repeated(images, offsets),
        "pixels are clamped: the shift moves them, and leaves every one as bright as it was.": either(
            right.clamp(-1, 1), right.clamp(min=0), right.clamp(0, 1)
        ),
        "they become whole numbers: pixels are moved as they are.": right.round(),
    }


SHIFT = Value(
    right=shifted,
    given=lambda: [(2 * torch.randn(5, 2, 4, 6), torch.tensor([2, -1, 0, 3, -4]))],
    mistakes=shift_mistakes,
    what="the batch of shifted images",
    hint="after padding, cut back",
    wrong="image {place[0]} is not where it should be: at {place} you have {got:.3f} in place of {right:.3f}.",
    fails="offsets of both signs, up to the width, are to be moved by; the room that you pad must suffice. Seen: ",
    learns=["images"],
    cut="the picture is right, but no gradient passes: it is detached, under no_grad, or went through NumPy. G would "
    "learn nothing through it.",
    slope="the picture is right, but its gradient is not: every pixel still in the picture should get what its new "
    "place gets.",
)
ROOMS = SHIFT.at(
    lambda: [
        (torch.randn(2, 1, 3, 12), torch.tensor(offsets)) for offsets in ([11, -9], [-3, -1], [1, 4], [0, 0], [-12, 7])
    ],
    but="right for small offsets to both sides, but ",
    learns=[],
    fails="in a wide image, or where all move to one side, it fails: the room must suit the largest offset. Seen: ",
    wrong="in an image 12 wide at {place} you have {got:.3f} in place of {right:.3f}: pad by the largest offset.",
)

# --- ada_step ---

# (p, logits, batch size, images to one): r is above or below the target of 0.6, p in the middle or near an end
CONTROLLED: list[tuple[float, Tensor, int, float]] = [
    (p, torch.tensor(logits), batch_size, images_to_one)
    for p, logits, batch_size, images_to_one in (
        (0.30, [2.0, 0.1, 3.0, 0.2, 1.0], 5, 1000.0),  # r = 1
        (0.30, [2.0, -0.1, 3.0, -0.2, 1.0, 0.5, -0.3], 5, 1000.0),  # r = 1/7
        (0.30, [0.1, 0.2, 0.1, 0.3], 8, 2000.0),  # r = 1, mean 0.175
        (0.30, [9.0, 9.0, 9.0, -1.0], 16, 2000.0),  # r = 0.5, mean 6.5, three quarters positive
        (0.40, [9.0, -1.0, -1.0, -1.0], 8, 1500.0),  # r = -0.5, mean 1.5
        (0.40, [-1.0, -0.1], 8, 1500.0),  # r = -1
        (0.45, [1.0, 0.5, 2.0, -1.0, 3.0, 0.2], 8, 1500.0),  # r = 2/3
        (0.50, [1.0] * 265 + [-1.0] * 66, 8, 1500.0),  # r = 0.601
        (0.995, [1.0, 2.0], 16, 1000.0),  # past 1
        (0.005, [-2.0, 1.0], 16, 1000.0),  # past 0
    )
]


def controller(
    statistic: Callable[[Tensor], Tensor] = lambda logits: logits.sign().mean(),
    direction: Callable[[Tensor], Tensor] = torch.sign,
    target: float = 0.6,
    every: int = 4,
    batches: int = 1,
    low: float = 0.0,
    high: float = 1.0,
) -> Callable[..., float]:
    """ADA's step, or a mistaken one."""

    def ada_step(p: float, real_logits: Tensor, batch_size: int, images_to_one: float) -> float:
        turned = float(direction(statistic(real_logits) - target))
        return min(max(p + turned * every * batch_size**batches / images_to_one, low), high)

    return ada_step


CONTROL = Value(
    right=controller(),
    given=CONTROLLED,
    what="p",
    mistakes={
        "p stays as it is, whatever D says of the training images.": lambda p, *_: p,
        "the sign is turned: where r is above the target D overfits, and p should rise.": controller(
            direction=lambda e: -e.sign()
        ),
        "p leaves [0, 1]: it is a probability, and one that had gone far past 1 would come back late. Clamp it.": (
            controller(low=-9, high=9)
        ),
        "p goes below 0; clamp it there too.": controller(low=-9),
        "p goes above 1: nothing more would change, but p would come back late. Clamp it.": controller(high=9),
        "the batch size is forgotten: the step counts images, and 4 steps of B images are 4 B.": controller(batches=0),
        "the 4 is forgotten: p moves once in 4 steps, so a move is worth 4 batches of images.": controller(every=1),
        "the step counts adjustments, not images: it is 4 B / images_to_one.": controller(every=1, batches=0),
        "this is the mean of the logits, which has no scale; r_t is that of their *signs*.": controller(Tensor.mean),
        "this is the sign of the mean, 1 or -1; r_t is the mean of the signs.": controller(lambda x: x.mean().sign()),
        "this is the share of positive logits, from 0 to 1; a mean of signs goes from -1 to 1, and 0.6 of it is a "
        "share of 0.8.": controller(lambda x: (x > 0).double().mean()),
        "this is the mean probability of 'real'; r_t is the mean of the logits' signs.": controller(
            lambda x: x.sigmoid().mean()
        ),
        "the step is proportional to r - 0.6; ADA's has one size, and only its direction comes from r.": controller(
            direction=lambda e: e
        ),
        "the target is 0 here; it is 0.6, or p rises though D is in order.": controller(target=0.0),
        "the target is on the wrong side: compare r with 0.6, not with -0.6.": controller(target=-0.6),
        "p can only rise: when r is below 0.6 it should come down again.": controller(
            direction=lambda e: e.sign().clamp(min=0)
        ),
        "p can only fall: when r is above 0.6 it should rise.": controller(direction=lambda e: e.sign().clamp(max=0)),
    },
    tolerance=1e-6,
)

# --- leak_share ---


def share(samples: Tensor, real: Tensor, transform: Augment) -> Tensor:
    w = transform(real).mean(0) - real.mean(0)
    return ((samples.mean(0) - real.mean(0)) * w).sum() / w.square().sum()


def mirrored(images: Tensor) -> Tensor:
    """Left to right, with darker darks: the mean of what it makes is not what it makes of the mean."""
    return images.flip(3) - images.flip(3).square() / 2


def leaking(*shares: float) -> list[tuple[Tensor, Tensor, Augment]]:
    """Samples whose mean is this mixture of the real images' and the transformed ones', but for something else."""
    cases: list[tuple[Tensor, Tensor, Augment]] = []
    for q in shares:
        real = torch.rand(40, 2, 4, 6) * 2 - 1
        real[:, :, :, 3:] -= 2.0  # so that the mean is not its own mirror image
        w = mirrored(real).mean(0) - real.mean(0)
        off = torch.randn_like(w)
        off -= w * (off * w).sum() / w.square().sum()  # wrong elsewhere, and not along w
        noise = torch.randn(30, 2, 4, 6)
        cases.append((noise - noise.mean(0) + real.mean(0) + q * w + off, real, mirrored))
    return cases


def leak_mistakes(samples: Tensor, real: Tensor, transform: Augment) -> dict[str, Tensor]:
    """What the known mistakes make of samples, real images and a transform."""
    mean, ours, own = real.mean(0), samples.mean(0), transform(samples).mean(0) - samples.mean(0)
    w, d, of_mean = transform(real).mean(0) - mean, ours - mean, transform(mean[None])[0] - mean
    inner, size = (d * w).sum(), w.square().sum()
    return {
        "this is the share that is *not* transformed; q is 1 when all samples are.": 1 - inner / size,
        "the sign is turned: both differences are taken from the mean of the real images.": -inner / size,
        "the inner product is divided by the length of w; with q w and w in it, divide by w's squared length.": inner
        / size.sqrt(),
        "the inner product is not divided by <w, w>, so it has the scale of the pixels.": inner,
        "the mean of the product is not divided by the mean of w squared, so it has the scale of the pixels.": (
            inner / w.numel()
        ),
        "this is a ratio of lengths: whatever else is wrong with the samples counts too. Project onto w first.": (
            d.norm() / w.norm()
        ),
        "it is divided by the samples' own difference; divide by <w, w>, T's effect on the real images.": inner
        / d.square().sum(),
        "this is the cosine between the two differences, which knows their direction alone; q is a length.": inner
        / (d.norm() * w.norm()),
        "w is measured on the samples, which may leak themselves; take T's effect on the real images.": (d * own).sum()
        / own.square().sum(),
        "a ratio at every pixel, averaged, is ruled by the pixels where w is near 0; divide two sums.": (d / w).mean(),
        "the mean of the real images is not taken off the samples' mean.": (ours * w).sum() / size,
        "the mean real image is transformed; transform the images and take the mean of what comes out, which need not "
        "be the same.": (d * of_mean).sum() / of_mean.square().sum(),
    }


LEAK = Value(
    right=share,
    given=lambda: leaking(0.3, 0.8),
    mistakes=leak_mistakes,
    what="q",
    hint="take the inner product over all pixels",
    wrong="your share is {got:.4f} where {right:.2f} of the samples are transformed.",
)
BEYOND = LEAK.at(
    lambda: leaking(-0.2, 1.3),
    but="right for shares of 30 % and 80 %, but beyond either end, at -0.2 and 1.3, it is ",
    wrong="{got:.4f} in place of {right:.2f}: do not cut an estimate off, or its mean over runs is wrong.",
)

CHECKS: dict[str, Check] = {
    "augmented_generator_loss": exercise(
        AUGMENTED, passed="T stands between G and D, and G's gradient goes through it."
    ),
    "shift_right": exercise(
        SHIFT, ROOMS, passed="Each image goes its own way, nothing wraps around, and gradients follow the pixels."
    ),
    "ada_step": exercise(CONTROL, passed="p rises above the target, falls below it, and keeps within [0, 1]."),
    "leak_share": exercise(
        LEAK, BEYOND, passed="Right for shares of 30 % and 80 %, whatever else is wrong with the samples."
    ),
}
