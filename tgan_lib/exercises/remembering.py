"""Checks of chapter 14, remembering: L2-SP, the Fisher diagonal, relations between samples, and their divergence.

A mistake is recognised by computing what that mistake would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .core import NOTHING, Check, Wrong, call, close, scalar, wrong_if

Answer = Callable[..., Any]


def _tensor(value: Any, what: str) -> Tensor:
    """`value` as a tensor, or `Wrong`."""
    wrong_if(value is None or value is ..., NOTHING)
    if not isinstance(value, Tensor):
        raise Wrong(f"your function returns {type(value).__name__!r} where {what} is a tensor.")
    return value


# --- l2sp_penalty ---


def l2sp_mistakes(now: list[Tensor], start: list[Tensor], weight: float) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of parameters, where they started and the weight, and how to call them."""
    changes = [p - q for p, q in zip(now, start, strict=True)]
    flat = torch.cat([c.flatten() for c in changes])
    right = weight / 2 * flat.square().sum()
    parts = torch.stack([c.square().mean() for c in changes])
    return [
        (
            weight / 2 * sum((p.square().sum() for p in now), torch.zeros(())),
            "this pulls the weights to 0: it is plain weight decay, and forgets the starting point. Subtract `start`.",
        ),
        (2 * right, "the half is missing: it is there so that the gradient is weight times the change."),
        (
            weight / 2 * flat.norm(),
            "the norm is not squared: its pull would be as strong for a small change as for a large one.",
        ),
        (
            weight / 2 * sum((c.norm() for c in changes), torch.zeros(())),
            "each tensor's norm is taken and not squared.",
        ),
        (weight * flat.norm(), "this is the weight times the norm: square the norm, and halve it."),
        (
            weight / 2 * flat.square().mean(),
            "this is the mean over all weights: sum, or the pull on one weight depends on how many others there are.",
        ),
        (
            weight / 2 * parts.sum(),
            "each tensor's mean is taken, so that a weight in a large tensor is held less than one in a small: sum.",
        ),
        (weight / 2 * parts.mean(), "means of means: every weight counts the same, so sum over all of them."),
        (
            weight / 2 * torch.stack([c.square().sum() for c in changes]).mean(),
            "the tensors are averaged: add them, each weight counts once.",
        ),
        (
            weight / 2 * sum((c.sum().square() for c in changes), torch.zeros(())),
            "the changes are summed before they are squared, so that one up and one down cancel. Square first.",
        ),
        (weight / 2 * flat.abs().sum(), "these are absolute values, an L1 penalty: square the changes."),
        (weight / 2 * changes[0].square().sum(), "only the first tensor counts: go through all of them."),
        (
            weight / 2 * changes[-1].square().sum(),
            "only the last tensor counts: each turn of your loop forgets the one before. Add them up.",
        ),
        (flat.square().sum() / 2, "`weight` is not used."),
        (-right, "the sign is turned: this rewards moving away from the start."),
    ]


def check_l2sp_penalty(answer: Answer) -> str:
    """`l2sp_penalty(parameters, start, weight)`: weight / 2 times the squared distance from the start."""
    now = [torch.randn(3, 4, requires_grad=True), torch.randn(5, requires_grad=True)]
    start = [p.detach() + torch.randn_like(p) for p in now]
    weight = 0.7
    before = [p.detach().clone() for p in [*now, *start]]
    value = scalar(call(answer, parameters=list(now), start=list(start), weight=weight), "the penalty")
    same = all(torch.equal(p.detach(), q) for p, q in zip([*now, *start], before, strict=True))
    wrong_if(not same, "your function changes the tensors it is given: compute the penalty and leave them.")
    kept = [p.detach() for p in now]
    for mistaken, message in l2sp_mistakes(kept, start, weight):
        wrong_if(close(value.detach(), mistaken), message)
    right = weight / 2 * sum(float((p - q).square().sum()) for p, q in zip(kept, start, strict=True))
    wrong_if(not close(value.detach(), right), f"your penalty is {value.item():.4f}; it should be {right:.4f}.")
    wrong_if(
        not value.requires_grad,
        "the value is right, but no gradient reaches the parameters: they are detached. It is the start that "
        "stands still; the parameters must feel the pull.",
    )
    found = torch.autograd.grad(value, now, allow_unused=True)
    for slope, p, q in zip(found, kept, start, strict=True):
        wrong_if(
            slope is None or not close(slope, weight * (p - q)),
            "the value is right, but the gradient is not weight * (parameter - start): part of the parameters is "
            "detached.",
        )
    return "Its value is right, and so is its gradient, weight times the change."


