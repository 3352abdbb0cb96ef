"""Checks of the chapter "An atlas of losses": hinge loss, clipped weights, WGAN-GP's penalty, relativistic loss.

A mistake is recognised by computing what that mistake would give, on fixed logits and on critics whose gradient
has a closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from .core import Check, Raised, Wrong, call, close, scalar, wrong_if
from .linear import all_parameters, all_statistics

Answer = Callable[..., Any]

# Some beyond each margin and some within, none where a mistake would give the same number.
REAL = [-2.0, -0.5, 0.1, 1.4, 4.0, 6.5]
FAKE = [-0.4, 2.0, -3.0, 0.9, -1.7, 0.3]
SUMMED = "the loss is summed over the batch; take the mean, or the gradient grows with the batch."


def logit_pair() -> tuple[Tensor, Tensor]:
    """Logits of six real and of six generated images, that want gradients."""
    return torch.tensor(REAL, requires_grad=True), torch.tensor(FAKE, requires_grad=True)


def wrong_value(value: Tensor, right: Tensor, what: str) -> None:
    """The message of last resort: what was seen and what would be right."""
    wrong_if(not close(value, right), f"on our logits your {what} is {value:.4f}; it should be {right:.4f}.")


# --- hinge_discriminator ---


def hinge_mistakes(real: Tensor, fake: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the logits (N,), and how to call them."""
    real_half, fake_half = relu(1 - real).mean(), relu(1 + fake).mean()
    right = real_half + fake_half
    return [
        (
            relu(1 + real).mean() + relu(1 - fake).mean(),
            "real and fake are swapped: a real logit costs nothing once it is above 1, so its part is "
            "max(0, 1 - D(x)).",
        ),
        (
            real_half + relu(1 - fake).mean(),
            "the fakes are treated as reals: D wants their logits below -1, so their part is max(0, 1 + D(G(z))).",
        ),
        (
            relu(-real).mean() + relu(fake).mean(),
            "the margin is missing: logits should go on being pushed until they are 1 beyond the border, so it "
            "is 1 - D(x) and 1 + D(G(z)) in the max.",
        ),
        (
            (1 - real).mean() + (1 + fake).mean(),
            "nothing is cut off: without the max this is a Wasserstein critic's loss (plus 2), and logits grow "
            "for ever.",
        ),
        (
            relu((1 - real).mean()) + relu((1 + fake).mean()),
            "the max was taken after the mean: each logit has its own max, then comes the mean.",
        ),
        (
            -right,
            "the sign is turned: the papers' min(0, -1 + D(x)) is what D maximises; an optimiser makes its loss small.",
        ),
        (
            relu(real - 1).mean() + relu(-1 - fake).mean(),
            "the papers' min became a max, and its insides kept their signs: what is beyond a margin costs now, and "
            "what is short of it is free. Turn them round: max(0, 1 - D(x)).",
        ),
        (right * len(real), SUMMED),
        (right / 2, "this is half of ours: add the two halves, do not average them."),
        (real_half, "only the real half is there: add how badly D does on the fakes."),
        (fake_half, "only the fake half is there: add how badly D does on the real images."),
        (
            softplus(1 - real).mean() + softplus(1 + fake).mean(),
            "a softplus stands where the hinge's max(0, ...) should: it never quite stops pushing.",
        ),
        (
            softplus(-real).mean() + softplus(fake).mean(),
            "this is the logistic loss of the first GAN, softplus of the logits; the hinge is max(0, ...).",
        ),
        (
            relu(1 - real.sigmoid()).mean() + relu(1 + fake.sigmoid()).mean(),
            "a sigmoid comes first: the hinge loss takes the logits themselves, and probabilities never reach "
            "its margins.",
        ),
        (
            relu(1 - real).square().mean() + relu(1 + fake).square().mean(),
            "the hinge is squared: its slope should be 1 up to the margin, however far a logit is off.",
        ),
        (
            relu(1 - (real - fake)).mean(),
            "each real logit is compared with a fake one: that is a relativistic hinge. Here each has a margin of "
            "its own.",
        ),
    ]


