"""Answers to the exercises of "Measuring", right and wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
from tgan_lib.metrics import frechet_between, mann_whitney, nearest

from . import Answer

# --- frechet_diagonal ---


def frechet_reference(mean1, var1, mean2, var2):
    return ((mean1 - mean2) ** 2).sum() + ((var1.sqrt() - var2.sqrt()) ** 2).sum()


def frechet_traces(m1, v1, m2, v2):
    means = torch.dot(m1 - m2, m1 - m2)
    return float(means + v1.sum() + v2.sum() - 2 * (v1 * v2).sqrt().sum())


def frechet_matrices(mean1, var1, mean2, var2):
    return frechet_between(mean1, torch.diag(var1), mean2, torch.diag(var2))


def frechet_in_a_loop(mean1, var1, mean2, var2):
    total = 0.0
    for m, v, n, w in zip(mean1.tolist(), var1.tolist(), mean2.tolist(), var2.tolist(), strict=True):
        total += (m - n) ** 2 + (v**0.5 - w**0.5) ** 2
    return total


def frechet_numpy(mean1, var1, mean2, var2):
    means, spreads = (mean1 - mean2).numpy(), np.sqrt(var1.numpy()) - np.sqrt(var2.numpy())
    return means @ means + spreads @ spreads


# --- unbiased_kernel_distance ---


def cubic(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def kernel_reference(x, y):
    n, m = len(x), len(y)
    xx, yy = cubic(x, x), cubic(y, y)
    within = (xx.sum() - xx.diagonal().sum()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1))
    return within - 2 * cubic(x, y).mean()


def kernel_masked(real, fake):
    def inner(a):
        return cubic(a, a)[~torch.eye(len(a), dtype=torch.bool)].mean()

    return inner(real) + inner(fake) - 2 * cubic(real, fake).mean()


def kernel_in_loops(x, y):
    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    x, y = x.tolist(), y.tolist()
    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def kernel_above_the_diagonal(x, y):
    n, m = len(x), len(y)
    xx, yy = (cubic(a, a).triu(1).sum() for a in (x, y))
    return 2 * xx / (n * (n - 1)) + 2 * yy / (m * (m - 1)) - 2 * cubic(x, y).mean()


# --- precision ---


def precision_reference(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, fake) <= radius[:, None]).any(0).double().mean()


def precision_topk(real, fake, k):
    radius = torch.cdist(real, real).topk(k + 1, largest=False).values[:, -1]
    inside = torch.cdist(fake, real) <= radius
    return inside.any(dim=1).float().mean().item()


def precision_without_itself(x, y, k):
    own = torch.cdist(x, x).fill_diagonal_(float("inf"))
    radius = own.sort(dim=1).values[:, k - 1]
    return sum(bool(((point - x).norm(dim=1) <= radius).any()) for point in y) / len(y)


def precision_squared(real, fake, k):
    def squared(a, b):
        return (a[:, None] - b[None]).square().sum(-1)

    radius = squared(real, real).sort(1).values[:, k]
    return (squared(fake, real) <= radius).any(1).sum() / len(fake)


def precision_numpy(real, fake, k):
    a, b = real.numpy(), fake.numpy()
    radius = np.sort(np.linalg.norm(a[:, None] - a, axis=-1), 1)[:, k]
    return np.mean((np.linalg.norm(b[:, None] - a, axis=-1) < radius).any(1))  # open balls, as some have them


def precision_with_one_radius(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values.mean()
    return (torch.cdist(real, fake).amin(0) <= radius).double().mean()


def held(real, fake, k):
    return torch.cdist(real, fake) <= torch.cdist(real, real).kthvalue(k + 1, dim=1).values[:, None]


# --- distance_at_infinity ---


def infinity_reference(n1, d1, n2, d2):
    return (n2 * d2 - n1 * d1) / (n2 - n1)


def infinity_by_slope(n1, d1, n2, d2):
    slope = (d1 - d2) / (1 / n1 - 1 / n2)
    return d1 - slope / n1


def infinity_solved(n_a, d_a, n_b, d_b):
    system = torch.tensor([[1.0, 1 / n_a], [1.0, 1 / n_b]], dtype=torch.float64)
    return torch.linalg.solve(system, torch.tensor([d_a, d_b], dtype=torch.float64))[0]


# --- nearer_than_new ---


def nearer_in_loops(samples, train, heldout):
    def far(points):
        return [min(math.dist(p, t) for t in train.tolist()) for p in points.tolist()]

    pairs = [(a, b) for a in far(samples) for b in far(heldout)]
    return sum(1.0 if a < b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def nearer_by_the_library(x, y, z):
    return mann_whitney(nearest(z, y)[0], nearest(x, y)[0])[0] / (len(x) * len(z))


def nearer_by_sign(samples, train, heldout):
    a, b = (torch.cdist(x, train).min(dim=1).values for x in (samples, heldout))
    return 0.5 + (b[None] - a[:, None]).sign().mean() / 2


RIGHT: dict[str, list[Answer]] = {
    "frechet_diagonal": [
        frechet_reference, frechet_traces, frechet_matrices, frechet_in_a_loop, frechet_numpy,
    ],
    "unbiased_kernel_distance": [kernel_reference, kernel_masked, kernel_in_loops, kernel_above_the_diagonal],
    "precision": [
        precision_reference, precision_topk, precision_without_itself, precision_squared, precision_numpy,
    ],
    "nearer_than_new": [nearer_by_sign, nearer_in_loops, nearer_by_the_library],
    "distance_at_infinity": [
        infinity_reference, infinity_by_slope, infinity_solved,
        lambda n1, d1, n2, d2: np.polyfit([1 / n1, 1 / n2], [d1, d2], 1)[1],
    ],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "frechet_diagonal": [
        (lambda m, v, n, w: (m - n) ** 2 + (v**0.5 - w**0.5) ** 2, "shape (3,)"),
        (lambda m, v, n, w: ((m - n) ** 2 + v + w - 2 * v * w / (v * w).sqrt()).sum(), "says nan where"),
        (lambda m, v, n, w: ((m - n) ** 2 + v + w + 2 * (v * w).sqrt()).sum(), "it should be"),
        (lambda *a: 1.0, "three features, one of them constant"),
        (lambda m, v, n, w: frechet_reference(m, v, n, w) + (len(m) == 2), "for two equal sets"),
    ],
    "unbiased_kernel_distance": [
        (lambda x, y: cubic(x, y), "shape (5, 7)"),
        (lambda x, y: 0.0, "for 5 and 7 images"),
        (lambda x, y: kernel_reference(x, y).abs(), "the absolute value is taken"),
        (lambda x, y: kernel_reference(x, y).clamp(min=0), "cut off at 0"),
    ],
    "precision": [
        (lambda *a: 100 * precision_reference(*a), "it should be"),
        (lambda *a: held(*a).any(0).double(), "shape (41,)"),
        (precision_with_one_radius, "one radius serves for all real points"),
        (lambda *a: 0.123, "for 29 real and 41 generated"),
        (lambda r, f, k: precision_reference(r, f, k) + (k == 1), "for reals at 0, 1, 3, 7"),
    ],
    "nearer_than_new": [
        (lambda x, y, z: torch.cdist(x, y).amin(1), "shape (29,)"),
        (lambda x, y, z: 0.123, "for 29 samples, 37 training and 23 held-out points"),
        (lambda x, y, z: float("nan"), "no finite number"),
        (lambda x, y, z: nearer_by_sign(x, y, z) + (len(x) == 2), "all of them copies gives 1"),
    ],
    "distance_at_infinity": [
        (lambda n, d, m, e: 7, "for 30 at n = 1000"),
    ],
}  # fmt: skip
