"""Checks of the chapter "An atlas of losses": hinge loss, clipped weights, WGAN-GP's penalty, relativistic loss, and a
distance read off any critic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from .core import Check
from .state import tensors_of
from .value import Value, either, exercise

# Some beyond each margin and some within, none where a mistake would give the same number.
REAL = torch.tensor([-2.0, -0.5, 0.1, 1.4, 4.0, 6.5])
FAKE = torch.tensor([-0.4, 2.0, -3.0, 0.9, -1.7, 0.3])
SUMMED = "the loss is summed over the batch; take the mean, or the gradient grows with the batch."
ON_OURS = "on our logits your loss is {got:.4f}; it should be {right:.4f}."

# --- hinge_discriminator ---


def hinge(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()


def hinge_mistakes(real: Tensor, fake: Tensor) -> dict[str, Any]:
    """What the known mistakes make of the logits (N,)."""
    real_half, fake_half, right = relu(1 - real).mean(), relu(1 + fake).mean(), hinge(real, fake)
    return {
        "real and fake are swapped: a real logit costs nothing once it is above 1, so its part is max(0, 1 - D(x)).":
        hinge(-real, -fake),
        "the fakes are treated as reals: D wants their logits below -1, so their part is max(0, 1 + D(G(z))).":
        hinge(real, -fake),
        "the margin is missing: logits should go on being pushed until they are 1 beyond the border, so it is 1 - D(x) "
        "and 1 + D(G(z)) in the max.": relu(-real).mean() + relu(fake).mean(),
        "nothing is cut off: without the max this is a Wasserstein critic's loss (plus 2), and logits grow for ever.":
        (1 - real).mean() + (1 + fake).mean(),
        "the max was taken after the mean: each logit has its own max, then comes the mean.":
        relu((1 - real).mean()) + relu((1 + fake).mean()),
        "the sign is turned: the papers' min(0, -1 + D(x)) is what D maximises; an optimiser makes its loss small.":
        -right,
        "the papers' min became a max, and its insides kept their signs: what is beyond a margin costs now, and what "
        "is short of it is free. Turn them round: max(0, 1 - D(x)).": relu(real - 1).mean() + relu(-1 - fake).mean(),
        SUMMED: right * len(real),
        "this is half of ours: add the two halves, do not average them.": right / 2,
        "only the real half is there: add how badly D does on the fakes.": real_half,
        "only the fake half is there: add how badly D does on the real images.": fake_half,
        "a softplus stands where the hinge's max(0, ...) should: it never quite stops pushing.":
        softplus(1 - real).mean() + softplus(1 + fake).mean(),
        "this is the logistic loss of the first GAN, softplus of the logits; the hinge is max(0, ...).":
        softplus(-real).mean() + softplus(fake).mean(),
        "a sigmoid comes first: the hinge loss takes the logits themselves, and probabilities never reach its margins.":
        hinge(real.sigmoid(), fake.sigmoid()),
        "the hinge is squared: its slope should be 1 up to the margin, however far a logit is off.":
        relu(1 - real).square().mean() + relu(1 + fake).square().mean(),
        "each real logit is compared with a fake one: that is a relativistic hinge. Here each has a margin of its own.":
        relu(1 - (real - fake)).mean(),
    }  # fmt: skip


HINGE = Value(
    right=hinge,
    given=[(REAL, FAKE)],
    mistakes=hinge_mistakes,
    what="the loss",
    hint="take the mean over the batch",
    wrong=ON_OURS,
    learns=["real_logits", "fake_logits"],
    cut="D learns nothing from `{name}`: they are detached, or the loss is made under no_grad or made anew.",
    slope="the value is right, but not the slope: it should be 1 / N up to the margin and 0 beyond.",
)

# --- clip_critic ---

Clip = Callable[[nn.Module, float], None]


class Critic(nn.Sequential):
    """A small critic whose parameters lie on both sides of zero, some small, some large; they have gradients too."""

    def __init__(self, batch_norm: bool) -> None:
        super().__init__(nn.Linear(3, 4), *[nn.BatchNorm1d(4)] * batch_norm, nn.LeakyReLU(0.2), nn.Linear(4, 1))
        self.gain = nn.Parameter(torch.ones(3))  # called neither weight nor bias
        self.originals = list(self.parameters())
        for p in self.parameters():
            n = p.numel()
            p.data = torch.linspace(-0.05, 0.07, n).reshape(p.shape) if n > 1 else torch.full_like(p, -0.04)
            p.grad = torch.linspace(-1, 1, n).reshape(p.shape)


def clipping(change: Callable[[Tensor, float], Tensor]) -> Clip:
    """A function that writes change(p, limit) into every parameter."""

    @torch.no_grad()
    def clip_critic(discriminator: nn.Module, limit: float) -> None:
        for p in discriminator.parameters():
            p.copy_(change(p, limit))

    return clip_critic


clipped = clipping(lambda p, c: p.clamp(-c, c))


def clipping_only(chosen: Callable[[str, Tensor], bool]) -> Clip:
    @torch.no_grad()
    def clip_critic(discriminator: nn.Module, limit: float) -> None:
        for name, p in discriminator.named_parameters():
            p.clamp_(*(-limit, limit) if chosen(name, p) else (-torch.inf, torch.inf))

    return clip_critic


@torch.no_grad()
def clip_buffers_too(discriminator: nn.Module, limit: float) -> None:
    for tensor in discriminator.state_dict().values():
        tensor.copy_(tensor.clamp(-limit, limit))


@torch.no_grad()
def rescale(discriminator: nn.Module, limit: float) -> None:
    length = nn.utils.parameters_to_vector(discriminator.parameters()).norm()
    clipping(lambda p, c: p * c / length)(discriminator, limit)


def clip_and_clear(discriminator: nn.Module, limit: float) -> None:
    clipped(discriminator, limit)
    discriminator.zero_grad()


def clip_gradients(discriminator: nn.Module, limit: float) -> None:
    nn.utils.clip_grad_value_(discriminator.parameters(), limit)


def clip_frozen(discriminator: nn.Module, limit: float) -> None:
    clipped(discriminator.requires_grad_(False), limit)


def clip_new_objects(discriminator: nn.Module, limit: float) -> None:
    for layer in discriminator.modules():
        for name, p in list(layer.named_parameters(recurse=False)):
            setattr(layer, name, nn.Parameter(p.detach().clamp(-limit, limit)))


def all_of_critic(_: Any, critic: Critic, limit: float) -> dict[str, Any]:
    """Its tensors and their gradients, modes, which parameters train, and which are those of the optimiser."""
    named = dict(critic.named_parameters())
    return {
        **tensors_of(critic),
        **{f"{name}.grad": torch.zeros_like(p) if p.grad is None else p.grad for name, p in named.items()},
        "training": [float(part.training) for part in critic.modules()],
        "trains": [float(p.requires_grad and p.is_leaf) for p in named.values()],
        "original": [float(p is q) for p, q in zip(named.values(), critic.originals, strict=True)],
    }


CLIPPED = Value(
    right=clipped,
    given=lambda: [(Critic(batch_norm=False), limit) for limit in (0.03, 0.01)],
    changes=["discriminator"],
    seen=all_of_critic,
    mistakes={
        "the weights are as they were. `p = p.clamp(...)` only gives the name p to a new tensor, and what is returned "
        "is thrown away; write into the old one, with p.clamp_(...) or p.copy_(...).":
        lambda discriminator, limit: [p.clamp(-limit, limit) for p in discriminator.parameters()],
        "the gradients were clipped, and the weights are as they were: WGAN clips weights, after the optimiser's step.":
        clip_gradients,
        "the weights' gradients have changed; only the weights themselves are clipped.": clip_and_clear,
        "only the upper side is clipped: weights below -limit are as they were, and a slope may be as steep downwards.":
        clipping(lambda p, c: p.clamp(max=c)),
        "only the lower side is clipped: weights above the limit are as they were.":
        clipping(lambda p, c: p.clamp(min=-c)),
        "weights are clipped to [0, limit]: the negative ones are lost. The interval is [-limit, limit].":
        clipping(lambda p, c: p.clamp(0, c)),
        "the weights have lost their signs: clip p, not its absolute value.":
        clipping(lambda p, c: p.abs().clamp(max=c)),
        "every weight is at the limit now: one that lies within [-limit, limit] stays as it is.":
        clipping(lambda p, c: p.sign() * c),
        "tanh moves all weights; one that lies within the limits stays as it is.":
        clipping(lambda p, c: c * (p / c).tanh()),
        "weights beyond the limit are set to 0; they should be set to the limit they crossed.":
        clipping(lambda p, c: torch.where(p.abs() > c, 0.0, p)),
        "the weights were rescaled as one vector: that bounds their norm. Clipping moves each number alone.": rescale,
        "the limit is always 0.01, the paper's; use the one that is given.":
        clipping(lambda p, c: p.clamp(-0.01, 0.01)),
        "the biases are left out: the published algorithm clips every parameter of the critic.":
        clipping_only(lambda name, p: not name.endswith("bias")),
        "a parameter is left out that is called neither weight nor bias and is no layer's: go through parameters(), "
        "which knows all of them.": clipping_only(lambda name, p: name.endswith(("weight", "bias"))),
        "the parameters are new objects: the optimiser goes on updating the old ones. Write into those that are there.":
        clip_new_objects,
        "the parameters no longer train: clip them under torch.no_grad(), and leave requires_grad as it is.":
        clip_frozen,
    },
    what="the critic",
    wrong="with limit {limit}, {part}{place} is {got:.4f} and should be {right:.4f}.",
    tolerance=1e-6,
)  # fmt: skip
NORMED = CLIPPED.at(
    lambda: [(Critic(batch_norm=True), 0.01)],
    but="right without batch norm, but not with it (a buffer is no weight: go through parameters()): ",
    mistakes={"its running variance was clipped too.": clip_buffers_too},
    wrong="{part}{place} is {got:.4f} and should be {right:.4f}.",
)

# --- wgan_gp_penalty ---


class BentCritic(nn.Module):
    """D(x) = x . weight + bend |x|^2 / 2, (N, 2, 2, 2) -> (N,): its gradient at x is weight + bend x."""

    def __init__(self, bend: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2, 0.1, 0.4, -0.1, 0.2, 0.2, -0.4]))
        self.bend = bend

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return flat @ self.weight + self.bend * flat.square().sum(1) / 2

    def slopes(self, images: Tensor) -> Tensor:
        """The gradient at each image, (N, 2, 2, 2), differentiable in the weight."""
        return (self.weight + self.bend * images.flatten(1)).reshape(images.shape)

    def penalty(self, images: Tensor) -> Tensor:
        return (self.slopes(images).flatten(1).norm(dim=1) - 1).square().mean()


def gradient_penalty(discriminator: BentCritic, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    return discriminator.penalty(t * real + (1 - t) * fake)


def penalty_mistakes(d: BentCritic, real: Tensor, fake: Tensor, t: Tensor) -> dict[str, Any]:
    """What the known mistakes make of the gradients g (N, 2, 2, 2)."""
    g = d.slopes(t * real + (1 - t) * fake)
    norm = g.flatten(1).norm(dim=1)
    away, right = norm - 1, (norm - 1).square().mean()
    return {
        "one norm was taken over the whole batch: each image has a gradient, and a norm, of its own.":
        (g.norm() - 1).square(),
        "the norm was taken over the batch axis (dim 0); take it over each image's own numbers.":
        (g.norm(dim=0) - 1).square().mean(),
        "the norm was taken over the channels alone (dim 1 of (N, C, H, W)), one for each pixel: flatten each image "
        "first, with flatten(1).": (g.norm(dim=1) - 1).square().mean(),
        "the gradient is N times too small: it was taken of the *mean* of the logits. Take it of their sum.":
        (norm / len(g) - 1).square().mean(),
        "the root is missing: |g| - 1 is squared, and here it is |g|^2 - 1.": (norm.square() - 1).square().mean(),
        "the 1 is missing: a slope of 0 is punished as little as can be. It is (|g| - 1)^2.": norm.square().mean(),
        "this is R1's formula, half the squared norm; WGAN-GP wants the norm at 1.": norm.square().mean() / 2,
        "the square is missing: too flat a slope would be rewarded.": away.mean(),
        "the deviation is not squared: it is (|g| - 1)^2, not its absolute value.": away.abs().mean(),
        "the mean came before the square: steep and flat images cancel out.": away.mean().square(),
        "the penalty is summed over the batch; take the mean, or its weight grows with the batch.": right * len(real),
        "the weight 10 is in it already: return the penalty alone, and let the loss multiply it.": 10 * right,
        "this is half of ours: there is no factor 1/2 in WGAN-GP's penalty.": right / 2,
        "the gradient was taken at the real images; take it between the two, at t x + (1 - t) G(z).": d.penalty(real),
        "the gradient was taken at the fakes; take it between the two, at t x + (1 - t) G(z).": d.penalty(fake),
        "the point lies midway for every image: use t, one for each.": d.penalty((real + fake) / 2),
        "every image has the t of the first: use t, one for each.":
        either(*[d.penalty(s * real + (1 - s) * fake) for s in (t[0], 1 - t[0])]),
        "real and fake are added up: weigh them with t and 1 - t.": d.penalty(real + fake),
        "this is the one-sided penalty, for slopes above 1 alone; the published one also pulls flat slopes up.":
        relu(away).square().mean(),
    }  # fmt: skip


def penalised() -> list[tuple[BentCritic, Tensor, Tensor, Tensor]]:
    """Every pair of images twice, with t and with 1 - t: either may be the real image's share."""
    real, fake = (torch.rand(3, 2, 2, 2).repeat(2, 1, 1, 1) * 2 - 1 for _ in range(2))
    t = torch.tensor([0.1, 0.35, 0.7, 0.9, 0.65, 0.3]).reshape(6, 1, 1, 1)
    return [(BentCritic(bend), real.clone(), fake.clone(), t.clone()) for bend in (-0.7, 0.0, 5.0)]