def check_hinge_discriminator(answer: Answer) -> str:
    """`hinge_discriminator(real_logits, fake_logits)`: mean max(0, 1 - real) + mean max(0, 1 + fake)."""
    real, fake = logit_pair()
    loss = scalar(call(answer, real_logits=real, fake_logits=fake), "the loss")
    with torch.no_grad():
        for value, message in hinge_mistakes(real, fake):
            wrong_if(close(loss.detach(), value), message)
        right = relu(1 - real).mean() + relu(1 + fake).mean()
        wrong_value(loss.detach(), right, "loss")
    wrong_if(not loss.requires_grad, "no gradient reaches D: the logits are detached, or the loss was remade.")
    slopes = torch.autograd.grad(loss, [real, fake], allow_unused=True)
    for slope, side in zip(slopes, ("real", "fake"), strict=True):
        wrong_if(slope is None, f"the value is right, but the {side} logits are detached: D learns nothing from them.")
    within = [-(real < 1).float() / len(real), (fake > -1).float() / len(fake)]
    wrong_if(
        not all(close(slope, wanted) for slope, wanted in zip(slopes, within, strict=True)),
        "the value is right, but not the slope: it should be 1 / N up to the margin and 0 beyond.",
    )
    return "Value, slope within the margins and none beyond: all right."


# --- clip_critic ---

BUFFERS = "A buffer is no weight: go through parameters(), not state_dict()."


def critic(*, batch_norm: bool) -> nn.Module:
    """A small critic whose weights and biases lie on both sides of zero, some small, some large; gradients too."""
    layers = [nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Linear(4, 1)]
    net = nn.Sequential(*[layer for layer in layers if batch_norm or not isinstance(layer, nn.BatchNorm1d)])
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.linspace(-0.05, 0.07, p.numel()).reshape(p.shape) if p.numel() > 1 else p * 0 - 0.04)
            p.grad = torch.linspace(-1, 1, p.numel()).reshape(p.shape)
    return net


