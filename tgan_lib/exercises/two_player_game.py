"""Checks of chapter 01, the two-player game: the best D, D's logits as a divergence, one step of G.

A mistake is recognised by computing what that mistake would give, as everywhere in these checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .core import NOT_WRITTEN, Check, Raised, Wrong, call, close, wrong_if
from .linear import LinearDiscriminator, LinearGenerator

Answer = Callable[..., Any]
LOG2 = math.log(2)

# --- optimal_discriminator ---

# Densities at five points: no two of the mistakes below agree on all of them.
P, Q = torch.tensor([1.5, 0.5, 0.02, 0.3, 2.0]), torch.tensor([1.5, 0.1, 0.4, 0.9, 0.25])

DISCRIMINATOR_MISTAKES: list[tuple[Callable[[Tensor, Tensor], Tensor], str]] = [
    (
        lambda p, q: q / (p + q),
        "this is the probability of `generated`: D says how likely `real` is, so p_data stands on top.",
    ),
    (
        lambda p, q: p.log() - q.log(),
        "this is the best logit. D is asked for, a probability: one function is missing around it.",
    ),
    (lambda p, q: p / q, "this is the ratio of the densities, D / (1 - D); D itself stays between 0 and 1."),
    (
        lambda p, q: 2 * p / (p + q),
        "this is twice too large: it divides by the average of the densities in place of their sum.",
    ),
    (
        lambda p, q: p.log() / (p.log() + q.log()),
        "the logs are used as if they were densities; p / (p + q) needs p = exp(log p).",
    ),
    (
        lambda p, q: p.log() - (p + q).log(),
        "this is log D, which is never above 0; D is asked for.",
    ),
    (
        lambda p, q: (p > q).float(),
        "every answer is 0 or 1: that is the best guess, and D says how sure it is.",
    ),
    (
        lambda p, q: p,
        "this is p_data alone; how likely `real` is depends on how dense the generated points are, too.",
    ),
]


def check_optimal_discriminator(answer: Answer) -> str:
    """`optimal_discriminator(log_p_data, log_p_g)`: sigmoid(log_p_data - log_p_g), for any log densities."""
    got = _probabilities(answer, P.log(), Q.log())
    right = P / (P + Q)
    for mistake, message in DISCRIMINATOR_MISTAKES:
        wrong_if(_same(got, mistake(P, Q)), message)
    wrong_if(
        not _same(got, right),
        f"for densities {P[1]:g} and {Q[1]:g} your function says {got[1]:.4g}; it should be {right[1]:.4g}.",
    )
    far = _probabilities(answer, torch.tensor([-2000.0, -300.0]), torch.tensor([-2001.0, -300.0]))
    wrong_if(
        not far.isfinite().all(),
        f"far from all the data, at log densities of -2000 and -2001, your D is {far[0]:.3g}: exp rounds both "
        "to 0, and 0 / 0 is no number. Work with the difference of the logs.",
    )
    wrong_if(
        not _same(far, torch.tensor([-1.0, 0.0]).neg().sigmoid()),
        f"at log densities of -2000 and -2001 D should be {torch.tensor(1.0).sigmoid():.3f} and yours is "
        f"{far[0]:.3g}: only their difference counts, and exp, or an epsilon or clamp, has lost it.",
    )
    sure = _probabilities(answer, torch.tensor([500.0, -500.0]), torch.tensor([-500.0, 500.0]))
    wrong_if(
        not _same(sure, torch.tensor([1.0, 0.0])),
        f"where one density is e^1000 times the other D should be 1 or 0; yours is {sure[0]:.3g}, "
        f"{sure[1]:.3g}: something overflows or is clamped.",
    )
    return "Right, and where both densities are too small for exp as well."


def _same(got: Tensor, wanted: Tensor) -> bool:
    return bool(torch.allclose(got.double(), wanted.double(), rtol=1e-4, atol=1e-6))


def _probabilities(answer: Answer, log_p: Tensor, log_q: Tensor) -> Tensor:
    value = call(answer, log_p_data=log_p.clone(), log_p_g=log_q.clone())
    wrong_if(value is None or value is ..., f"{NOT_WRITTEN}: your function returns nothing.")
    try:
        found = torch.as_tensor(value, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"your function returns {value!r}; D is one probability for each point.") from None
    wrong_if(
        found.shape != log_p.shape,
        f"from log densities of {len(log_p)} points your function makes shape {tuple(found.shape)}; "
        "D is one probability for each point.",
    )
    return found


# --- js_from_logits ---


def js_mistakes(real: Tensor, fake: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of D's logits on real and on generated points, and how to call them."""
    real_half, fake_half = softplus(-real).mean(), softplus(fake).mean()
    loss = real_half + fake_half
    right = LOG2 - loss / 2
    together = torch.cat([softplus(-real), softplus(fake)])
    swapped = LOG2 - (softplus(real).mean() + softplus(-fake).mean()) / 2
    return [
        (-loss, "this is the value V; solve V = -log 4 + 2 JS for JS."),
        (loss, "this is D's loss; JS is what solves loss = log 4 - 2 JS."),
        (2 * right, "this is 2 JS: V + log 4 is twice the divergence."),
        (
            right / LOG2,
            "this is in bits; with natural logs, as everywhere in this book, JS is at most log 2.",
        ),
        (
            swapped,
            "real and generated are swapped: D's logit is positive for real, so the real half is softplus(-r).",
        ),
        (LOG2 - loss, "the loss is not halved: loss = log 4 - 2 JS, so JS = log 2 - loss / 2."),
        (-right, "the sign is turned: a D that tells them apart has a small loss and shows a large JS."),
        (2 * LOG2 - loss / 2, "log 4 has to be halved as well: JS = (log 4 - loss) / 2."),
        (-loss / 2, "log 2 is missing: a D that cannot tell has the loss log 4, and the JS it shows is 0."),
        (
            LOG2 - together.mean(),
            "one mean is taken over all points together. There are not as many real as generated ones here: "
            "take a mean of each and add them.",
        ),
        (
            LOG2 - together.sum() / 2,
            "the losses are summed; take means, or the divergence depends on the number of points.",
        ),
        (LOG2 - real_half / 2, "only the real half of the loss is there."),
        (LOG2 - fake_half / 2, "only the generated half of the loss is there."),
    ]


