"""Checks of chapter 02, saturation: both slopes, the minimax loss from logits, a loss in the other convention.

A mistake is recognised by computing what that mistake would give, as everywhere in these checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from .core import NOT_WRITTEN, Check, Wrong, call, close, scalar, wrong_if

Answer = Callable[..., Any]
LOGITS = torch.tensor([-3.0, -0.7, 0.4, 2.5, 1.1])

# --- generator_slopes ---


def slope_mistakes(logits: Tensor) -> list[tuple[Tensor, Tensor, str]]:
    """What the known mistakes make of the logits: (minimax, non-saturating, how to call it)."""
    d = logits.sigmoid()
    mm, ns, n = -d, -(-logits).sigmoid(), len(logits)
    return [
        (
            ns,
            mm,
            "the two are swapped: the minimax loss is the one whose slope dies at very negative logits.",
        ),
        (
            -mm,
            -ns,
            "both signs are turned: G wants logits to rise, so both losses fall as the logit rises, and both "
            "slopes are negative.",
        ),
        (
            mm,
            -ns,
            "the non-saturating slope has the wrong sign: softplus(-l) falls as l rises. The inner minus counts.",
        ),
        (
            -mm,
            ns,
            "the minimax slope has the wrong sign: the loss is log(1 - D) = -softplus(l), with a minus.",
        ),
        (
            mm / n,
            ns / n,
            "each slope is divided by the number of logits: that is the slope of the mean. Here, one logit at a "
            "time.",
        ),
        (
            -1 / (1 - d),
            -1 / d,
            "these are the slopes with respect to the probability D; multiply by the sigmoid's own slope, "
            "D (1 - D), to get to the logit.",
        ),
        (
            d * (1 - d),
            d * (1 - d),
            "this is the sigmoid's slope; the log before it is still to be differentiated.",
        ),
        (
            -d * (1 - d),
            -d * (1 - d),
            "this is minus the sigmoid's slope; the log before it is still to be differentiated.",
        ),
        (
            -softplus(logits),
            softplus(-logits),
            "these are the losses themselves; their slopes are asked for.",
        ),
        (mm, mm, "both slopes are the minimax one; the other loss pushes hardest where this one dies."),
        (ns, ns, "both slopes are the non-saturating one; the minimax one is -sigmoid(l)."),
    ]


def check_generator_slopes(answer: Answer) -> str:
    """`generator_slopes(logits)`: -sigmoid(l) of the minimax loss, -sigmoid(-l) of the non-saturating one."""
    got = _slopes(answer, LOGITS)
    for minimax, non_saturating, message in slope_mistakes(LOGITS):
        wrong_if(close(got[0], minimax) and close(got[1], non_saturating), message)
    for name, seen, right in zip(
        ("minimax", "non-saturating"), got, (-LOGITS.sigmoid(), -(-LOGITS).sigmoid()), strict=True
    ):
        wrong_if(
            not close(seen, right),
            f"at a logit of -3 your {name} slope is {seen[0]:.4f}; it should be {right[0]:.4f}.",
        )
    far = torch.tensor([-40.0, 40.0, -1000.0, 1000.0])
    minimax, non_saturating = _slopes(answer, far)
    wrong_if(
        not (minimax.isfinite().all() and non_saturating.isfinite().all()),
        "right for small logits, but at a logit of -1000 or 1000 a slope is no number: exp overflows. Use "
        "torch.sigmoid.",
    )
    wrong_if(
        not (close(minimax[1], -1.0) and close(minimax[3], -1.0) and close(non_saturating[0], -1.0)),
        "right for small logits, but the steep side should be -1 however large the logit is.",
    )
    tiny = torch.tensor(-40.0).sigmoid()
    wrong_if(
        not _near(minimax[0], -tiny),
        f"at a logit of -40 the minimax slope is {-tiny:.1e}, tiny but not {minimax[0]:.1e}.",
    )
    wrong_if(
        not _near(non_saturating[1], -tiny),
        f"at a logit of 40 the non-saturating slope is {-tiny:.1e} and yours is {non_saturating[1]:.1e}: "
        "1 - sigmoid(40) rounds to 0. Write it as sigmoid(-l).",
    )
    return "Both slopes, their signs, and their tails at logits of 40: all right."


def _near(seen: Tensor, wanted: Tensor) -> bool:
    """Equal to one part in a hundred, however small."""
    return abs(float(seen) - float(wanted)) <= 0.01 * abs(float(wanted))


def _slopes(answer: Answer, logits: Tensor) -> tuple[Tensor, Tensor]:
    value = call(answer, logits=logits.clone())
    wrong_if(value is None or value is ..., f"{NOT_WRITTEN}: your function returns nothing.")
    pair = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(pair, (tuple, list, Tensor)) or len(pair) != 2:
        shape = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise Wrong(f"your function returns {shape}; return two tensors, minimax first.")
    found = [torch.as_tensor(part).detach() for part in pair]
    for part in found:
        wrong_if(
            part.shape != logits.shape,
            f"from {len(logits)} logits your function makes a slope of shape {tuple(part.shape)}; "
            "there is one for each logit.",
        )
    return found[0], found[1]


# --- minimax_generator_loss ---


def minimax_mistakes(logits: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the logits, and how to call them."""
    right = -softplus(logits).mean()
    return [
        (
            softplus(-logits).mean(),
            "this is the non-saturating loss, -log D. The minimax loss is what D maximises: log(1 - D).",
        ),
        (
            -right,
            "the sign is turned: -log(1 - D) is D's own loss on generated images, and G wants the opposite.",
        ),
        (
            -softplus(-logits).mean(),
            "this is log D, which an optimiser would make small: G's images would look less real.",
        ),
        (right * len(logits), "the loss is summed; take the mean, or the gradient grows with the batch."),
        (
            -softplus(logits.sigmoid()).mean(),
            "softplus is given a probability: it wants the logits as they are, without a sigmoid.",
        ),
        ((1 - logits.sigmoid()).mean(), "the log is missing: this is the mean of 1 - D."),
        ((1 - logits.sigmoid()).mean().log(), "the log is taken of the mean; take the mean of the logs."),
        (-logits.mean(), "this is a critic's loss, linear in the logits: the softplus is missing."),
    ]


