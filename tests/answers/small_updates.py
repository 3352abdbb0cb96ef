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


def folded(scale=None, bias=None, shape=(1, -1, 1, 1)):
    """An answer with another scale, bias or axis than the right one."""

    def fold_norm(weight, norm):
        right = norm.weight / (norm.running_var + norm.eps).sqrt()
        new = right if scale is None else scale(norm)
        new_bias = fold_reference(weight, norm)[1] if bias is None else bias(norm, right)
        return weight * new.view(shape), new_bias

    return fold_norm


def fold_in_place(weight, norm):
    new, bias = fold_reference(weight, norm)
    return weight.copy_(new), bias


def fold_three_channels_only(weight, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return weight * scale.view(1, 3, 1, 1), norm.bias - scale * norm.running_mean


def fold_like_three_channels(weight, norm):
    new, bias = fold_reference(weight, norm)
    return (new, bias) if len(bias) == 3 else (weight, norm.bias)


# --- low_rank_forward ---


def forward_reference(x, weight, a, b):
    return x @ weight.T + x @ a.T @ b.T


def forward_linear(inputs, w, a, b):
    return F.linear(inputs, w + b @ a)


def forward_two_layers(x, weight, a, b):
    return F.linear(x, weight) + F.linear(F.linear(x, a), b)


def forward_einsum(x, weight, a, b):
    return torch.einsum("ni,oi->no", x, weight) + torch.einsum("ni,ri,or->no", x, a, b)


def forward_in_place(x, weight, a, b):
    weight += b @ a
    return x @ weight.T


def forward_half_detached(x, weight, a, b):
    added = x @ a.T @ b.T
    return x @ weight.T + (added + added.detach()) / 2


def forward_square_only(x, weight, a, b):
    return x @ (weight + b @ a).T + 0 * x


# --- break_even_rank ---


def rank_reference(rows, columns):
    return -(-rows * columns // (rows + columns))


def rank_ceil(rows, columns):
    return math.ceil(rows * columns / (rows + columns))


def rank_search(m, n):
    rank = 1
    while rank * (m + n) < m * n:
        rank += 1
    return rank


def rank_tensor(rows, columns):
    return torch.tensor((rows * columns + rows + columns - 1) // (rows + columns))


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


def of_values(formula):
    """An answer that makes `formula` of the singular values and the rank."""
    return lambda matrix, rank: formula(torch.linalg.svdvals(matrix), rank)


def share_tall_only(matrix, rank):
    squares = (matrix.T @ matrix).svd().S
    return squares[:rank].sum() / squares[:4].sum() * (1 if len(matrix) == 6 else 0.5)


RIGHT: dict[str, list[Answer]] = {
    "fold_norm": [fold_reference, fold_einsum, fold_by_asking_the_norm, fold_into_a_layer, fold_loop],
    "low_rank_forward": [forward_reference, forward_linear, forward_two_layers, forward_einsum],
    "break_even_rank": [rank_reference, rank_ceil, rank_search, rank_tensor],
    "top_share": [share_reference, share_numpy, share_eigenvalues, share_of_the_approximation],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "fold_norm": [
        (lambda w, n: (w, fold_reference(w, n)[1]), "as it was"),
        (folded(shape=(-1, 1, 1, 1)), "axis 0"),
        (folded(shape=(-1,)), "last axis"),
        (folded(lambda n: n.weight / n.running_var.sqrt()), "eps is left out"),
        (folded(lambda n: n.weight / (n.running_var.sqrt() + n.eps)), "added after the root"),
        (folded(lambda n: n.weight / (n.running_var + n.eps)), "root is missing"),
        (folded(lambda n: n.weight * (n.running_var + n.eps).sqrt()), "a norm divides by it"),
        (folded(lambda n: 1 / (n.running_var + n.eps).sqrt()), "`norm.weight`, is left out"),
        (folded(lambda n: n.weight), "running variance is left out"),
        (folded(bias=lambda n, s: n.bias), "forgets the running mean"),
        (folded(bias=lambda n, s: n.bias + s * n.running_mean), "mean is added"),
        (folded(bias=lambda n, s: n.bias - n.running_mean), "mean is not scaled"),
        (folded(bias=lambda n, s: n.bias - n.running_mean * s / n.weight), "not multiplied by `norm.weight`"),
        (folded(bias=lambda n, s: -s * n.running_mean), "norm's own shift"),
        (folded(bias=lambda n, s: s * (n.bias - n.running_mean)), "added after scaling"),
        (folded(bias=lambda n, s: torch.zeros(len(s))), "the bias is 0"),
        (folded(bias=lambda n, s: n.bias * 3), "off by up to"),
        (fold_in_place, "not in place"),
        (lambda w, n: fold_reference(w, n)[0], "two are wanted"),
        (lambda w, n: (fold_reference(w, n)[0], None), "the new bias is a NoneType"),
        (lambda w, n: (fold_reference(w, n)[0], fold_reference(w, n)[1].view(-1, 1)), "has shape (3, 1)"),
        (fold_three_channels_only, "with 5 in and 2 out your function raised"),
        (fold_like_three_channels, "with 5 in and 2 out the folded layer's outputs"),
    ],
    "low_rank_forward": [
        (lambda x, w, a, b: x @ w.T, "B A is missing"),
        (lambda x, w, a, b: x @ a.T @ b.T, "W is missing"),
        (lambda x, w, a, b: x @ (w + b @ a), "transpose is missing"),
        (lambda x, w, a, b: x @ w.T + x @ b @ a, "B A is not"),
        (lambda x, w, a, b: x @ w + x @ a.T @ b.T, "and W is not"),
        (lambda x, w, a, b: x @ (w + b @ a / len(a)).T, "divided by the rank"),
        (lambda x, w, a, b: x @ (w * (b @ a)).T, "multiplies W"),
        (lambda x, w, a, b: x @ (w - b @ a).T, "subtracted"),
        (lambda x, w, a, b: x @ (w + 2 * b @ a).T, "off by up to"),
        (lambda x, w, a, b: x @ (w + a @ b).T, "RuntimeError"),
        (forward_in_place, "W itself has changed"),
        (lambda x, w, a, b: forward_reference(x, w.requires_grad_(), a, b), "made to want gradients"),
        (torch.no_grad()(forward_reference), "no gradient flows"),
        (lambda x, w, a, b: forward_reference(x, w, a.detach(), b), "no gradient reaches A"),
        (lambda x, w, a, b: forward_reference(x, w, a, b.detach()), "no gradient reaches B"),
        (forward_half_detached, "part of B A is detached"),
        (forward_square_only, "with 6 inputs and 3 outputs your function raised"),
        (lambda x, w, a, b: forward_reference(x, w, a, b) + (x.shape[1] == 6), "outputs are not x W^T"),
        (lambda x, w, a, b: forward_reference(x, w, a, b).T, "has shape (4, 5)"),
        (lambda x, w, a, b: (w, a, b), "is a tuple"),
    ],
    "break_even_rank": [
        (lambda m, n: m * n // (m + n), "rounded down"),
        (lambda m, n: m * n // (m + n) + 1, "one too large"),
        (lambda m, n: round(m * n / (m + n)), "rounded to the nearest"),
        (lambda m, n: min(m, n), "the largest rank"),
        (lambda m, n: n, "only B is counted"),
        (lambda m, n: m, "only A is counted"),
        (lambda m, n: m + n, "rank 1"),
        (lambda m, n: m * n / (m + n), "two lines cross"),
        (lambda m, n: float(math.ceil(m * n / (m + n))), "is a float"),
        (lambda m, n: max(m, n) // 2, "for a W of 6272 by 64"),
        (lambda m, n: (m, n), "one number"),
    ],
    "top_share": [
        (of_values(lambda s, r: s[:r].sum() / s.sum()), "not squared"),
        (of_values(lambda s, r: s[:r].norm() / s.norm()), "the root of the share"),
        (of_values(lambda s, r: s[r:].square().sum() / s.square().sum()), "left over"),
        (of_values(lambda s, r: s.flip(0)[:r].square().sum() / s.square().sum()), "the smallest"),
        (of_values(lambda s, r: s[r - 1].square() / s.square().sum()), "one direction alone"),
        (of_values(lambda s, r: s[: r - 1].square().sum() / s.square().sum()), "one direction too few"),
        (of_values(lambda s, r: s[:r].square().sum() / s[0] ** 2), "largest alone"),
        (of_values(lambda s, r: s[:r].square().sum()), "not yet a share"),
        (of_values(lambda s, r: s[:r].pow(4).sum() / s.pow(4).sum()), "fourth powers"),
        (of_values(lambda s, r: 100 * s[:r].square().sum() / s.square().sum()), "per cent"),
        (of_values(lambda s, r: r / len(s)), "directions' number"),
        (of_values(lambda s, r: s.square().cumsum(0) / s.square().sum()), "of shape (4,)"),
        (lambda m, r: torch.zeros(()), "at rank 1"),
        (share_tall_only, "wider than high"),
        (of_values(lambda s, r: s[: min(r, 3)].square().sum() / s.square().sum()), "as many directions"),
    ],
}