def check_js_from_logits(answer: Answer) -> str:
    """`js_from_logits(real_logits, fake_logits)`: log 2 - (mean softplus(-real) + mean softplus(fake)) / 2."""
    real = torch.tensor([2.0, -0.5, 1.3, 3.1])
    fake = torch.tensor([-1.0, 0.4, -2.5, -0.3, 1.7, -3.0])
    got = _number(answer, real, fake)
    for value, message in js_mistakes(real, fake):
        wrong_if(close(got, value), message)
    right = _js(real, fake)
    wrong_if(not close(got, right), f"on ten logits your estimate is {got:.4f}; it should be {right:.4f}.")
    worse = _number(answer, -real, -fake)
    wrong_if(
        close(worse, 0.0) or close(worse, right),
        f"for a D that is worse than a coin you return {worse:.4f}; the formula gives {_js(-real, -fake):.4f}. "
        "A negative estimate is news (D is behind): leave it as it is.",
    )
    wrong_if(
        not close(worse, _js(-real, -fake)),
        f"right for a good D; for one worse than a coin you say {worse:.4f} in place of {_js(-real, -fake):.4f}.",
    )
    fooled = _number(answer, torch.full((4,), -200.0), torch.full((6,), 200.0))
    wrong_if(
        not math.isfinite(fooled),
        f"right for small logits, but logits of -200 and 200 make it {fooled}: the sigmoid rounds to 0 or 1 "
        "and a log overflows. Use softplus.",
    )
    wrong_if(
        not close(fooled, LOG2 - 200),
        f"right for small logits; for -200 and 200 you return {fooled:.1f} in place of {LOG2 - 200:.1f}: the "
        "logs are held back, by an epsilon or by binary_cross_entropy's clamp. Start from logits.",
    )
    return "Its value, a D worse than a coin, and very large logits: all right."


