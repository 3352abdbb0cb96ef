"""Checks of chapter 02, saturation: both slopes, the minimax loss from logits, a loss in the other convention, and the
minimax loss with its scale given back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, logsigmoid, softplus

from .core import Check, Wrong, shown, wrong_if
from .value import Value, exercise

LOGITS = torch.tensor([-3.0, -0.7, 0.4, 2.5, 1.1])
SURE = torch.tensor([200.0, 30.0])  # so large that a probability rounds to 1

SUMMED = "the loss is summed; take the mean, or the gradient grows with the batch."
BUT_SURE = "right for small logits, but logits of 200 and 30 make it "
LIMITED = (
    "-100 or 100: that is where binary_cross_entropy holds its logs, and its gradient there is 0. Start from logits."
)

# --- generator_slopes ---


def slopes(logits: Tensor) -> tuple[Tensor, Tensor]:
    return -logits.sigmoid(), -(-logits).sigmoid()


def slope_mistakes(logits: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What the known mistakes make of the logits: (minimax, non-saturating)."""
    d, (mm, ns), n = logits.sigmoid(), slopes(logits), len(logits)
    return {
        "the two are swapped: the minimax loss is the one whose slope dies at very negative logits.": (ns, mm),
        "both signs are turned: G wants logits to rise, so both losses fall as the logit rises, and both slopes are "
        "negative.": (-mm, -ns),
        "the non-saturating slope has the wrong sign: softplus(-l) falls as l rises. The inner minus counts.": (
            mm,
            -ns,
        ),
        "the minimax slope has the wrong sign: the loss is log(1 - D) = -softplus(l), with a minus.": (-mm, ns),
        "each slope is divided by the number of logits: that is the slope of the mean. Here, one logit at a time.": (
            mm / n,
            ns / n,
        ),
        "these are the slopes with respect to the probability D; multiply by the sigmoid's own slope, D (1 - D), to "
        "get to the logit.": (-1 / (1 - d), -1 / d),
        "this is the sigmoid's slope; the log before it is still to be differentiated.": (d * (1 - d), d * (1 - d)),
        "this is minus the sigmoid's slope; the log before it is still to be differentiated.": (
            -d * (1 - d),
            -d * (1 - d),
        ),
        "these are the losses themselves; their slopes are asked for.": (-softplus(logits), softplus(-logits)),
        "both slopes are the minimax one; the other loss pushes hardest where this one dies.": (mm, mm),
        "both slopes are the non-saturating one; the minimax one is -sigmoid(l).": (ns, ns),
    }


GENERATOR_SLOPES = Value(
    right=slopes,
    given=[(LOGITS,)],
    mistakes=slope_mistakes,
    what="a slope",
    hint="there is one for each logit",
    parts=("minimax", "non-saturating"),
    wrong="at a logit of {at:g} your {part} slope is {got:.4f}; it should be {right:.4f}.",
)
FAR_SLOPES = GENERATOR_SLOPES.at(
    [(torch.tensor([-40.0, 40.0, -1000.0, 1000.0]),)],
    but="right for small logits, but at a logit of -40, 40, -1000 or 1000 ",
    mistakes={
        "1 - sigmoid(40) rounds to 0. Write the slope as sigmoid(-l).": lambda logits: (
            -logits.sigmoid(),
            logits.sigmoid() - 1,
        )
    },
    overflow="a slope is no number: exp overflows. Use torch.sigmoid.",
    wrong="your {part} slope is not right: at {at:g} it is {got:.1e} and should be {right:.1e}, tiny but not 0 on the "
    "one side, -1 on the other.",
    tolerance=(0.01, 1e-29),
)

# --- minimax_generator_loss ---


def minimax(logits: Tensor) -> Tensor:
    return -softplus(logits).mean()