# --- logistic_fisher ---


def fisher_mistakes(w: Tensor, x: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of weights (d,) and inputs (N, d), and how to call them."""
    p = (x @ w).sigmoid()[:, None]
    right = (p * (1 - p) * x.square()).mean(0)
    fixed = (
        "the label is fixed at {}: the Fisher information draws it from the model, {} with its probability. What you "
        "have is called the empirical Fisher, of data that all have this label."
    )
    cancels = (
        "the gradients are averaged and then squared, so that those of opposite sign cancel: square each, then average."
    )
    return [
        (((1 - p).square() * x.square()).mean(0), fixed.format(1, "1 and 0 each")),
        ((p.square() * x.square()).mean(0), fixed.format(0, "0 and 1 each")),
        (right * len(x), "this is the sum over the inputs; take the mean, or F grows with their number."),
        (((1 - p) * x).mean(0).square(), cancels),
        ((p * x).mean(0).square(), cancels),
        ((p * (1 - p) * x).mean(0).square(), cancels),
        (((p * (1 - p)).sqrt() * x).mean(0).square(), cancels),
        ((p * (1 - p)).mean() * x.mean(0).square(), cancels),
        (
            (p * (1 - p)).mean(0) * x.square().mean(0),
            "the two means are taken apart: p(1 - p) and x**2 of one input belong together.",
        ),
        (
            x.square().mean(0),
            "this is the squared gradient of the logit: the label's log-probability also has p(1 - p), which is "
            "small where the model is sure.",
        ),
        (
            ((p * (1 - p)).square() * x.square()).mean(0),
            "this is the squared gradient of the probability p; take that of its logarithm.",
        ),
        ((p * (1 - p) * x).mean(0), "x is not squared: the gradient has one x, its square has two."),
        ((p * (1 - p) * x.abs()).mean(0), "x is not squared: the gradient has one x, its square has two."),
        *(
            (
                ((1 - p).square() + p.square()).mul(x.square()).mean(0) / n,
                "both labels count alike: weigh each label's squared gradient by its probability, p or 1 - p.",
            )
            for n in (1, 2)
        ),
        (right.sqrt(), "a square root too many: F is the mean square, not the root of it."),
        (right / 2, "a factor of one half is too much."),
        (-right, "the sign is turned: F is a mean of squares and never negative."),
    ]


def check_logistic_fisher(answer: Answer) -> str:
    """`logistic_fisher(weights, x)`: the diagonal of the Fisher information of p(y = 1) = sigmoid(x . weights)."""
    w, x = torch.tensor([0.8, -1.2, 0.3]), torch.randn(40, 3) + torch.tensor([0.5, 0.0, -0.4])
    found, again = (_tensor(call(answer, weights=w.clone(), x=x.clone()), "F").detach() for _ in range(2))
    p = (x @ w).sigmoid()[:, None]
    matrix = (p * (1 - p) * x).T @ x / len(x)
    right = matrix.diagonal()
    wrong_if(
        found.shape == again.shape and not close(found, again),
        "two calls give two values: you draw the labels. There are only two of them; weigh each by its probability.",
    )
    wrong_if(
        found.shape == matrix.shape and (close(found, matrix) or close(found, matrix * len(x))),
        "this is the whole matrix, a row for each weight; only its diagonal is wanted.",
    )
    wrong_if(
        tuple(found.shape) == tuple(x.shape),
        "there is one row for each input: average over the inputs, the first axis.",
    )
    wrong_if(found.numel() == 1, "this is one number: F has one for each weight, so do not average over them.")
    wrong_if(
        tuple(found.shape) == (len(x),),
        "there is one number for each input, so the average was taken over the weights: it is over the inputs.",
    )
    wrong_if(
        tuple(found.shape) != (3,),
        f"your function returns a tensor of shape {tuple(found.shape)} for 3 weights; one number for each is right.",
    )
    for mistaken, message in fisher_mistakes(w, x):
        wrong_if(close(found, mistaken), message)
    wrong_if(not close(found, right), f"for three weights your F is {_numbers(found)}; it should be {_numbers(right)}.")
    sure = _tensor(call(answer, weights=torch.tensor([300.0, 0.0, 0.0]), x=torch.ones(4, 3)), "F").detach()
    wrong_if(
        not close(sure, torch.zeros(3)),
        f"right for an unsure model, but where the logit is 300 it gives {_numbers(sure)} and F is 0 there: a "
        "rounded probability's logarithm overflows. Use p * (1 - p), or logsigmoid.",
    )
    return "Right for three weights, and 0 where the model is sure."


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{v:.4f}" for v in values.tolist())


# --- anchor_relations ---


def relation_mistakes(h: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of activations (n, d), and how to call them."""
    n = len(h)
    away = ~torch.eye(n, dtype=torch.bool)
    unit = normalize(h, dim=1)
    cosine, dot, far = unit @ unit.T, h @ h.T, torch.cdist(h, h)
    columns = normalize(h, dim=0)

    def rows(m: Tensor) -> Tensor:
        return m[away].reshape(n, n - 1)

    itself = (
        "each sample is compared with itself too: that similarity is always 1, takes the largest share and says "
        "nothing. Leave the diagonal out before the softmax."
    )
    zeroed = (
        "the diagonal is set to 0 before the softmax, and exp(0) is 1: the sample still gets a share. Set it to "
        "-inf, or leave it out."
    )
    late = "the diagonal is dropped after the softmax, so that what is left of a row does not sum to 1. Drop it first."
    axis = "the softmax runs over the wrong axis: it is each row, one sample's likeness to the others, that sums to 1."
    bare = "these are products, not cosines: a bright sample would be like everybody. Divide by both lengths first."
    return [
        (cosine.softmax(1), itself),
        (cosine.softmax(0), itself),
        (cosine.masked_fill(~away, 0).softmax(1), zeroed),
        (rows(cosine.masked_fill(~away, 0).softmax(1)), zeroed),
        (rows(cosine.softmax(1)), late),
        (rows(cosine).softmax(0), axis),
        (cosine.masked_fill(~away, -torch.inf).softmax(0).T, axis),
        (
            rows(cosine).flatten().softmax(0).reshape(n, n - 1),
            "one softmax runs over all pairs: each sample has a distribution of its own, so take it row by row.",
        ),
        (rows(dot).softmax(1), bare),
        (dot.softmax(1), "these are products, not cosines, and each sample is compared with itself."),
        (
            rows(columns @ columns.T).softmax(1),
            "the lengths are taken over the batch, feature by feature: normalise each sample, along its own axis.",
        ),
        (rows(far).softmax(1), "these are distances, and so the farthest sample gets the largest share: take cosines."),
        (rows(-far).softmax(1), "these are negative distances: likeness here is the cosine."),
        (rows(-cosine).softmax(1), "the sign is turned: the sample least alike gets the largest share."),
        (rows(cosine).log_softmax(1), "these are logarithms: return the shares themselves."),
        (rows(cosine), "these are the similarities: a softmax over each row makes shares of them."),
        (
            rows(cosine) / rows(cosine).sum(1, keepdim=True),
            "the similarities are divided by their sum; a cosine can be negative, so take a softmax.",
        ),
    ]


def check_anchor_relations(answer: Answer) -> str:
    """`anchor_relations(h)`: (n, d) -> each sample's softmax of cosine similarities to the others, (n, n - 1)."""
    h = torch.randn(4, 6) * torch.tensor([[0.5], [1.0], [2.0], [1.5]]) + 0.3
    given = h.clone().requires_grad_()
    found = _tensor(call(answer, h=given), "what it should return")
    seen = found.detach()
    wrong_if(
        tuple(seen.shape) not in ((4, 3), (4, 4)),
        f"for 4 samples your function returns shape {tuple(seen.shape)}; (4, 3) is right, a row of shares for each.",
    )
    unit = normalize(h, dim=1)
    masked = (unit @ unit.T).masked_fill(torch.eye(4, dtype=torch.bool), -torch.inf).softmax(1)
    right = masked.sort(1).values  # the order of the others in a row is free, and so are zeros for oneself
    rows = seen if seen.shape[1] == 4 else torch.cat([seen, torch.zeros(4, 1)], 1)
    passed = close(rows.sort(1).values, right)
    if not passed:
        for mistaken, message in relation_mistakes(h):
            wrong_if(seen.shape == mistaken.shape and close(seen, mistaken), message)
    wrong_if(
        seen.shape[1] == 4 and not close(seen.diagonal(), torch.zeros(4)),
        "the diagonal is not 0: no sample is among its own others.",
    )
    wrong_if(not close(seen.sum(1), torch.ones(4)), f"the rows sum to {_numbers(seen.sum(1))}; each should sum to 1.")
    wrong_if(not passed, "the rows sum to 1, but they are not the softmax of the cosines to the others.")
    wrong_if(
        not found.requires_grad,
        "the shares are right, but no gradient flows back to the activations, and G must learn through them.",
    )
    leaf = h.clone().requires_grad_()
    cosine = normalize(leaf, dim=1) @ normalize(leaf, dim=1).T
    shares = cosine.masked_fill(torch.eye(4, dtype=torch.bool), -torch.inf).softmax(1)
    (wanted,) = torch.autograd.grad(shares.square().sum(), leaf)
    (slope,) = torch.autograd.grad(found.square().sum(), given, allow_unused=True)
    wrong_if(
        slope is None or not close(slope, wanted),
        "the shares are right, but their gradient is not: part of the way is detached, the lengths perhaps.",
    )
    return "Each row is one sample's likeness to the others, and sums to 1."


# --- relation_divergence ---


def divergence_mistakes(kept: Tensor, now: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the source's shares and the target's, both (n, m), and how to call them."""
    each = (kept * (kept / now).log()).sum(1)
    turned = (now * (now / kept).log()).sum(1)
    reverse = (
        "this is the divergence the other way round, from the source's shares to the target's: here the source's "
        "shares weigh the logarithms, KL(source || target). Both are 0 for equal shares."
    )
    return [
        (turned.mean(), reverse),
        (-each.mean(), "the sign is turned: the ratio in the logarithm is source over target."),
        (-turned.mean(), "the weights are the target's and the ratio is turned."),
        (each.sum(), "the rows are summed: average over the samples."),
        (
            each.mean() / kept.shape[1],
            "this is the mean over all elements, as kl_div(reduction='mean') takes it: sum each row, then average "
            "over rows.",
        ),
        (turned.sum(), "the other way round, and summed over the rows."),
        (turned.mean() / kept.shape[1], "the other way round, and averaged over all elements."),
        (
            -(kept * now.log()).sum(1).mean(),
            "this is the cross entropy, which is not 0 for equal shares: the source's own logarithm is missing.",
        ),
        ((kept - now).square().sum(1).mean(), "these are squared differences; the divergence has a logarithm."),
        (
            (kept * (kept.log() - now)).sum(1).mean(),
            "kl_div takes the *logarithm* of its first argument: you gave it the shares.",
        ),
        (
            (now * (now.log() - kept)).sum(1).mean(),
            "kl_div wants them in reverse, the target's first, and the *logarithm* of that one: kl_div(target.log(), "
            "source, ...).",
        ),
        (
            (each + turned).mean() / 2,
            "this is the symmetric mean of both directions; here only KL(source || target) is asked.",
        ),
        ((each + turned).mean(), "this is the sum of both directions; here only KL(source || target) is asked."),
        ((kept / now).log().sum(1).mean(), "the logarithms are not weighted: multiply each by the source's share."),
    ]


def check_relation_divergence(answer: Answer) -> str:
    """`relation_divergence(source, target)`: the mean over rows of KL(source || target), shares (n, m) each."""
    kept, logits = torch.randn(4, 3).softmax(1), torch.randn(4, 3)
    logits.requires_grad_()
    now = logits.softmax(1)
    value = scalar(call(answer, source=kept, target=now), "the divergence")
    for mistaken, message in divergence_mistakes(kept, now.detach()):
        wrong_if(close(value.detach(), mistaken), message)
    right = (kept * (kept / now.detach()).log()).sum(1).mean()
    wrong_if(not close(value.detach(), right), f"your divergence is {value.item():.4f}; it should be {right:.4f}.")
    wrong_if(
        not value.requires_grad,
        "the value is right, but no gradient reaches the target's shares, and it is the target that learns.",
    )
    (slope,) = torch.autograd.grad(value, logits)  # not of the shares, which an answer may normalise once more
    wrong_if(
        not close(slope, (now.detach() - kept) / len(kept)),
        "the value is right, but the gradient is not: part of the target's shares is detached.",
    )
    same = scalar(call(answer, source=kept, target=kept.clone().requires_grad_()), "the divergence")
    wrong_if(not close(same.detach(), 0.0), f"for equal shares it is {same.item():.4f} and should be 0.")
    return "Right in value and gradient, and 0 for equal shares."


CHECKS: dict[str, Check] = {
    "l2sp_penalty": check_l2sp_penalty,
    "logistic_fisher": check_logistic_fisher,
    "anchor_relations": check_anchor_relations,
    "relation_divergence": check_relation_divergence,
}
