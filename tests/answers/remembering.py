"""Answers to the exercises of "Remembering", right and wrong."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from . import Answer

# --- l2sp_penalty ---


def l2sp_reference(parameters, start, weight):
    return weight / 2 * sum((p - q).square().sum() for p, q in zip(parameters, start, strict=True))


def l2sp_flat(parameters, start, weight):
    flat = [torch.cat([t.flatten() for t in tensors]) for tensors in (parameters, start)]
    return 0.5 * weight * (flat[0] - flat[1].detach()).pow(2).sum()


def l2sp_norms(params, origin, alpha):
    total = torch.zeros(())
    for p, q in zip(params, origin, strict=True):
        total = total + torch.linalg.vector_norm(p - q) ** 2
    return alpha * total / 2


def l2sp_mse(parameters, start, weight):
    return sum(weight / 2 * F.mse_loss(p, q, reduction="sum") for p, q in zip(parameters, start, strict=True))


@torch.no_grad()
def l2sp_in_place(parameters, start, weight):
    return weight / 2 * sum(p.sub_(q).square().sum() for p, q in zip(parameters, start, strict=True))


# --- logistic_fisher ---


def fisher_reference(weights, x):
    p = torch.sigmoid(x @ weights)[:, None]
    return (p * (1 - p) * x**2).mean(0)


def fisher_both_labels(weights, x):
    p = torch.sigmoid(x @ weights)[:, None]
    score1, score0 = (1 - p) * x, -p * x
    return (p * score1**2 + (1 - p) * score0**2).mean(dim=0)


def fisher_autograd(w, inputs):
    w = w.clone().requires_grad_()
    total = torch.zeros_like(w)
    for x in inputs:
        logit = x @ w
        (slope,) = torch.autograd.grad(logit, w)
        p = torch.sigmoid(logit.detach())
        total += p * (1 - p) * slope**2
    return total / len(inputs)


def fisher_hessian(weights, x):
    labels = torch.ones(len(x))

    def loss(w):
        return F.binary_cross_entropy_with_logits(x @ w, labels)

    return torch.autograd.functional.hessian(loss, weights).diagonal()


def fisher_drawn(weights, x):
    p = torch.sigmoid(x @ weights)[:, None]
    return ((torch.bernoulli(p) - p).square() * x**2).mean(0)


def fisher_overflowing(weights, x):
    p = torch.sigmoid(x @ weights)[:, None]
    return (p * (1 - p).log().exp() * x**2 * (1 + 0 * (1 - p).log())).mean(0)


# --- anchor_relations ---


def relations_reference(h):
    n = len(h)
    unit = F.normalize(h, dim=1)
    away = ~torch.eye(n, dtype=torch.bool)
    return (unit @ unit.T)[away].reshape(n, n - 1).softmax(1)


def relations_masked(h):
    cosine = F.cosine_similarity(h[:, None], h[None], dim=2)
    return cosine.masked_fill(torch.eye(len(h), dtype=torch.bool), float("-inf")).softmax(dim=1)


def relations_loop(activations):
    cosine = nn.CosineSimilarity(dim=0)
    n = len(activations)
    rows = []
    for i in range(n):
        rows.append(torch.stack([cosine(activations[i], activations[j]) for j in range(n) if j != i]))
    return torch.softmax(torch.stack(rows), dim=1)


def relations_cycle(h):
    n = len(h)
    others = (torch.arange(n)[:, None] + torch.arange(1, n)) % n
    unit = h / h.norm(dim=1, keepdim=True)
    return (unit @ unit.T).gather(1, others).exp() / (unit @ unit.T).gather(1, others).exp().sum(1, keepdim=True)


def relations_mask_in_the_sum(h):
    cosine = cosines(h)
    weights = cosine.exp() * (1 - torch.eye(len(h)))
    return weights / weights.sum(1, keepdim=True)


def off_diagonal(m):
    n = len(m)
    return m[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)


def cosines(h):
    unit = F.normalize(h, dim=1)
    return unit @ unit.T


# --- relation_divergence ---


def divergence_reference(source, target):
    return (source * (source.log() - target.log())).sum(1).mean()


def divergence_distributions(y_source, y_target):
    kind = torch.distributions.Categorical
    return torch.distributions.kl_divergence(kind(probs=y_source), kind(probs=y_target)).mean()


RIGHT: dict[str, list[Answer]] = {
    "l2sp_penalty": [l2sp_reference, l2sp_flat, l2sp_norms, l2sp_mse],
    "logistic_fisher": [fisher_reference, fisher_both_labels, fisher_autograd, fisher_hessian],
    "anchor_relations": [
        relations_reference,
        relations_masked,
        relations_loop,
        relations_cycle,
        relations_mask_in_the_sum,
    ],
    "relation_divergence": [
        divergence_reference,
        lambda source, target: F.kl_div(target.log(), source, reduction="batchmean"),
        divergence_distributions,
        lambda source, target: (torch.special.entr(source).neg() - torch.xlogy(source, target)).sum(-1).mean(),
    ],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "l2sp_penalty": [
        (lambda p, q, w: l2sp_reference([t.detach() for t in p], q, w), "no gradient reaches all the parameters"),
        (
            lambda parameters, start, weight: l2sp_reference([(p + p.detach()) / 2 for p in parameters], start, weight),
            "part of the parameters is detached",
        ),
        (l2sp_in_place, "has been changed in place"),
        (lambda *a: 3 * l2sp_reference(*a), "it should be"),
        (lambda *a: l2sp_reference(*a).item(), "without .item()"),
        (lambda *a: (l2sp_reference(*a), 0), "return the penalty alone"),
    ],
    "logistic_fisher": [
        (lambda w, x: (x @ w).sigmoid(), "one number for each input"),
        (lambda w, x: fisher_reference(w, x).mean(), "one number: F has one for each weight"),
        (lambda w, x: x**2, "one row for each input"),
        (fisher_drawn, "draws from torch's global"),
        (fisher_overflowing, "overflows"),
        (lambda w, x: 5 * fisher_reference(w, x), "it should be"),
        (lambda w, x: fisher_reference(w, x).clamp(min=0.01), "where the logit is 300 it gives"),
        (lambda w, x: x[:, :2].mean(0), "shape (2,)"),
    ],
    "anchor_relations": [
        (lambda h: relations_reference(h.detach()), "no gradient"),
        (lambda h: relations_reference(torch.cat([h[:1].detach(), h[1:]])), "part of the way is detached"),
        (lambda h: relations_reference(h)[:, :2], "shape (4, 2)"),
        (lambda h: [[0.5] * len(h)] * len(h), "the shares are a tensor"),
        (lambda h: off_diagonal(5 * cosines(h)).softmax(1), "not the softmax of the cosines"),
        (lambda h: off_diagonal(cosines(h)).sigmoid(), "should sum to 1"),
        (lambda h: (5 * cosines(h)).softmax(1), "none is among its own others"),
    ],
    "relation_divergence": [
        (
            lambda source, target: divergence_reference(source, torch.cat([target[:2].detach(), target[2:]])),
            "part of the target",
        ),
        (lambda s, t: divergence_reference(s, t) * 3, "your divergence is"),
        (lambda s, t: (s * (s / t).log()).sum(1), "shape (4,)"),
        (lambda s, t: divergence_reference(s, t).item(), "without .item()"),
    ],
}