MINIMAX = Value(
    right=minimax,
    given=[(LOGITS,)],
    mistakes={
        "this is the non-saturating loss, -log D. The minimax loss is what D maximises: log(1 - D).": lambda s: (
            softplus(-s).mean()
        ),
        "the sign is turned: -log(1 - D) is D's own loss on generated images, and G wants the opposite.": lambda s: (
            softplus(s).mean()
        ),
        "this is log D, which an optimiser would make small: G's images would look less real.": lambda s: (
            -softplus(-s).mean()
        ),
        SUMMED: lambda s: -softplus(s).sum(),
        "softplus is given a probability: it wants the logits as they are, without a sigmoid.": lambda s: (
            -softplus(s.sigmoid()).mean()
        ),
        "the log is missing: this is the mean of 1 - D.": lambda s: (1 - s.sigmoid()).mean(),
        "the log is taken of the mean; take the mean of the logs.": lambda s: (1 - s.sigmoid()).mean().log(),
        "this is a critic's loss, linear in the logits: the softplus is missing.": lambda s: -s.mean(),
    },
    what="the loss",
    hint="take the mean over the batch",
    wrong="on five logits your loss is {got:.4f}; it should be {right:.4f}.",
    learns=["logits"],
    cut="no gradient reaches the logits: the loss is detached or computed under no_grad, and G could not learn.",
    slope="the value is right, but its gradient is {got:.3g} in place of {right:.3g}: something on the way is "
    "detached, clamped or rounded, and has cut it off.",
)
EPSILON = "{got:.1f} in place of {right:.1f}: an epsilon or a clamp holds the log back, and the gradient with it. "
SURE_MINIMAX = MINIMAX.at(
    [(SURE,)],
    but=BUT_SURE,
    mistakes={LIMITED: lambda s: -binary_cross_entropy(s.sigmoid(), torch.zeros_like(s))},
    overflow="{got:.0f}: the sigmoid rounds, and the log of 0 is infinite. Write it with softplus.",
    wrong=EPSILON + "Start from logits.",
    slope="right in value alone: its gradient is {got:.3g} in place of {right:g}, and a clamp or a rounded probability "
    "has cut it off.",
)

# --- flipped_generator_loss ---


def flipped(logits: Tensor) -> Tensor:
    return softplus(logits).mean()


def flipped_back(logits: Tensor) -> Tensor:
    return softplus(-logits).mean()


FLIPPED = MINIMAX.at(
    [(LOGITS,)],
    right=flipped,
    mistakes={
        "this is right where a high logit means `real`. Here it means `generated`, and this loss would make G's images "
        "easier to tell.": lambda s: softplus(-s).mean(),
        "this is the minimax loss, correctly turned round: log of the probability of `generated`. The non-saturating "
        "one is asked for.": lambda s: -softplus(-s).mean(),
        "the sign is turned: this raises the scores, and a high score means `generated`.": lambda s: (
            -softplus(s).mean()
        ),
        SUMMED: lambda s: softplus(s).sum(),
        "this is a critic's loss, linear in the scores: the logarithm is missing.": lambda s: s.mean(),
        "this is a critic's loss in our own convention, linear, and high scores are `real` there.": lambda s: -s.mean(),
        "the log is missing: this is the mean probability of `generated`.": lambda s: s.sigmoid().mean(),
    },
    wrong="on five scores your loss is {got:.4f}; it should be {right:.4f}.",
)
SURE_FLIPPED = SURE_MINIMAX.at(
    [(SURE,)],
    right=flipped,
    but=BUT_SURE,
    mistakes={LIMITED: lambda s: binary_cross_entropy(s.sigmoid(), torch.zeros_like(s))},
    wrong=EPSILON + "Start from logits.",
)

# --- loud_minimax_loss ---


def loud(logits: Tensor) -> Tensor:
    return -(logsigmoid(logits).softmax(0).detach() * logits).sum()