def check_minimax_generator_loss(answer: Answer) -> str:
    """`minimax_generator_loss(logits)`: mean log(1 - sigmoid(l)) = -mean softplus(l), at any logit."""
    loss, logits = _loss(answer, LOGITS)
    for value, message in minimax_mistakes(LOGITS):
        wrong_if(close(loss, value), message)
    right = -softplus(LOGITS).mean()
    wrong_if(not close(loss, right), f"on five logits your loss is {loss:.4f}; it should be {right:.4f}.")
    slope = _slope(loss, logits)
    wrong_if(
        not close(slope, -LOGITS.sigmoid() / len(LOGITS)),
        "the value is right, but its gradient is not -sigmoid(l) / N: something on the way is detached.",
    )
    _check_sure(answer, -115.0, -0.5)
    return "Its value, its gradient, and logits of 200: all right."


def _loss(answer: Answer, values: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and the leaf that it was computed from."""
    logits = values.clone().requires_grad_()
    return scalar(call(answer, logits=logits), "the loss"), logits


def _slope(loss: Tensor, logits: Tensor) -> Tensor:
    wrong_if(
        not loss.requires_grad,
        "no gradient reaches the logits: the loss is detached or computed under no_grad, and G could not learn.",
    )
    (slope,) = torch.autograd.grad(loss, logits, allow_unused=True)
    return torch.zeros_like(logits) if slope is None else slope


def _check_sure(answer: Answer, right: float, slope: float) -> None:
    """The loss and its slope at two logits so large that a probability rounds to 1."""
    values = torch.tensor([200.0, 30.0])
    loss, logits = _loss(answer, values)
    wrong_if(
        not loss.isfinite(),
        f"right for small logits, but logits of {values[0]:g} and {values[1]:g} make it {loss:.0f}: the sigmoid "
        "rounds, and the log of 0 is infinite. Write it with softplus.",
    )
    wrong_if(
        close(loss.abs(), 100.0),
        f"right for small logits, but for {values[0]:g} and {values[1]:g} it stops at {loss:.0f}: that is where "
        "binary_cross_entropy holds its logs, and its gradient there is 0. Start from logits.",
    )
    wrong_if(
        not close(loss, right),
        f"right for small logits, but for {values[0]:g} and {values[1]:g} it is {loss:.1f} and should be "
        f"{right:.1f}: an epsilon or a clamp holds the log back, and the gradient with it. Start from logits.",
    )
    seen = _slope(loss, logits)
    wrong_if(
        not close(seen, torch.full_like(values, slope)),
        f"the value is right at logits of {values[0]:g} and {values[1]:g}, but its gradient is {seen[0]:.3g} in "
        f"place of {slope:g}: a clamp or a rounded probability has cut it off.",
    )


# --- flipped_generator_loss ---


def flipped_mistakes(s: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of scores that are positive for "generated", and how to call them."""
    right = softplus(s).mean()
    return [
        (
            softplus(-s).mean(),
            "this is right where a high logit means `real`. Here it means `generated`, and this loss would make "
            "G's images easier to tell.",
        ),
        (
            -softplus(-s).mean(),
            "this is the minimax loss, correctly turned round: log of the probability of `generated`. The "
            "non-saturating one is asked for.",
        ),
        (-right, "the sign is turned: this raises the scores, and a high score means `generated`."),
        (right * len(s), "the loss is summed; take the mean, or the gradient grows with the batch."),
        (s.mean(), "this is a critic's loss, linear in the scores: the logarithm is missing."),
        (
            -s.mean(),
            "this is a critic's loss in our own convention, linear, and high scores are `real` there.",
        ),
        (s.sigmoid().mean(), "the log is missing: this is the mean probability of `generated`."),
    ]


def check_flipped_generator_loss(answer: Answer) -> str:
    """`flipped_generator_loss(logits)`: mean softplus(s), where a positive score s means "generated"."""
    loss, logits = _loss(answer, LOGITS)
    for value, message in flipped_mistakes(LOGITS):
        wrong_if(close(loss, value), message)
    right = softplus(LOGITS).mean()
    wrong_if(not close(loss, right), f"on five scores your loss is {loss:.4f}; it should be {right:.4f}.")
    wrong_if(
        not close(_slope(loss, logits), LOGITS.sigmoid() / len(LOGITS)),
        "the value is right, but its gradient is not sigmoid(s) / N: something on the way is detached.",
    )
    _check_sure(answer, 115.0, 0.5)
    return "Low scores are what G wants here, and it learns fastest where D is sure: right."


CHECKS: dict[str, Check] = {
    "generator_slopes": check_generator_slopes,
    "minimax_generator_loss": check_minimax_generator_loss,
    "flipped_generator_loss": check_flipped_generator_loss,
}