def clip_mistakes(old: Tensor, limit: float) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the parameters, all in one vector, and how to call them."""
    return [
        (
            old.clamp(max=limit),
            "only the upper side is clipped: weights below -limit are as they were, and a slope may be as steep "
            "downwards.",
        ),
        (old.clamp(min=-limit), "only the lower side is clipped: weights above the limit are as they were."),
        (
            old.clamp(0, limit),
            "weights are clipped to [0, limit]: the negative ones are lost. The interval is [-limit, limit].",
        ),
        (old.abs().clamp(max=limit), "the weights have lost their signs: clip p, not its absolute value."),
        (old.sign() * limit, "every weight is at the limit now: one that lies within [-limit, limit] stays as it is."),
        (limit * (old / limit).tanh(), "tanh moves all weights; one that lies within the limits stays as it is."),
        (
            torch.where(old.abs() > limit, 0.0, old),
            "weights beyond the limit are set to 0; they should be set to the limit they crossed.",
        ),
        (
            old * limit / old.norm(),
            "the weights were rescaled as one vector: that bounds their norm. Clipping moves each number alone.",
        ),
    ]


def check_clip_critic(answer: Answer) -> str:
    """`clip_critic(discriminator, limit)`: every parameter into [-limit, limit], in place."""
    for limit in (0.03, 0.01):
        _check_clipped(answer, limit)
    net = critic(batch_norm=True)
    buffers, clipped = all_statistics(net), all_parameters(net).clamp(-0.01, 0.01)
    try:
        call(answer, discriminator=net, limit=0.01)
    except Raised as error:
        raise Wrong(f"right without batch norm, but not with it. {BUFFERS} Seen: {error}") from error
    wrong_if(not close(all_statistics(net), buffers), f"batch norm's running variance was clipped too. {BUFFERS}")
    wrong_if(
        not close(all_parameters(net), clipped, 1e-6),
        "right without batch norm, but with it some parameters are left out: go through parameters(), which knows "
        "those of every layer.",
    )
    return "Weights and biases are clipped on both sides, in place; gradients and buffers are left alone."


def _check_clipped(answer: Answer, limit: float) -> None:
    net = critic(batch_norm=False)
    old, objects = all_parameters(net), [id(p) for p in net.parameters()]
    slopes = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]).clone()
    returned = call(answer, discriminator=net, limit=limit)
    now = all_parameters(net)
    kept_slopes = [p.grad for p in net.parameters() if p.grad is not None]
    wrong_if(
        [id(p) for p in net.parameters()] != objects,
        "the parameters are new objects: the optimiser goes on updating the old ones. Write into those that are there.",
    )
    changed = not kept_slopes or not close(torch.cat([g.flatten() for g in kept_slopes]), slopes)
    wrong_if(
        changed and close(now, old),
        "the gradients were clipped, and the weights are as they were: WGAN clips weights, after the optimiser's step.",
    )
    wrong_if(changed, "the weights' gradients have changed; only the weights themselves are clipped.")
    wrong_if(
        close(now, old) and returned is not None,
        "your function returns something and the critic is as it was: write into its parameters.",
    )
    wrong_if(
        close(now, old),
        "the weights are as they were. `p = p.clamp(...)` only gives the name p to a new tensor; write into the "
        "old one, with p.clamp_(...) or p.copy_(...).",
    )
    for value, message in clip_mistakes(old, limit):
        wrong_if(close(now, value, 1e-6), message)
    biases = [(p, q) for p, q in zip(net.parameters(), critic(batch_norm=False).parameters(), strict=True)]
    kept = [close(p.detach(), q.detach(), 1e-6) for p, q in biases if p.ndim == 1]
    right = old.clamp(-limit, limit)
    clipped = [close(p.detach(), q.detach().clamp(-limit, limit), 1e-6) for p, q in biases if p.ndim > 1]
    wrong_if(
        all(kept) and all(clipped),
        "the biases are left out: the published algorithm clips every parameter of the critic.",
    )
    wrong = int((~torch.isclose(now, right, atol=1e-6)).sum())
    wrong_if(wrong > 0, f"with limit {limit}, {wrong} of {len(now)} parameters are not clamp(p, -limit, limit).")
    wrong_if(
        not all(p.requires_grad and p.is_leaf for p in net.parameters()),
        "the parameters no longer train: clip them under torch.no_grad(), and leave requires_grad as it is.",
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


def penalty_mistakes(d: BentCritic, real: Tensor, fake: Tensor, mixed: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the gradients g (N, 2, 2, 2), and how to call them."""
    g = d.slopes(mixed)
    norm = g.flatten(1).norm(dim=1)
    right = (norm - 1).square().mean()
    deviation = norm - 1
    at_real, at_fake = (d.slopes(x).flatten(1).norm(dim=1) for x in (real, fake))
    return [
        (
            (g.norm() - 1).square(),
            "one norm was taken over the whole batch: each image has a gradient, and a norm, of its own.",
        ),
        (
            (g.norm(dim=0) - 1).square().mean(),
            "the norm was taken over the batch axis (dim 0); take it over each image's own numbers.",
        ),
        (
            (g.norm(dim=1) - 1).square().mean(),
            "the norm was taken over the channels alone (dim 1 of (N, C, H, W)), one for each pixel: flatten each "
            "image first, with flatten(1).",
        ),
        (
            (g.flatten(1).norm(dim=1) / len(g) - 1).square().mean(),
            "the gradient is N times too small: it was taken of the *mean* of the logits. Take it of their sum.",
        ),
        (
            (g.flatten(1).square().sum(1) - 1).square().mean(),
            "the root is missing: |g| - 1 is squared, and here it is |g|^2 - 1.",
        ),
        (norm.square().mean(), "the 1 is missing: a slope of 0 is punished as little as can be. It is (|g| - 1)^2."),
        (norm.square().mean() / 2, "this is R1's formula, half the squared norm; WGAN-GP wants the norm at 1."),
        (deviation.mean(), "the square is missing: too flat a slope would be rewarded."),
        (deviation.abs().mean(), "the deviation is not squared: it is (|g| - 1)^2, not its absolute value."),
        (deviation.mean().square(), "the mean came before the square: steep and flat images cancel out."),
        (right * len(real), "the penalty is summed over the batch; take the mean, or its weight grows with the batch."),
        (10 * right, "the weight 10 is in it already: return the penalty alone, and let the loss multiply it."),
        (right / 2, "this is half of ours: there is no factor 1/2 in WGAN-GP's penalty."),
        (
            (at_real - 1).square().mean(),
            "the gradient was taken at the real images; take it between the two, at t x + (1 - t) G(z).",
        ),
        (
            (at_fake - 1).square().mean(),
            "the gradient was taken at the fakes; take it between the two, at t x + (1 - t) G(z).",
        ),
        (
            (d.slopes((real + fake) / 2).flatten(1).norm(dim=1) - 1).square().mean(),
            "the point lies midway for every image: use t, one for each.",
        ),
        (
            (d.slopes(real + fake).flatten(1).norm(dim=1) - 1).square().mean(),
            "real and fake are added up: weigh them with t and 1 - t.",
        ),
        (
            relu(deviation).square().mean(),
            "this is the one-sided penalty, for slopes above 1 alone; the published one also pulls flat slopes up.",
        ),
    ]


