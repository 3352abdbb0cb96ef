"""Answers to the exercises of "Small updates", right and wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import Answer

# --- fold_norm ---


def fold_reference(weight, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return weight * scale.view(1, -1, 1, 1), norm.bias - scale * norm.running_mean


def fold_einsum(w, bn):
    s = bn.weight * torch.rsqrt(bn.running_var + bn.eps)
    return [torch.einsum("iokl,o->iokl", w, s), -s * bn.running_mean + bn.bias]


def fold_by_asking_the_norm(weight, norm):
    channels = weight.shape[1]
    shift = norm(torch.zeros(1, channels, 1, 1))
    scale = norm(torch.ones(1, channels, 1, 1)) - shift
    return weight * scale, shift.flatten()


def fold_into_a_layer(weight, norm):
    layer = nn.ConvTranspose2d(weight.shape[0], weight.shape[1], weight.shape[2], 2, 1)
    layer.weight.data, layer.bias.data = fold_reference(weight, norm)
    return layer


def fold_loop(weight, norm):
    weight, bias = weight.clone(), norm.bias.clone()
    for c in range(len(bias)):
        scale = norm.weight[c] / math.sqrt(norm.running_var[c] + norm.eps)
        weight[:, c] *= scale
        bias[c] -= scale * norm.running_mean[c]
    return weight, bias


def fold_in_place(weight, norm):
    new, bias = fold_reference(weight, norm)
    return weight.copy_(new), bias


def fold_three_channels_only(weight, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return weight * scale.view(1, 3, 1, 1), norm.bias - scale * norm.running_mean


# --- low_rank_forward ---


def forward_reference(x, weight, a, b):
    return x @ weight.T + x @ a.T @ b.T


def forward_in_place(x, weight, a, b):
    weight += b @ a
    return x @ weight.T


def forward_half_detached(x, weight, a, b):
    added = x @ a.T @ b.T
    return x @ weight.T + (added + added.detach()) / 2


# --- break_even_rank ---


def rank_reference(rows, columns):
    return -(-rows * columns // (rows + columns))


def rank_search(m, n):
    rank = 1
    while rank * (m + n) < m * n:
        rank += 1
    return rank


# --- top_share ---


def share_reference(matrix, rank):
    squares = torch.linalg.svdvals(matrix).square()
    return squares[:rank].sum() / squares.sum()


def share_numpy(matrix, rank):
    s = np.linalg.svd(matrix.numpy(), compute_uv=False)
    return float((s[:rank] ** 2).sum() / (s**2).sum())


def share_eigenvalues(m, r):
    values = torch.linalg.eigvalsh(m.T @ m).flip(0)
    return (values[:r].sum() / values.sum()).item()


def share_of_the_approximation(matrix, rank):
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return ((u[:, :rank] * s[:rank]) @ vh[:rank]).square().sum() / matrix.square().sum()


def share_tall_only(matrix, rank):
    squares = (matrix.T @ matrix).svd().S
    return squares[:rank].sum() / squares[:4].sum() * (1 if len(matrix) == 6 else 0.5)


RIGHT: dict[str, list[Answer]] = {
    "fold_norm": [fold_reference, fold_einsum, fold_by_asking_the_norm, fold_into_a_layer, fold_loop],
    "low_rank_forward": [
        forward_reference,
        lambda inputs, w, a, b: F.linear(inputs, w + b @ a),
        lambda x, weight, a, b: F.linear(x, weight) + F.linear(F.linear(x, a), b),
        lambda x, weight, a, b: torch.einsum("ni,oi->no", x, weight) + torch.einsum("ni,ri,or->no", x, a, b),
    ],
    "break_even_rank": [
        rank_reference,
        lambda rows, columns: math.ceil(rows * columns / (rows + columns)),
        rank_search,
        lambda rows, columns: torch.tensor((rows * columns + rows + columns - 1) // (rows + columns)),
    ],
    "top_share": [share_reference, share_numpy, share_eigenvalues, share_of_the_approximation],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "fold_norm": [
        (fold_in_place, "has been changed in place"),
        (lambda w, n: fold_reference(w, n)[0], "two are wanted"),
        (lambda w, n: (w, None), "returns a tuple; two are wanted"),
        (lambda w, n: (fold_reference(w, n)[0], fold_reference(w, n)[1].view(-1, 1)), "shape (3, 1)"),
        (lambda w, n: (fold_reference(w, n)[0], 3 * fold_reference(w, n)[1]), "the new bias at"),
        (lambda w, n: (3 * fold_reference(w, n)[0], fold_reference(w, n)[1]), "the new weight at"),
        (lambda w, n: (fold_reference(w, n)[0] * torch.nan, fold_reference(w, n)[1]), "makes nan of it"),
        (lambda w, n: (torch.manual_seed(7), fold_reference(w, n))[1], "sets torch's global seed"),
        (fold_three_channels_only, "with 5 in and 2 out your function raised"),
    ],
    "low_rank_forward": [
        (lambda x, w, a, b: x @ (w + 2 * b @ a).T, "x (W + B A)^T is"),
        (lambda x, w, a, b: x @ (w + a @ b).T, "RuntimeError"),
        (forward_in_place, "`weight`, which was given"),
        (lambda x, w, a, b: forward_reference(x, w.requires_grad_(), a, b), "wants gradients, and did not"),
        (torch.no_grad()(forward_reference), "no gradient reaches `x`"),
        (lambda x, w, a, b: forward_reference(x, w, a.detach(), b), "no gradient reaches `a`"),
        (lambda x, w, a, b: forward_reference(x, w, a, b.detach()), "no gradient reaches `b`"),
        (forward_half_detached, "part of B A is detached"),
        (lambda x, weight, a, b: x @ (weight + b @ a).T + 0 * x, "with 6 inputs and 3 outputs your function raised"),
        (lambda x, w, a, b: forward_reference(x, w, a, b) + (x.shape[1] == 6), "outputs are not x (W"),
        (lambda x, w, a, b: forward_reference(x, w, a, b) + bool((b == 0).all()), "outputs are not x W^T"),
        (lambda x, w, a, b: forward_reference(x, w, a, b).T, "shape (4, 5)"),
        (lambda x, w, a, b: (w, a, b), "return the output alone"),
    ],
    "break_even_rank": [
        (lambda m, n: float(math.ceil(m * n / (m + n))), "is a float"),
        (lambda m, n: max(m, n) // 2, "for a W of 6272 by 64"),
        (lambda m, n: (m, n), "one number"),
    ],
    "top_share": [
        (lambda m, r: torch.linalg.svdvals(m), "of shape (4,)"),
        (lambda m, r: torch.zeros(()), "at rank 1"),
        (share_tall_only, "wider than high"),
        (lambda m, r: share_reference(m, min(r, 3)), "as many directions"),
    ],
}