PENALTY = Value(
    right=gradient_penalty,
    given=penalised,
    mistakes=penalty_mistakes,
    what="the penalty",
    hint="take the mean over the images",
    wrong="on a critic with known gradients your penalty is {got:.4f}; it should be {right:.4f}.",
    learns=["discriminator"],
    marks=["real", "fake"],
    cut="the value is right, but it is a plain number to D: the inner gradient needs create_graph=True, or the penalty "
    "teaches D nothing.",
    slope="the value is right, but its gradient in D's weights is not: something in it is detached.",
)

# --- relativistic_generator ---


def relativistic(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    return softplus(real_logits - fake_logits).mean()


def relativistic_mistakes(fake: Tensor, real: Tensor) -> dict[str, Any]:
    """What the known mistakes make of the logits (N,)."""
    right, of_d = softplus(real - fake).mean(), softplus(fake - real).mean()
    to_average = softplus(real.mean() - fake).mean()
    both_halves = to_average + softplus(real - fake.mean()).mean()
    return {
        "this is D's loss: it falls when the real of a pair looks more real. For G turn the difference round.": of_d,
        "all N^2 pairs are compared, as shapes (N, 1) and (N,) do by themselves; pair each fake with the one real "
        "beside it.": softplus(real[:, None] - fake).mean(),
        "the real logits are not used: this is the non-saturating loss, which asks that fakes look real, not more real "
        "than reals.": softplus(-fake).mean(),
        "the mean came before the softplus: the pairs are lost, and with them most of the gradient.":
        softplus(real.mean() - fake.mean()),
        "fakes are compared with the reals' *average*: that is the relativistic average loss. Here each has its "
        "partner.": to_average,
        "this is the relativistic average loss in both its halves; the paired one has one softplus of one difference.":
        both_halves,
        "this is the relativistic average loss, both halves averaged; the paired one has one softplus of one "
        "difference.": both_halves / 2,
        "this is minus D's loss, the minimax form: its slope dies where D is sure of a pair. Use softplus(D(x) - "
        "D(G(z))).": -of_d,
        "the sign is turned: an optimiser would make the fakes look less real.": -right,
        "the softplus is missing: a bare difference is a Wasserstein critic's gap.": (real - fake).mean(),
        "a hinge stands where the softplus should.": relu(1 + real - fake).mean(),
        "a sigmoid comes before the difference: subtract the logits, not the probabilities.":
        softplus(real.sigmoid() - fake.sigmoid()).mean(),
        "the logits are added up; what counts is their difference.": softplus(real + fake).mean(),
        SUMMED: right * len(real),
        "both players' losses are added up; G's is one of them.": right + of_d,
    }  # fmt: skip


RELATIVISTIC = Value(
    right=relativistic,
    given=[(FAKE, REAL)],
    mistakes=relativistic_mistakes,
    what="the loss",
    hint="take the mean over the pairs",
    wrong=ON_OURS,
    learns=["fake_logits"],
    cut="the value is right, but no gradient reaches G: the fake logits are detached, or the loss is.",
    slope="the value is right, but its slope in the fake logits is not: something in it is detached.",
)
FAR_BEHIND = RELATIVISTIC.at(
    [(torch.full((6,), -200.0), torch.full((6,), 200.0))],
    but="right for small logits, but a difference of 400 makes it ",
    overflow="{got:.0f}: exp(400) is infinite, and so is the log of a sigmoid that rounds to 0; they overflow. Use "
    "softplus or logsigmoid.",
    wrong="{got:.1f}, and {right:.0f} is right: something holds the log back.",
)

# --- distance_from_critic ---


def from_critic(discriminator: BentCritic, real: Tensor, fake: Tensor, at: Tensor) -> Tensor:
    gap = discriminator(real).mean() - discriminator(fake).mean()
    return gap / discriminator.slopes(at).flatten(1).norm(dim=1).max()


def from_critic_mistakes(d: BentCritic, real: Tensor, fake: Tensor, at: Tensor) -> dict[str, Any]:
    """What the known mistakes make of the gap and of the gradients g (M, 2, 2, 2) at `at`."""
    gap, g = d(real).mean() - d(fake).mean(), d.slopes(at)
    norm, right = g.flatten(1).norm(dim=1), from_critic(d, real, fake, at)
    return {
        "this is the bare gap, which grows with the critic's slope; divide it by the steepest slope.": gap,
        "the gap is divided by the *average* slope. The constraint holds everywhere, so the steepest one counts, or "
        "the result may exceed the distance.": gap / norm.mean(),
        "the gap is divided by the flattest slope; the steepest one counts.": gap / norm.min(),
        "the gap is multiplied by the slope; a critic twice as steep has twice the gap, so divide.": gap * norm.max(),
        "the gap is turned round: a high score means real, so it is the mean of D(x) less the mean of D(G(z)).": -right,
        "the sign of the gap is lost: a critic that prefers the fakes has a negative one.": right.abs(),
        "the slope is M times too small: it was taken of the *mean* of the logits at `at`. Take it of their sum.":
        right * len(at),
        "one norm was taken over all the points: each has a slope of its own, and the largest counts.": gap / g.norm(),
        "the largest single component of a gradient was taken; a slope is the gradient's norm.": gap / g.abs().max(),
        "the norm was taken over the channels alone (dim 1 of (M, C, H, W)): flatten each image first.":
        gap / g.norm(dim=1).max(),
        "the components' absolute values were added up; a slope is the Euclidean norm, with squares and a root.":
        gap / g.flatten(1).abs().sum(1).max(),
        "the root is missing: the gap is divided by a squared slope.": gap / norm.square().max(),
        "scores are summed; both means are over their own number of images.":
        (d(real).sum() - d(fake).sum()) / norm.max(),
        "the slope was taken at the real images; take it at the points `at`.":
        gap / d.slopes(real).flatten(1).norm(dim=1).max(),
        "the slope was taken at the fakes; take it at the points `at`.":
        gap / d.slopes(fake).flatten(1).norm(dim=1).max(),
    }  # fmt: skip


def with_points() -> list[tuple[BentCritic, Tensor, Tensor, Tensor]]:
    """A critic that prefers the one set, and then the other; the three batches have different sizes."""
    some, others, at = (torch.rand(n, 2, 2, 2) * 2 - 1 for n in (4, 3, 5))
    return [
        (BentCritic(bend), real.clone(), fake.clone(), at.clone())
        for bend in (-0.7, 1.5)
        for real, fake in ((some, others), (others, some))
    ]


FROM_CRITIC = Value(
    right=from_critic,
    given=with_points,
    mistakes=from_critic_mistakes,
    what="the distance",
    hint="it is one number: a difference of two means over one slope",
    wrong="on a critic with known gradients your distance is {got:.4f}; it should be {right:.4f}.",
    marks=["at"],
)

CHECKS: dict[str, Check] = {
    "hinge_discriminator": exercise(HINGE, passed="Value, slope within the margins and none beyond: all right."),
    "clip_critic": exercise(
        CLIPPED,
        NORMED,
        passed="Weights and biases are clipped on both sides, in place; gradients and buffers are left alone.",
    ),
    "wgan_gp_penalty": exercise(
        PENALTY, passed="A norm for each image, the point between, and a gradient that reaches D: all right."
    ),
    "relativistic_generator": exercise(
        RELATIVISTIC, FAR_BEHIND, passed="Pair by pair, the right way round, and finite for large logits: all right."
    ),
    "distance_from_critic": exercise(
        FROM_CRITIC, passed="The gap over the steepest slope, whichever set the critic prefers: all right."
    ),
}
