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


def l2sp_of(change):
    """An answer: weight / 2 times the sum of change(parameter, start) over the tensors."""

    def l2sp_penalty(parameters, start, weight):
        return weight / 2 * sum(change(p, q) for p, q in zip(parameters, start, strict=True))

    return l2sp_penalty


def l2sp_whole_norm(parameters, start, weight):
    return weight / 2 * torch.cat([(p - q).flatten() for p, q in zip(parameters, start, strict=True)]).norm()


def l2sp_whole_mean(parameters, start, weight):
    changes = [(p - q).flatten() for p, q in zip(parameters, start, strict=True)]
    return weight / 2 * torch.cat(changes).square().mean()


def l2sp_forgetful_loop(parameters, start, weight):
    for p, q in zip(parameters, start, strict=True):
        penalty = weight / 2 * (p - q).square().sum()
    return penalty


def l2sp_half_detached(parameters, start, weight):
    first, *rest = parameters
    return l2sp_reference([first.detach(), *rest], start, weight)


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


def fisher_with(share, reduce=lambda t: t.mean(0)):
    """An answer: reduce(share(p, x)), where p (N, 1) are the model's probabilities."""

    def logistic_fisher(weights, x):
        return reduce(share(torch.sigmoid(x @ weights)[:, None], x))

    return logistic_fisher


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


def relations_detached_lengths(h):
    unit = h / h.detach().norm(dim=1, keepdim=True)
    return off_diagonal(unit @ unit.T).softmax(1)


def off_diagonal(m):
    n = len(m)
    return m[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)


def cosines(h):
    unit = F.normalize(h, dim=1)
    return unit @ unit.T


def by_columns(h):
    unit = F.normalize(h, dim=0)
    return off_diagonal(unit @ unit.T).softmax(1)


# --- relation_divergence ---


def divergence_reference(source, target):
    return (source * (source.log() - target.log())).sum(1).mean()


def divergence_torch(source, target):
    return F.kl_div(target.log(), source, reduction="batchmean")


def divergence_distributions(y_source, y_target):
    kind = torch.distributions.Categorical
    return torch.distributions.kl_divergence(kind(probs=y_source), kind(probs=y_target)).mean()


def divergence_entropies(source, target):
    return (torch.special.entr(source).neg() - torch.xlogy(source, target)).sum(-1).mean()


def divergence_half_detached(source, target):
    return divergence_reference(source, torch.cat([target[:2].detach(), target[2:]]))


