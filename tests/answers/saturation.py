"""Answers to the exercises of "Saturation", right and wrong."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from . import Answer

# --- generator_slopes ---


def slopes_reference(logits):
    return -torch.sigmoid(logits), -torch.sigmoid(-logits)


def slopes_stacked(logits):
    return -torch.stack([logits, -logits]).sigmoid()


def slopes_by_autograd(logits):
    leaf = logits.clone().requires_grad_()
    losses = (-F.softplus(leaf), F.softplus(-leaf))
    return [torch.autograd.grad(loss.sum(), leaf)[0] for loss in losses]


def slopes_named(logits):
    return {"minimax": -logits.sigmoid(), "non_saturating": -1 / (1 + logits.exp().clamp(max=1e30))}


def slopes_by_softplus(logits):
    return -torch.exp(-F.softplus(-logits)), -torch.exp(-F.softplus(logits))


def slopes_by_exp(logits):
    e = logits.exp()
    return -e / (1 + e), -1 / (1 + e)


# --- minimax_generator_loss ---


def minimax_reference(logits):
    return -F.softplus(logits).mean()


def minimax_logsigmoid(s):
    return F.logsigmoid(-s).mean()


def minimax_bce(fake_logits):
    return -F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))


def minimax_logaddexp(logits):
    return -torch.logaddexp(logits, torch.zeros(())).sum() / len(logits)


def minimax_by_difference(logits):
    return (F.logsigmoid(logits) - logits).mean()


def minimax_by_hand(logits):
    return -(logits.clamp(min=0) + torch.log1p((-logits.abs()).exp())).mean()


@torch.no_grad()
def minimax_no_grad(logits):
    return minimax_reference(logits)


def minimax_cut_off(logits):
    return -torch.where(logits > 20, logits.detach(), F.softplus(logits)).mean()


# --- flipped_generator_loss ---


def flipped_reference(logits):
    return F.softplus(logits).mean()


def flipped_logsigmoid(scores):
    return -F.logsigmoid(-scores).mean()


def flipped_bce(scores):
    return F.binary_cross_entropy_with_logits(scores, torch.zeros_like(scores))


def flipped_by_logsumexp(scores):
    return torch.stack([scores, torch.zeros_like(scores)]).logsumexp(0).mean()


# --- loud_minimax_loss ---


def loud_reference(logits):
    weights = F.logsigmoid(logits).softmax(0).detach()
    return -(weights * logits).sum()


def loud_by_logsumexp(s):
    with torch.no_grad():
        w = (F.logsigmoid(s) - F.logsigmoid(s).logsumexp(0)).exp()
    return (-w) @ s


def loud_named(fake_logits):
    d = F.logsigmoid(fake_logits.detach())
    d = torch.exp(d - d.max())
    return -torch.dot(d / d.sum(), fake_logits).reshape(1)


def loud_naive(logits):
    d = logits.sigmoid().detach()
    return -(d / d.sum() * logits).sum()


def loud_with_epsilon(logits):
    d = logits.sigmoid().detach()
    return -(d / (d.sum() + 1e-8) * logits).sum()


RIGHT: dict[str, list[Answer]] = {
    "generator_slopes": [slopes_reference, slopes_stacked, slopes_by_autograd, slopes_by_softplus, slopes_named],
    "minimax_generator_loss": [
        minimax_reference,
        minimax_logsigmoid,
        minimax_bce,
        minimax_logaddexp,
        minimax_by_difference,
        minimax_by_hand,
    ],
    "flipped_generator_loss": [flipped_reference, flipped_logsigmoid, flipped_bce, flipped_by_logsumexp],
    "loud_minimax_loss": [loud_reference, loud_by_logsumexp, loud_named],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "generator_slopes": [
        (slopes_by_exp, "exp overflows"),
        (lambda s: -s.sigmoid(), "return 2 values: minimax, non-saturating"),
        (lambda s: (-s.sigmoid().mean(), -(-s).sigmoid().mean()), "there is one for each logit"),
        (lambda s: (-s.sigmoid(), -torch.ones_like(s)), "your non-saturating slope is -1.0000"),
        (lambda s: (-s.clamp(min=-20).sigmoid(), -(-s).sigmoid()), "tiny but not"),
    ],
    "minimax_generator_loss": [
        (lambda s: (1 - s.sigmoid()).log().mean(), "the log of 0 is infinite"),
        (lambda s: (1 - s.sigmoid() + 1e-8).log().mean(), "an epsilon or a clamp"),
        (minimax_no_grad, "no gradient reaches"),
        (minimax_cut_off, "has cut it off"),
        (lambda s: minimax_reference(s).item(), "without .item()"),
        (lambda s: -F.softplus(s), "shape (5,)"),
        (lambda s: -2 * F.softplus(s).mean(), "it should be"),
    ],
    "flipped_generator_loss": [
        (lambda s: -(1 - s.sigmoid()).log().mean(), "the log of 0 is infinite"),
        (lambda s: -(1 - s.sigmoid() + 1e-8).log().mean(), "an epsilon or a clamp"),
        (lambda s: F.softplus(s.detach()).mean(), "no gradient reaches"),
        (lambda s: F.softplus(s), "shape (5,)"),
        (lambda s: 3 * F.softplus(s).mean(), "it should be"),
    ],
    "loud_minimax_loss": [
        (loud_naive, "0 / 0"),
        (loud_with_epsilon, "an epsilon or a clamp hides it"),
        (lambda s: loud_reference(s).item(), "without .item()"),
        (lambda s: loud_reference(s.detach()), "no gradient reaches the logits"),
        (lambda s: -F.logsigmoid(s).softmax(0).detach() * s, "shape (5,)"),
        (lambda s: 2 * loud_reference(s), "it should push with"),
    ],
}