def check_wgan_gp_penalty(answer: Answer) -> str:
    """`wgan_gp_penalty(discriminator, real, fake, t)`: mean (|g| - 1)^2 at t real + (1 - t) fake."""
    d = BentCritic(bend=-0.7)
    real, fake = torch.rand(5, 2, 2, 2) * 2 - 1, torch.rand(5, 2, 2, 2) * 2 - 1
    t = torch.tensor([0.1, 0.35, 0.7, 0.85, 0.95]).reshape(5, 1, 1, 1)
    penalty, again = (_penalty(answer, d, real, fake, t) for _ in range(2))
    wrong_if(
        d.weight.grad is not None,
        "your function calls backward; it should return the penalty and leave that to the loop.",
    )
    wrong_if(not close(penalty, again), "two calls with the same t give two penalties: use the t that is given.")
    # t and 1 - t are drawn alike, so either may be the real image's share
    ways = [t * real + (1 - t) * fake, t * fake + (1 - t) * real]
    rights = [(d.slopes(x).flatten(1).norm(dim=1) - 1).square().mean() for x in ways]
    way = int(close(penalty.detach(), rights[1].detach()))
    for mixed in ways:
        for value, message in penalty_mistakes(d, real, fake, mixed):
            wrong_if(close(penalty.detach(), value.detach()), message)
    wrong_if(
        not close(penalty.detach(), rights[way].detach()),
        f"on a critic with known gradients your penalty is {penalty:.4f}; it should be {rights[0]:.4f}.",
    )
    wrong_if(
        not penalty.requires_grad,
        "the value is right, but it is a plain number to D: the inner gradient needs create_graph=True, or the "
        "penalty teaches D nothing.",
    )
    (slope,) = torch.autograd.grad(penalty, [d.weight], allow_unused=True)
    (wanted,) = torch.autograd.grad(rights[way], [d.weight])
    wrong_if(
        slope is None or not close(slope, wanted),
        "the value is right, but its gradient in D's weights is not: something in it is detached.",
    )
    flat = _penalty(answer, BentCritic(bend=0.0), real, fake, t).detach()
    wanted_flat = (BentCritic(0.0).weight.detach().norm() - 1).square()
    wrong_if(not close(flat, wanted_flat), f"on a linear critic it should be (|w| - 1)^2 = {wanted_flat:.4f}.")
    return "A norm for each image, the point between, and a gradient that reaches D: all right."


def _penalty(answer: Answer, d: BentCritic, real: Tensor, fake: Tensor, t: Tensor) -> Tensor:
    """The answer's penalty on copies, which it may mark as wanting gradients."""
    found = call(answer, discriminator=d, real=real.clone(), fake=fake.clone(), t=t.clone())
    return scalar(found, "the penalty")


# --- relativistic_generator ---


