"""Answers to the exercises of "Measuring", right and wrong."""

from __future__ import annotations

import numpy as np
import torch
from tgan_lib.metrics import frechet_between

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


def kernel_biased(x, y):
    return cubic(x, x).mean() + cubic(y, y).mean() - 2 * cubic(x, y).mean()


def kernel_divided_by_all_pairs(x, y):
    xx, yy = cubic(x, x), cubic(y, y)
    within = (xx.sum() - xx.trace()) / len(x) ** 2 + (yy.sum() - yy.trace()) / len(y) ** 2
    return within - 2 * cubic(x, y).mean()


def kernel_one_size(x, y):
    n, xx, yy = len(x), cubic(x, x), cubic(y, y)
    return (xx.sum() - xx.trace() + yy.sum() - yy.trace()) / (n * (n - 1)) - 2 * cubic(x, y).mean()


def kernel_cross_without_diagonal(x, y):
    xy = cubic(x, y)
    cross = (xy.sum() - xy.trace()) / (xy.numel() - min(xy.shape))
    return kernel_reference(x, y) + 2 * xy.mean() - 2 * cross


def kernel_cross_pairs(x, y):
    xy = cubic(x, y)
    cross = (xy.sum() - xy.trace()) / (len(x) * (len(x) - 1))
    return kernel_reference(x, y) + 2 * xy.mean() - 2 * cross


def kernel_with(kernel):
    """The right estimate with another kernel."""

    def unbiased_kernel_distance(x, y):
        def inner(a):
            return kernel(a, a)[~torch.eye(len(a), dtype=torch.bool)].mean()

        return inner(x) + inner(y) - 2 * kernel(x, y).mean()

    return unbiased_kernel_distance


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


def precision_too_small(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k, dim=1).values
    return (torch.cdist(real, fake) <= radius[:, None]).any(0).double().mean()


def precision_fake_radii(real, fake, k):
    radius = torch.cdist(fake, fake).kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, fake) <= radius).any(0).double().mean()