def pull(loss: object, logits: Tensor) -> Tensor | None:
    """Minus the gradient by each logit, whatever the loss's own value: how hard each is pushed up."""
    if loss is None:
        return None
    if not isinstance(loss, Tensor):
        raise Wrong(f"your function returns {shown(loss)}; return the loss as a tensor, without .item() or float().")
    wrong_if(loss.numel() != 1, f"your loss has shape {tuple(loss.shape)}; one number for the batch is wanted.")
    wrong_if(
        bool(loss.isnan().any()), "the loss is no number: 0 / 0, as where every sigmoid has become 0. Divide in logs."
    )
    wrong_if(
        not loss.requires_grad,
        "no gradient reaches the logits: only the weights are to be detached, not what they multiply.",
    )
    (slope,) = torch.autograd.grad(loss.sum(), logits, allow_unused=True)
    if slope is None:
        raise Wrong("no gradient reaches the logits: only the weights are to be detached, not what they multiply.")
    return -slope


def by(weights: Tensor, logits: Tensor) -> Tensor:
    return -(weights.detach() * logits).sum()


def wanting(*logits: Tensor) -> list[tuple[Tensor]]:
    return [(each.clone().requires_grad_(),) for each in logits]


LOUD = Value(
    right=loud,
    given=lambda: wanting(LOGITS),
    mistakes={
        "this is the minimax loss as it was: its pushes are D / N, and die with D. Divide by their sum.": minimax,
        "the weights sum to N, not to 1: this push is N times too strong.": lambda s: len(s) * loud(s),
        "the weights are not held: a gradient goes through them as well. Detach them.": lambda s: (
            -(logsigmoid(s).softmax(0) * s).sum()
        ),
        "the weights sum to 1 already; do not take the mean over the batch besides.": lambda s: loud(s) / len(s),
        "the sign is turned: an optimiser would push the logits down.": lambda s: -loud(s),
        "every image counts alike: the scale is back, but the minimax loss's weights are gone.": lambda s: -s.mean(),
        "these are weights e^l; the minimax loss has D = sigmoid(l), which is e^l only where D is sure.": lambda s: by(
            s.softmax(0), s
        ),
        "these weights go with 1 - D, as the non-saturating loss's do; the minimax loss's go with D.": lambda s: by(
            logsigmoid(-s).softmax(0), s
        ),
        "this is the non-saturating loss: another scale, and other weights too.": flipped_back,
        "the weights multiply the losses, whose own slopes hold D once more; multiply the logits.": lambda s: by(
            logsigmoid(s).softmax(0), softplus(s)
        ),
        "these weights are divided by the largest, not by their sum.": lambda s: by(s.sigmoid() / s.sigmoid().max(), s),
    },
    what="the push on a logit",
    seen=pull,
    wrong="at a logit of {at:g} your loss pushes with {got:.4f}; it should push with {right:.4f}, this image's share.",
)
FAR_LOUD = LOUD.at(
    lambda: wanting(torch.tensor([-200.0, -201.5, -199.0]), torch.tensor([200.0, 30.0, -30.0])),
    but="right for small logits, but where D is very sure ",
    wrong="your loss pushes with {got:.4f} in place of {right:.4f}: the sigmoids have become 0, and an epsilon or a "
    "clamp hides it. Divide in logs.",
)

CHECKS: dict[str, Check] = {
    "generator_slopes": exercise(
        GENERATOR_SLOPES, FAR_SLOPES, passed="Both slopes, their signs, and their tails at logits of 40: all right."
    ),
    "minimax_generator_loss": exercise(
        MINIMAX, SURE_MINIMAX, passed="Its value, its gradient, and logits of 200: all right."
    ),
    "flipped_generator_loss": exercise(
        FLIPPED, SURE_FLIPPED, passed="Low scores are what G wants here, and it learns fastest where D is sure: right."
    ),
    "loud_minimax_loss": exercise(
        LOUD, FAR_LOUD, passed="Shares of 1 that go with D, held, and at logits of -200 too: right. Now run it."
    ),
}
