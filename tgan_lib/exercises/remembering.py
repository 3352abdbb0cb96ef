"""Checks of chapter 14, remembering: L2-SP, the Fisher diagonal, relations between samples, and their divergence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .core import Check, close, scalar, shown, wrong_if
from .value import Value, either, exercise

# --- l2sp_penalty ---


def l2sp(parameters: Sequence[Tensor], start: Sequence[Tensor], weight: float) -> Tensor:
    return weight / 2 * torch.cat([(p - q).flatten() for p, q in zip(parameters, start, strict=True)]).square().sum()


def l2sp_mistakes(now: Sequence[Tensor], start: Sequence[Tensor], weight: float) -> dict[str, Tensor]:
    """What the known mistakes make of parameters, where they started and the weight."""
    changes, half = [p - q for p, q in zip(now, start, strict=True)], weight / 2
    flat, right = torch.cat([c.flatten() for c in changes]), l2sp(now, start, weight)
    means = half * torch.stack([c.square().mean() for c in changes])
    return {
        "this pulls the weights to 0: it is plain weight decay, and forgets the starting point. Subtract `start`.": half
        * torch.cat([p.flatten() for p in now]).square().sum(),
        "the half is missing: it is there so that the gradient is weight times the change.": 2 * right,
        "the norm is not squared: its pull would be as strong for a small change as for a large one.": half
        * flat.norm(),
        "each tensor's norm is taken and not squared.": half * torch.stack([c.norm() for c in changes]).sum(),
        "this is the weight times the norm: square the norm, and halve it.": weight * flat.norm(),
        "this is the mean over all weights: sum, or the pull on one weight depends on how many others there are.": half
        * flat.square().mean(),
        "each tensor's mean is taken, so that a weight in a large tensor is held less than one in a small: "
        "sum.": means.sum(),
        "means of means: every weight counts the same, so sum over all of them.": means.mean(),
        "the tensors are averaged: add them, each weight counts once.": right / len(changes),
        "the changes are summed before they are squared, so that one up and one down cancel. Square first.": half
        * torch.stack([c.sum() for c in changes]).square().sum(),
        "these are absolute values, an L1 penalty: square the changes.": half * flat.abs().sum(),
        "only the first tensor counts: go through all of them.": half * changes[0].square().sum(),
        "only the last tensor counts: each turn of your loop forgets the one before. Add them up.": half
        * changes[-1].square().sum(),
        "the first tensor is left out.": half * torch.cat([c.flatten() for c in changes[1:]]).square().sum(),
        "the last tensor is left out.": half * torch.cat([c.flatten() for c in changes[:-1]]).square().sum(),
        "`weight` is not used.": right / weight,
        "the sign is turned: this rewards moving away from the start.": -right,
    }


def moved() -> list[tuple[list[Tensor], list[Tensor], float]]:
    now = [torch.randn(shape, requires_grad=True) for shape in ((3, 4), (5,), (2, 2))]
    return [(now, [p.detach() + torch.randn_like(p) for p in now], 0.7)]


L2SP = Value(
    right=l2sp,
    given=moved,
    mistakes=l2sp_mistakes,
    what="the penalty",
    hint="add up all its parts",
    wrong="your penalty is {got:.4f}; it should be {right:.4f}.",
    learns=["parameters"],
    cut="the value is right, but no gradient reaches all the parameters: they are detached. The start stands "
    "still; the parameters must feel the pull.",
    slope="the value is right, but the gradient is not weight * (parameter - start): part of the parameters is "
    "detached.",
)

# --- logistic_fisher ---


def fisher(weights: Tensor, x: Tensor) -> Tensor:
    p = (x @ weights).sigmoid()[:, None]
    return (p * (1 - p) * x.square()).mean(0)


def fisher_mistakes(weights: Tensor, x: Tensor) -> dict[str, Any]:
    """What the known mistakes make of weights (d,) and inputs (N, d)."""
    p = (x @ weights).sigmoid()[:, None]
    q, square, right = 1 - p, x.square(), fisher(weights, x)
    matrix = (p * q * x).T @ x / len(x)
    fixed = (
        "the label is fixed at {}: the Fisher information draws it from the model, {} with its probability. What you "
        "have is called the empirical Fisher, of data that all have this label."
    )
    return {
        fixed.format(1, "1 and 0 each"): (q.square() * square).mean(0),
        fixed.format(0, "0 and 1 each"): (p.square() * square).mean(0),
        "this is the sum over the inputs; take the mean, or F grows with their number.": right * len(x),
        "the gradients are averaged and then squared, so that those of opposite sign cancel: square each, then "
        "average.": either(
            *[(factor * x).mean(0).square() for factor in (q, p, p * q, (p * q).sqrt())],
            (p * q).mean() * x.mean(0).square(),
        ),
        "the two means are taken apart: p(1 - p) and x**2 of one input belong together.": (p * q).mean()
        * square.mean(0),
        "this is the squared gradient of the logit: the label's log-probability also has p(1 - p), which is small "
        "where the model is sure.": square.mean(0),
        "this is the squared gradient of the probability p; take that of its logarithm.": (
            (p * q).square() * square
        ).mean(0),
        "x is not squared: the gradient has one x, its square has two.": either(
            (p * q * x).mean(0), (p * q * x.abs()).mean(0)
        ),
        "both labels count alike: weigh each label's squared gradient by its probability, p or 1 - p.": either(
            *[((q.square() + p.square()) * square).mean(0) / n for n in (1, 2)]
        ),
        "a square root too many: F is the mean square, not the root of it.": right.sqrt(),
        "a factor of one half is too much.": right / 2,
        "the sign is turned: F is a mean of squares and never negative.": -right,
        "this is the whole matrix, a row for each weight; only its diagonal is wanted.": either(
            matrix, matrix * len(x)
        ),
    }


FISHER = Value(
    right=fisher,
    given=lambda: [
        (torch.tensor([0.8, -1.2, 0.3]), torch.randn(40, 3) + torch.tensor([0.5, 0.0, -0.4])),
        (torch.tensor([0.1, -0.2, 0.05]), 5 * torch.randn(7, 3)),  # F above 1
    ],
    mistakes=fisher_mistakes,
    signs={
        "there is one row for each input: average over the inputs, the first axis.": lambda f, w, x: f.shape == x.shape,
        "this is one number: F has one for each weight, so do not average over them.": lambda f, w, x: f.numel() == 1,
        "there is one number for each input, so the average was taken over the weights: it is over the "
        "inputs.": lambda f, w, x: len(f) == len(x),
    },
    what="F",
    hint="one number for each weight",
    wrong="for three weights your F is {got:.4f} at {place}; it should be {right:.4f}.",
)
SURE = FISHER.at(
    [(torch.tensor([300.0, 0.0, 0.0]), torch.ones(4, 3))],
    but="right for an unsure model, but where the logit is 300 ",
    overflow="it gives {got}, and F is 0 there: a rounded probability's logarithm overflows. Use p * (1 - p), or "
    "logsigmoid.",
    wrong="it gives {got:.4f}, and F is 0 there.",
)

# --- anchor_relations ---


def relations(h: Tensor) -> Tensor:
    unit = normalize(h, dim=1)
    return others(unit @ unit.T).softmax(1)


def others(m: Tensor) -> Tensor:
    """A square matrix without its diagonal, (n, n - 1)."""
    return m[~torch.eye(len(m), dtype=torch.bool)].reshape(len(m), len(m) - 1)


def relation_mistakes(h: Tensor) -> dict[str, Any]:
    """What the known mistakes make of activations (n, d)."""
    unit, columns, diagonal = normalize(h, dim=1), normalize(h, dim=0), torch.eye(len(h), dtype=torch.bool)
    cosine, dot, far, shares = unit @ unit.T, h @ h.T, torch.cdist(h, h), others(unit @ unit.T)
    zeroed = cosine.masked_fill(diagonal, 0).softmax(1)
    return {
        "each sample is compared with itself too: that similarity is always 1, takes the largest share and says "
        "nothing. Leave the diagonal out before the softmax.": either(cosine.softmax(1), cosine.softmax(0)),
        "the diagonal is set to 0 before the softmax, and exp(0) is 1: the sample still gets a share. Set it to -inf, "
        "or leave it out.": either(zeroed, others(zeroed)),
        "the diagonal is dropped after the softmax, so that what is left of a row does not sum to 1. Drop it "
        "first.": others(cosine.softmax(1)),
        "the softmax runs over the wrong axis: it is each row, one sample's likeness to the others, that sums to "
        "1.": either(shares.softmax(0), cosine.masked_fill(diagonal, -torch.inf).softmax(0)),
        "one softmax runs over all pairs: each sample has a distribution of its own, so take it row by row.": (
            shares.flatten().softmax(0).reshape(shares.shape)
        ),
        "these are products, not cosines: a bright sample would be like everybody. Divide by both lengths first.": (
            others(dot).softmax(1)
        ),
        "these are products, not cosines, and each sample is compared with itself.": dot.softmax(1),
        "the lengths are taken over the batch, feature by feature: normalise each sample, along its own axis.": others(
            columns @ columns.T
        ).softmax(1),
        "these are distances, and so the farthest sample gets the largest share: take cosines.": others(far).softmax(1),
        "these are negative distances: likeness here is the cosine.": others(-far).softmax(1),
        "the sign is turned: the sample least alike gets the largest share.": (-shares).softmax(1),
        "the cosines' signs are lost: a sample that is unlike counts as like.": shares.abs().softmax(1),
        "these are logarithms: return the shares themselves.": shares.log_softmax(1),
        "these are the similarities: a softmax over each row makes shares of them.": shares,
        "the similarities are divided by their sum; a cosine can be negative, so take a softmax.": shares
        / shares.sum(1, keepdim=True),
        "the shares are right, but their gradient is not: the lengths are detached.": others(
            (h / h.detach().norm(dim=1, keepdim=True)) @ (h / h.detach().norm(dim=1, keepdim=True)).T
        ).softmax(1),
    }


def in_order(returned: Any, h: Tensor) -> Tensor:
    """The rows sorted, (n, n): the order of the others in a row is free, and so is a 0 for oneself."""
    n = len(h)
    wrong_if(not isinstance(returned, Tensor), f"your function returns {shown(returned)}; the shares are a tensor.")
    wrong_if(
        returned.shape not in ((n, n - 1), (n, n)),
        f"for {n} samples your function returns shape {tuple(returned.shape)}; {(n, n - 1)} is right, a row of shares "
        "for each.",
    )
    full = returned if returned.shape == (n, n) else torch.cat([returned, torch.zeros(n, 1)], 1)
    return full.sort(1).values


RELATIONS = Value(
    right=relations,
    given=lambda: [(torch.randn(n, 6) * torch.rand(n, 1) + 0.3,) for n in (4, 6)],
    mistakes=relation_mistakes,
    seen=in_order,
    signs={
        "each row should sum to 1, and yours do not.": lambda m, h: not close(m.sum(1), torch.ones(len(h))),
        "no number in a row is 0, though rows have one for each sample: none is among its own others.": lambda m, h: (
            bool(m.all())
        ),
        "the rows sum to 1, but they are not the softmax of the cosines to the others.": lambda m, h: True,
    },
    learns=["h"],
    cut="the shares are right, but no gradient flows back to the activations, and G must learn through them.",
    slope="the shares are right, but their gradient is not: part of the way is detached.",
)

# --- relation_divergence ---


def divergence(source: Tensor, target: Tensor) -> Tensor:
    return (source * (source / target).log()).sum(1).mean()


def divergence_mistakes(kept: Tensor, now: Tensor) -> dict[str, Tensor]:
    """What the known mistakes make of the source's shares and the target's, both (n, m)."""
    right, turned, (n, m) = divergence(kept, now), divergence(now, kept), kept.shape
    return {
        "this is the divergence the other way round, from the source's shares to the target's: here the source's "
        "shares weigh the logarithms, KL(source || target). Both are 0 for equal shares.": turned,
        "the sign is turned: the ratio in the logarithm is source over target.": -right,
        "the weights are the target's and the ratio is turned.": -turned,
        "the rows are summed: average over the samples.": right * n,
        "this is the mean over all elements, as kl_div(reduction='mean') takes it: sum each row, then average over "
        "rows.": right / m,
        "the other way round, and summed over the rows.": turned * n,
        "the other way round, and averaged over all elements.": turned / m,
        "this is the cross entropy, which is not 0 for equal shares: the source's own logarithm is missing.": -(
            kept * now.log()
        )
        .sum(1)
        .mean(),
        "these are squared differences; the divergence has a logarithm.": (kept - now).square().sum(1).mean(),
        "kl_div takes the *logarithm* of its first argument: you gave it the shares.": (kept * (kept.log() - now))
        .sum(1)
        .mean(),
        "kl_div wants them in reverse, the target's first, and the *logarithm* of that one: kl_div(target.log(), "
        "source, ...).": (now * (now.log() - kept)).sum(1).mean(),
        "this is the symmetric mean of both directions; here only KL(source || target) is asked.": (right + turned) / 2,
        "this is the sum of both directions; here only KL(source || target) is asked.": right + turned,
        "the logarithms are not weighted: multiply each by the source's share.": (kept / now).log().sum(1).mean(),
        "the value is right, but no gradient reaches the target's shares, and it is the target that learns.": (
            divergence(kept, now.detach())
        ),
    }


def with_gradient(returned: Any, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The value, and its gradient in the logits of the target's shares, which an answer may normalise once more."""
    value, slope = scalar(returned, "the divergence"), torch.zeros_like(target)
    if value.requires_grad:
        (found,) = torch.autograd.grad(value, target, allow_unused=True, retain_graph=True)
        slope = slope if found is None else found
    return value.detach(), target.detach() * (slope - (slope * target.detach()).sum(1, keepdim=True))


def shares() -> list[tuple[Tensor, Tensor]]:
    kept, now = torch.randn(4, 3).softmax(1), torch.randn(4, 3).softmax(1)
    far = (5 * torch.randn(4, 3)).softmax(1)  # a divergence above 1
    return [(kept, target.requires_grad_()) for target in (now, far, kept.clone())]


DIVERGENCE = Value(
    right=divergence,
    given=shares,
    mistakes=divergence_mistakes,
    seen=with_gradient,
    parts=("divergence", "gradient in the target"),
    signs={
        "the value is right, but the gradient is not: part of the target's shares is detached.": lambda part, *_: (
            part.ndim == 2
        )
    },
    wrong="your {part} is {got:.4f}; it should be {right:.4f}.",
)

CHECKS: dict[str, Check] = {
    "l2sp_penalty": exercise(L2SP, passed="Its value is right, and so is its gradient, weight times the change."),
    "logistic_fisher": exercise(FISHER, SURE, passed="Right for three weights, and 0 where the model is sure."),
    "anchor_relations": exercise(RELATIONS, passed="Each row is one sample's likeness to the others, and sums to 1."),
    "relation_divergence": exercise(DIVERGENCE, passed="Right in value and gradient, and 0 for equal shares."),
}