def precision_nearest(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values
    near = torch.cdist(real, fake).min(0)
    return (near.values <= radius[near.indices]).double().mean()


def held(real, fake, k):
    return torch.cdist(real, fake) <= torch.cdist(real, real).kthvalue(k + 1, dim=1).values[:, None]


def precision_mixed_squares(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values
    return (torch.cdist(real, fake) ** 2 <= radius[:, None]).any(0).double().mean()


# --- distance_at_infinity ---


def infinity_reference(n1, d1, n2, d2):
    return (n2 * d2 - n1 * d1) / (n2 - n1)


def infinity_by_slope(n1, d1, n2, d2):
    slope = (d1 - d2) / (1 / n1 - 1 / n2)
    return d1 - slope / n1


def infinity_solved(n_a, d_a, n_b, d_b):
    system = torch.tensor([[1.0, 1 / n_a], [1.0, 1 / n_b]], dtype=torch.float64)
    return torch.linalg.solve(system, torch.tensor([d_a, d_b], dtype=torch.float64))[0]


RIGHT: dict[str, list[Answer]] = {
    "frechet_diagonal": [
        frechet_reference, frechet_traces, frechet_matrices, frechet_in_a_loop, frechet_numpy,
    ],
    "unbiased_kernel_distance": [kernel_reference, kernel_masked, kernel_in_loops, kernel_above_the_diagonal],
    "precision": [
        precision_reference, precision_topk, precision_without_itself, precision_squared, precision_numpy,
    ],
    "distance_at_infinity": [
        infinity_reference, infinity_by_slope, infinity_solved,
        lambda n1, d1, n2, d2: np.polyfit([1 / n1, 1 / n2], [d1, d2], 1)[1],
    ],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "frechet_diagonal": [
        (lambda m, v, n, w: ((m - n) ** 2).sum() + ((v - w) ** 2).sum(), "as if they were standard dev"),
        (lambda m, v, n, w: ((m - n) ** 2).sum() + (v + w - 2 * v * w).sum(), "the root is missing"),
        (lambda m, v, n, w: ((m - n) ** 2).sum() + (v + w - (v * w).sqrt()).sum(), "the factor 2 is missing"),
        (
            lambda m, v, n, w: ((m - n) ** 2).sum() + v.sum() + w.sum() - 2 * (v.sum() * w.sum()).sqrt(),
            "feature by feature",
        ),
        (lambda m, v, n, w: ((m - n) ** 2).sum() + (v**0.5 - w**0.5).abs().sum(), "deviations are not sq"),
        (lambda m, v, n, w: (m - n).norm() + ((v**0.5 - w**0.5) ** 2).sum(), "drop the root"),
        (lambda m, v, n, w: (m - n).abs().sum() + ((v**0.5 - w**0.5) ** 2).sum(), "without being squared"),
        (lambda m, v, n, w: (m - n).sum() ** 2 + ((v**0.5 - w**0.5) ** 2).sum(), "they can cancel"),
        (lambda *a: frechet_reference(*a) / 3, "mean over the features"),
        (lambda *a: frechet_reference(*a).sqrt(), "root is taken at the end"),
        (lambda m, v, n, w: ((m - n) ** 2).sum(), "only the means"),
        (lambda m, v, n, w: ((v**0.5 - w**0.5) ** 2).sum(), "only the spreads"),
        (lambda m, v, n, w: (m - n) ** 2 + (v**0.5 - w**0.5) ** 2, "(3,) numbers"),
        (lambda m, v, n, w: ((m - n) ** 2 + v + w - 2 * v * w / (v * w).sqrt()).sum(), "NaN"),
        (lambda *a: (frechet_reference(*a), 0), "a tuple"),
        (lambda m, v, n, w: ((m - n) ** 2 + v + w + 2 * (v * w).sqrt()).sum(), "it should be"),
        (lambda *a: 1.0, "three features, one of them constant"),
        (lambda *a: 6.3125 + 1.5, "it should be"),
    ],
    "unbiased_kernel_distance": [
        (kernel_biased, "biased estimate"),
        (kernel_divided_by_all_pairs, "n * (n - 1) pairs are left"),
        (lambda x, y: kernel_reference(x, y) + cubic(x, y).mean(), "the factor 2 is missing"),
        (kernel_one_size, "may differ in size"),
        (kernel_cross_without_diagonal, "mixed matrix is left out too"),
        (kernel_cross_pairs, "n * m pairs"),
        (kernel_with(lambda a, b: (a @ b.T + 1) ** 3), "not divided by the number of features"),
        (kernel_with(lambda a, b: (a @ b.T / a.shape[1]) ** 3), "+ 1 is missing"),
        (kernel_with(lambda a, b: (a @ b.T / a.shape[1] + 1) ** 2), "its power is 3"),
        (kernel_with(lambda a, b: (a @ b.T / len(a) + 1) ** 3), "by the number of images"),
        (lambda x, y: kernel_reference(x, y).sqrt(), "a root is taken"),
        (lambda x, y: kernel_reference(x, y).abs(), "absolute value"),
        (lambda x, y: -kernel_reference(x, y), "the sign is turned"),
        (lambda x, y: kernel_reference(x, y).clamp(min=0), "cut off at 0"),
        (lambda x, y: cubic(x, y), "(5, 7) numbers"),
        (lambda x, y: 0.0, "for 5 and 7 images"),
        (lambda x, y: cubic(x, x) + cubic(y, y) - 2 * cubic(x, y), "raised RuntimeError"),
    ],
    "precision": [
        (lambda real, fake, k: precision_reference(fake, real, k), "this is recall"),
        (precision_fake_radii, "radii come from the fakes"),
        (lambda *a: held(*a).any(1).double().mean(), "this is coverage"),
        (lambda real, fake, k: held(real, fake, k).sum(0).double().mean() / k, "this is density"),
        (lambda *a: held(*a).double().mean(), "share of all pairs"),
        (lambda *a: held(*a).any(0).sum(), "divide by the number of fakes"),
        (precision_too_small, "the balls are too small"),
        (lambda real, fake, k: precision_reference(real, fake, k + 1), "one neighbour too far"),
        (precision_nearest, "nearest real point"),
        (lambda *a: held(*a).all(0).double().mean(), "in all balls"),
        (precision_mixed_squares, "not squared"),
        (lambda *a: 1 - precision_reference(*a), "in *no* ball"),
        (lambda real, fake, k: precision_reference(real, fake, 3), "k is always 3"),
        (lambda *a: 100 * precision_reference(*a), "it should be"),
        (lambda *a: held(*a).any(0).double(), "(41,) numbers"),
        (lambda *a: 0.123, "for 29 real and 41 generated"),
    ],
    "distance_at_infinity": [
        (lambda n, d, m, e: (m * d - n * e) / (m - n), "followed down to n = 0"),
        (lambda n, d, m, e: (d - e) / (1 / n - 1 / m), "this is the slope"),
        (lambda n, d, m, e: (m**0.5 * e - n**0.5 * d) / (m**0.5 - n**0.5), "*root* of n"),
        (lambda n, d, m, e: (m**2 * e - n**2 * d) / (m**2 - n**2), "n squared"),
        (lambda n, d, m, e: (d + e) / 2, "this is a mean"),
        (lambda n, d, m, e: (n * d + m * e) / (n + m), "weighted mean"),
        (lambda n, d, m, e: min(d, e), "reading at the larger n"),
        (lambda n, d, m, e: d + (d - e) / (1 / n - 1 / m) / n, "added where"),
        (lambda *a: -infinity_reference(*a), "the sign is turned"),
        (lambda *a: abs(infinity_reference(*a)), "absolute value"),
        (lambda *a: max(infinity_reference(*a), 0), "cut off at 0"),
        (lambda n, d, m, e: (m * e - n * d) / abs(m - n), "either order"),
        (lambda n, d, m, e: 7, "for 30 at n = 1000"),
        (lambda n, d: d, "your function takes (n, d)"),
    ],
}  # fmt: skip