def relativistic_mistakes(real: Tensor, fake: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the logits (N,), and how to call them."""
    right = softplus(real - fake).mean()
    return [
        (
            softplus(fake - real).mean(),
            "this is D's loss: it falls when the real of a pair looks more real. For G turn the difference round.",
        ),
        (
            softplus(real[:, None] - fake[None, :]).mean(),
            "all N^2 pairs are compared, as shapes (N, 1) and (N,) do by themselves; pair each fake with the one "
            "real beside it.",
        ),
        (
            softplus(-fake).mean(),
            "the real logits are not used: this is the non-saturating loss, which asks that fakes look real, not "
            "more real than reals.",
        ),
        (
            softplus(real.mean() - fake.mean()),
            "the mean came before the softplus: the pairs are lost, and with them most of the gradient.",
        ),
        (
            softplus(real.mean() - fake).mean(),
            "fakes are compared with the reals' *average*: that is the relativistic average loss. Here each has "
            "its partner.",
        ),
        (
            softplus(real.mean() - fake).mean() + softplus(real - fake.mean()).mean(),
            "this is the relativistic average loss in both its halves; the paired one has one softplus of one "
            "difference.",
        ),
        (
            (softplus(real.mean() - fake).mean() + softplus(real - fake.mean()).mean()) / 2,
            "this is the relativistic average loss, both halves averaged; the paired one has one softplus of one "
            "difference.",
        ),
        (
            -softplus(fake - real).mean(),
            "this is minus D's loss, the minimax form: its slope dies where D is sure of a pair. Use "
            "softplus(D(x) - D(G(z))).",
        ),
        (-right, "the sign is turned: an optimiser would make the fakes look less real."),
        ((real - fake).mean(), "the softplus is missing: a bare difference is a Wasserstein critic's gap."),
        (relu(1 + real - fake).mean(), "a hinge stands where the softplus should."),
        (
            softplus(real.sigmoid() - fake.sigmoid()).mean(),
            "a sigmoid comes before the difference: subtract the logits, not the probabilities.",
        ),
        (softplus(real + fake).mean(), "the logits are added up; what counts is their difference."),
        (right * len(real), SUMMED),
        (right + softplus(fake - real).mean(), "both players' losses are added up; G's is one of them."),
    ]


def check_relativistic_generator(answer: Answer) -> str:
    """`relativistic_generator(fake_logits, real_logits)`: mean softplus(real - fake), pair by pair."""
    real, fake = logit_pair()
    loss = scalar(call(answer, fake_logits=fake, real_logits=real), "the loss")
    with torch.no_grad():
        for value, message in relativistic_mistakes(real, fake):
            wrong_if(close(loss.detach(), value), message)
        wrong_value(loss.detach(), softplus(real - fake).mean(), "loss")
    wrong_if(not loss.requires_grad, "no gradient reaches G: the loss is detached from the fake logits.")
    (slope,) = torch.autograd.grad(loss, [fake], allow_unused=True)
    wrong_if(slope is None, "the value is right, but the fake logits are detached: G learns nothing.")
    wrong_if(
        not close(slope, -(real - fake).sigmoid().detach() / len(fake)),
        "the value is right, but its slope in the fake logits is not: something in it is detached.",
    )
    large = torch.full((6,), 200.0)
    at_large = scalar(call(answer, fake_logits=-large, real_logits=large), "the loss").detach()
    wrong_if(
        not at_large.isfinite(),
        "right for small logits, but a difference of 400 makes it overflow: exp(400) is infinite, and so is the log "
        "of a sigmoid that rounds to 0. Use softplus or logsigmoid.",
    )
    wrong_if(
        not close(at_large, 400.0),
        f"right for small logits, but for a difference of 400 it is {at_large:.1f} and should be 400: something "
        "holds the log back.",
    )
    return "Pair by pair, the right way round, and finite for large logits: all right."


CHECKS: dict[str, Check] = {
    "hinge_discriminator": check_hinge_discriminator,
    "clip_critic": check_clip_critic,
    "wgan_gp_penalty": check_wgan_gp_penalty,
    "relativistic_generator": check_relativistic_generator,
}