RIGHT: dict[str, list[Answer]] = {
    "l2sp_penalty": [l2sp_reference, l2sp_flat, l2sp_norms, l2sp_mse],
    "logistic_fisher": [fisher_reference, fisher_both_labels, fisher_autograd, fisher_hessian],
    "anchor_relations": [
        relations_reference, relations_masked, relations_loop, relations_cycle, relations_mask_in_the_sum,
    ],
    "relation_divergence": [
        divergence_reference, divergence_torch, divergence_distributions, divergence_entropies,
    ],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "l2sp_penalty": [
        (l2sp_of(lambda p, q: p.square().sum()), "pulls the weights to 0"),
        (lambda *a: 2 * l2sp_reference(*a), "the half is missing"),
        (l2sp_whole_norm, "the norm is not squared"),
        (l2sp_of(lambda p, q: (p - q).norm()), "each tensor's norm"),
        (lambda *a: 2 * l2sp_whole_norm(*a), "the weight times the norm"),
        (l2sp_whole_mean, "the mean over all weights"),
        (l2sp_of(F.mse_loss), "each tensor's mean"),
        (lambda p, q, w: l2sp_of(F.mse_loss)(p, q, w) / len(p), "means of means"),
        (lambda p, q, w: l2sp_reference(p, q, w) / len(p), "the tensors are averaged"),
        (l2sp_of(lambda p, q: (p - q).sum() ** 2), "one up and one down cancel"),
        (l2sp_of(lambda p, q: (p - q).abs().sum()), "an L1 penalty"),
        (lambda p, q, w: l2sp_reference(p[:1], q[:1], w), "only the first tensor"),
        (l2sp_forgetful_loop, "only the last tensor"),
        (lambda p, q, w: l2sp_reference(p, q, 1.0), "`weight` is not used"),
        (lambda *a: -l2sp_reference(*a), "moving away"),
        (l2sp_of(lambda p, q: (p.detach() - q).square().sum()), "no gradient reaches the parameters"),
        (l2sp_half_detached, "part of the parameters is detached"),
        (l2sp_in_place, "changes the tensors"),
        (lambda *a: 3 * l2sp_reference(*a), "it should be"),
        (lambda *a: l2sp_reference(*a).item(), "without .item()"),
    ],
    "logistic_fisher": [
        (fisher_with(lambda p, x: (1 - p) ** 2 * x**2), "fixed at 1"),
        (fisher_with(lambda p, x: p**2 * x**2), "fixed at 0"),
        (fisher_with(lambda p, x: p * (1 - p) * x**2, lambda t: t.sum(0)), "the sum over the inputs"),
        (fisher_with(lambda p, x: (1 - p) * x, lambda t: t.mean(0) ** 2), "averaged and then squared"),
        (fisher_with(lambda p, x: x**2), "gradient of the logit"),
        (fisher_with(lambda p, x: (p * (1 - p) * x) ** 2), "gradient of the probability"),
        (fisher_with(lambda p, x: p * (1 - p) * x), "x is not squared"),
        (fisher_with(lambda p, x: (p * (1 - p)).mean() * x**2), "taken apart"),
        (fisher_with(lambda p, x: ((1 - p) ** 2 + p**2) * x**2), "both labels count alike"),
        (fisher_with(lambda p, x: p * (1 - p) * x**2, lambda t: t.mean(0).sqrt()), "a square root too many"),
        (fisher_with(lambda p, x: p * (1 - p) * x**2, lambda t: t.mean(1)), "one number for each input"),
        (fisher_with(lambda p, x: p * (1 - p) * x**2, torch.mean), "one number: F has one for each weight"),
        (fisher_with(lambda p, x: p * (1 - p) * x**2, lambda t: t), "one row for each input"),
        (fisher_with(lambda p, x: (p * (1 - p) * x).T @ x / len(x), lambda t: t), "the whole matrix"),
        (fisher_with(lambda p, x: -p * (1 - p) * x**2), "the sign is turned"),
        (fisher_drawn, "draws from torch's global"),
        (fisher_overflowing, "overflows"),
        (fisher_with(lambda p, x: 5 * p * x**2), "it should be"),
        (lambda weights, x: x[:, :2].mean(0), "shape (2,)"),
        (lambda weights, x: 0.2, "is a tensor"),
    ],
    "anchor_relations": [
        (lambda h: cosines(h).softmax(1), "compared with itself too"),
        (lambda h: cosines(h).fill_diagonal_(0).softmax(1), "exp(0) is 1"),
        (lambda h: off_diagonal(cosines(h).softmax(1)), "dropped after the softmax"),
        (lambda h: off_diagonal(cosines(h)).softmax(0), "the wrong axis"),
        (lambda h: off_diagonal(cosines(h)).flatten().softmax(0).reshape(4, 3), "over all pairs"),
        (lambda h: off_diagonal(h @ h.T).softmax(1), "products, not cosines: a bright"),
        (lambda h: (h @ h.T).softmax(1), "products, not cosines, and each"),
        (by_columns, "taken over the batch"),
        (lambda h: off_diagonal(torch.cdist(h, h)).softmax(1), "the farthest sample"),
        (lambda h: off_diagonal(-torch.cdist(h, h)).softmax(1), "negative distances"),
        (lambda h: off_diagonal(-cosines(h)).softmax(1), "the sample least alike"),
        (lambda h: off_diagonal(cosines(h)).log_softmax(1), "these are logarithms"),
        (lambda h: off_diagonal(cosines(h)), "these are the similarities"),
        (lambda h: (lambda c: c / c.sum(1, keepdim=True))(off_diagonal(cosines(h))), "divided by their sum"),
        (lambda h: relations_reference(h.detach()), "no gradient"),
        (relations_detached_lengths, "the lengths perhaps"),
        (lambda h: relations_reference(h)[:, :2], "shape (4, 2)"),
        (lambda h: off_diagonal(5 * cosines(h)).softmax(1), "not the softmax of the cosines"),
        (lambda h: off_diagonal(cosines(h)).sigmoid(), "each should sum to 1"),
    ],
    "relation_divergence": [
        (lambda s, t: divergence_reference(t, s), "the other way round, from"),
        (lambda *a: -divergence_reference(*a), "the ratio in the logarithm"),
        (lambda s, t: -divergence_reference(t, s), "the ratio is turned"),
        (lambda *a: 4 * divergence_reference(*a), "the rows are summed"),
        (lambda s, t: F.kl_div(t.log(), s, reduction="sum") / s.numel(), "the mean over all elements"),
        (lambda s, t: F.kl_div(s.log(), t, reduction="sum"), "and summed over the rows"),
        (lambda s, t: F.kl_div(s.log(), t, reduction="sum") / s.numel(), "and averaged over all elements"),
        (lambda s, t: -(s * t.log()).sum(1).mean(), "cross entropy"),
        (lambda s, t: (s - t).square().sum(1).mean(), "squared differences"),
        (lambda s, t: F.kl_div(t, s, reduction="batchmean"), "you gave it the shares"),
        (lambda s, t: F.kl_div(s, t, reduction="batchmean"), "wants them in reverse"),
        (lambda s, t: (divergence_reference(s, t) + divergence_reference(t, s)) / 2, "symmetric mean"),
        (lambda s, t: divergence_reference(s, t) + divergence_reference(t, s), "sum of both directions"),
        (lambda s, t: (s / t).log().sum(1).mean(), "not weighted"),
        (lambda s, t: divergence_reference(s, t.detach()), "no gradient reaches"),
        (divergence_half_detached, "part of the target's shares"),
        (lambda s, t: divergence_reference(s, t) * 3, "it should be"),
        (lambda s, t: (s * (s / t).log()).sum(1), "shape (4,)"),
    ],
}  # fmt: skip