def _js(real: Tensor, fake: Tensor) -> float:
    return LOG2 - float(softplus(-real).mean() + softplus(fake).mean()) / 2


def _number(answer: Answer, real: Tensor, fake: Tensor) -> float:
    value = call(answer, real_logits=real.clone(), fake_logits=fake.clone())
    wrong_if(value is None or value is ..., f"{NOT_WRITTEN}: your function returns nothing.")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise Wrong(f"your function returns shape {tuple(value.shape)}; the estimate is one number.")
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"your function returns {value!r}; the estimate is one number.") from None


# --- generator_step ---

RATE = 0.1
STALE = 7.0  # what every gradient is before the step: a step that adds to it goes far astray


class Watched(torch.optim.SGD):
    """Plain gradient descent that notes, at each call, the gradient it finds."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__([weight], lr=RATE)
        self.weight = weight
        self.calls: list[tuple[str, Tensor | None]] = []

    def note(self, name: str) -> None:
        self.calls.append((name, None if self.weight.grad is None else self.weight.grad.clone()))

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.note("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:  # it computes the gradient that the step then takes
            with torch.enable_grad():
                loss = closure()
        self.note("step")
        super().step()
        return loss


def check_generator_step(answer: Answer) -> str:
    """`generator_step(generator, discriminator, optimiser, z)`: one step of G on mean log(1 - D(G(z)))."""
    z = torch.randn(5, 3)
    g, d, optimiser, moved = _stepped(answer, z, _pair)
    again = _stepped(answer, z, _pair)[3]
    start = _pair()[1]
    wrong_if(
        not close(d.weight, start.weight) or not close(d.bias, start.bias),
        "D has changed: in G's step D only judges, and its own step comes in its own turn.",
    )
    wrong_if(
        not all(p.requires_grad for p in [*d.parameters(), *g.parameters()]),
        "after your step some parameters no longer want gradients, and the next step of D needs them.",
    )
    _check_calls(optimiser, moved, d)
    wrong_if(
        not close(moved, again),
        "two steps from the same place with the same z go two ways: use the z that is given, and draw nothing.",
    )
    _check_direction(moved, z)
    _check_fooled(answer)
    return "G moves downhill, from fresh gradients, and D is left as it was."


def _pair() -> tuple[LinearGenerator, LinearDiscriminator]:
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    return g, LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3)


def _fooled_pair() -> tuple[LinearGenerator, LinearDiscriminator]:
    """Logits of 60 for ones: D is sure that generated points are real."""
    return LinearGenerator([[1.0] * 4]), LinearDiscriminator([15.0] * 4)


def _stepped(
    answer: Answer, z: Tensor, build: Callable[[], tuple[LinearGenerator, LinearDiscriminator]]
) -> tuple[LinearGenerator, LinearDiscriminator, Watched, Tensor]:
    """G, D, the optimiser and how far G's weights went, after the answer's step from stale gradients."""
    g, d = build()
    for p in [*g.parameters(), *d.parameters()]:
        p.grad = torch.full_like(p, STALE)
    optimiser, before = Watched(g.weight), g.weight.detach().clone()
    try:
        call(answer, generator=g, discriminator=d, optimiser=optimiser, z=z.clone())
    except Raised as error:
        if "does not require grad" in str(error):
            raise Wrong(
                "the loss has no way back to any weight: something is detached or under no_grad. In G's step "
                "nothing may be; D's weights stay as they are because G's optimiser does not hold them."
            ) from error
        raise
    return g, d, optimiser, g.weight.detach() - before


def _check_calls(optimiser: Watched, moved: Tensor, d: LinearDiscriminator) -> None:
    """That the optimiser stepped, once, on a gradient that had just been computed.

    A gradient new to D tells points that were detached from a backward() that was never called.
    """
    steps = [grad for name, grad in optimiser.calls if name == "step"]
    wrong_if(
        not optimiser.calls and close(moved, torch.zeros_like(moved)), "G is where it was: nothing steps."
    )
    wrong_if(
        not steps and close(moved, torch.zeros_like(moved)),
        "G is where it was: the gradient is computed, but `optimiser.step()` is never called.",
    )
    wrong_if(len(steps) > 1, f"the optimiser steps {len(steps)} times; one round has one step of G.")
    wrong_if(
        not steps,
        "G moves, but not by `optimiser.step()`: the optimiser knows the rate, and may be Adam as well.",
    )
    grad = steps[0]
    stale = grad is not None and close(grad, torch.full_like(grad, STALE))
    wrong_if(stale, "the optimiser steps on the old gradient: call backward() before step().")
    if grad is None or close(grad, torch.zeros_like(grad)):
        cleared = [seen for name, seen in optimiser.calls if name == "zero_grad" and seen is not None]
        fresh = any(not close(seen, torch.full_like(seen, STALE)) for seen in cleared)
        late = optimiser.weight.grad
        wrong_if(
            late is not None and not close(late, torch.zeros_like(late)),
            "the optimiser steps before there is a gradient, so G does not move: backward() comes before step().",
        )
        at_d = d.weight.grad
        nowhere = at_d is None or close(at_d, torch.full_like(at_d, STALE))
        wrong_if(
            nowhere and not fresh,
            "there is no gradient to step on: `backward()` is never called on the loss.",
        )
        raise Wrong(
            "the gradient is cleared between backward() and step(), so G does not move: zero_grad() comes first."
            if fresh
            else "no gradient reaches G: the generated points are detached. That is right in D's step, where G "
            "has no part; in G's step the gradient has to come back through D into G."
        )


def _check_direction(moved: Tensor, z: Tensor) -> None:
    """Whether the step is the right one, or else which loss or slip would have made it."""
    g, d = _pair()
    logits = d(g(z))

    def step(loss: Tensor) -> Tensor:
        return -RATE * torch.autograd.grad(loss, g.weight, retain_graph=True)[0]

    right = step(-softplus(logits).mean())
    stale = torch.full_like(right, -RATE * STALE)
    mistakes = [
        (
            right + stale,
            "the new gradient is added to the old one: call zero_grad() before backward(), or what an earlier step "
            "left there still pulls.",
        ),
        (
            -right,
            "G goes the wrong way: it minimises what D minimises, softplus(logit), and makes D's work easier. "
            "The minimax loss is minus that.",
        ),
        (step(softplus(-logits).mean()), "this is the non-saturating loss, chapter 2's; the game's own is "
         "log(1 - D(G(z))) = -softplus(logit)."),
        (
            step(-softplus(logits).sum()),
            "the loss is summed over the batch; take the mean, or the step grows with the batch.",
        ),
        (step(-logits.mean()), "the loss is minus the logit itself; log(1 - D) is -softplus(logit)."),
        (
            step((1 - logits.sigmoid()).mean()),
            "the log is missing: G minimises the mean of log(1 - D), and this is the mean of 1 - D.",
        ),
        (
            step(-softplus(logits.sigmoid()).mean()),
            "softplus is given a probability: it wants D's logits as they are, without a sigmoid.",
        ),
    ]  # fmt: skip
    for value, message in mistakes:
        wrong_if(close(moved, value), message)
    wrong_if(
        not close(moved, right),
        f"G's first weight moves by {moved[0, 0]:.4f} and should move by {right[0, 0]:.4f}.",
    )


def _check_fooled(answer: Answer) -> None:
    z = torch.ones(4, 1)
    moved = _stepped(answer, z, _fooled_pair)[3]
    right = torch.full_like(moved, RATE * 15.0)  # the slope is -sigmoid(60) = -1, times D's weight
    wrong_if(
        not moved.isfinite().all(),
        "right where logits are small, but a logit of 60 makes G's weights nan: 1 - sigmoid rounds to 0 and "
        "its log overflows. Write the loss with softplus.",
    )
    wrong_if(
        not close(moved, right),
        f"right where logits are small, but at a logit of 60 G's weights move by {moved[0, 0]:.3g} in place of "
        f"{right[0, 0]:.3g}: an epsilon or a clamp in the log takes the gradient away. Write it with softplus.",
    )


CHECKS: dict[str, Check] = {
    "optimal_discriminator": check_optimal_discriminator,
    "js_from_logits": check_js_from_logits,
    "generator_step": check_generator_step,
}
