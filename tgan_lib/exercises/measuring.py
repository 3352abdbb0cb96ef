"""Checks of the chapter "Measuring": Fréchet and kernel distance, precision, extrapolation, nearness to copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .core import Check
from .value import Value, either, exercise

# --- frechet_diagonal ---


def frechet_diagonal(mean1: Tensor, var1: Tensor, mean2: Tensor, var2: Tensor) -> Tensor:
    return (mean1 - mean2).square().sum() + (var1.sqrt() - var2.sqrt()).square().sum()


def frechet_mistakes(m1: Tensor, v1: Tensor, m2: Tensor, v2: Tensor) -> dict[str, Tensor]:
    """What known mistakes make of means and variances (d,)."""
    away, apart, product = m1 - m2, v1.sqrt() - v2.sqrt(), v1 * v2
    means, spreads, right = away.square().sum(), apart.square().sum(), frechet_diagonal(m1, v1, m2, v2)
    return {
        "the variances are subtracted as if they were standard deviations: take their roots first.":
        means + (v1 - v2).square().sum(),
        "the root is missing: the last term is twice the *root* of the product of the two variances.":
        means + (v1 + v2 - 2 * product).sum(),
        "the factor 2 is missing: with equal variances your spreads do not cancel.":
        means + (v1 + v2 - product.sqrt()).sum(),
        "the root is taken of the traces' product; take it feature by feature and add the roots up.":
        means + v1.sum() + v2.sum() - 2 * (v1.sum() * v2.sum()).sqrt(),
        "the differences of the standard deviations are not squared.": means + apart.abs().sum(),
        "the distance of the means is not squared: drop the root.": means.sqrt() + spreads,
        "the differences of the means are added without being squared.": away.abs().sum() + spreads,
        "the differences of the means are added before they are squared, so that they can cancel.":
        away.sum().square() + spreads,
        "this is the mean over the features; the formula has their sum.": right / len(m1),
        "a root is taken at the end: this is the distance, and what is reported is its square.": right.sqrt(),
        "only the means are compared: two sets with one mean and other spreads would be at 0.": means,
        "only the spreads are compared; the means are left out.": spreads,
    }  # fmt: skip


def vectors(*rows: list[float]) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(row, dtype=torch.float64) for row in rows)


FRECHET = Value(
    right=frechet_diagonal,
    given=[vectors([0.5, -1.0, 2.0], [4.0, 0.25, 1.0], [1.5, 1.0, 1.25], [1.0, 6.25, 0.0])],
    mistakes=frechet_mistakes,
    what="the distance",
    hint="add up over the features",
    overflow="your function says {got} where a feature is constant in one set: a variance of 0 is no trouble for the "
    "formula.",
    wrong="for three features, one of them constant in one set, you say {got:.4f}; it should be {right:.4f}.",
)
EQUAL = FRECHET.at(
    [vectors([0.3, -0.7], [2.0, 0.5], [0.3, -0.7], [2.0, 0.5])],
    wrong="for two equal sets your function says {got:.4f}; it should be 0.",
)

# --- unbiased_kernel_distance ---

Kernel = Callable[[Tensor, Tensor], Tensor]


def base(a: Tensor, b: Tensor) -> Tensor:
    """a . b / d + 1 for all pairs: (n, d) and (m, d) -> (n, m)."""
    return a @ b.T / a.shape[1] + 1


def off_diagonal_mean(matrix: Tensor) -> Tensor:
    """The mean of a square matrix without its diagonal."""
    return (matrix.sum() - matrix.trace()) / (len(matrix) * (len(matrix) - 1))


def estimate(x: Tensor, y: Tensor, kernel: Kernel = lambda a, b: base(a, b) ** 3) -> Tensor:
    """The unbiased estimate of the squared maximum mean discrepancy."""
    return off_diagonal_mean(kernel(x, x)) + off_diagonal_mean(kernel(y, y)) - 2 * kernel(x, y).mean()


def unbiased_kernel_distance(x: Tensor, y: Tensor) -> Tensor:
    return estimate(x, y)


def kernel_mistakes(x: Tensor, y: Tensor) -> dict[str, Any]:
    """What known mistakes make of features (n, d) and (m, d)."""
    n, m, d = len(x), len(y), x.shape[1]
    xx, yy, xy = base(x, x) ** 3, base(y, y) ** 3, base(x, y) ** 3
    within, right, across = off_diagonal_mean(xx) + off_diagonal_mean(yy), estimate(x, y), xy.mean()
    own, crossed = xx.trace() / n**2 + yy.trace() / m**2, xy.sum() - xy.trace()
    return {
        "negative estimates are cut off at 0. They must stay, or the mean is too large.": right.clamp(min=0),
        "the absolute value is taken. Negative estimates must stay, or the mean is too large.": right.abs(),
        "the kernel is made positive, with abs or clamp: where two images point opposite ways x . y is negative, and "
        "the cube of x . y / d + 1 may be.": either(
            estimate(x, y, lambda a, b: base(a, b).abs() ** 3),
            estimate(x, y, lambda a, b: base(a, b).clamp(min=0) ** 3),
            estimate(x, y, lambda a, b: ((a @ b.T).abs() / d + 1) ** 3),
            estimate(x, y, lambda a, b: ((a @ b.T).clamp(min=0) / d + 1) ** 3),
        ),
        "a mean within a set is made positive, with abs or clamp, before the sum: it is below 0 where the images of "
        "the set are opposite, and must stay so.": either(
            *(f(off_diagonal_mean(xx)) + f(off_diagonal_mean(yy)) - 2 * across for f in (torch.abs, torch.relu)),
        ),
        "this is the biased estimate: each image is compared with itself too. Leave the diagonals of the two inner "
        "matrices out.": xx.mean() + yy.mean() - 2 * across,
        "the diagonals are left out of the sums, but the sums are still divided by n * n: only n * (n - 1) pairs are "
        "left.": xx.mean() + yy.mean() - own - 2 * across,
        "the factor 2 is missing: each set is compared with the other from both sides.": within - across,
        "the second set's sum is divided by the first set's number of pairs; the two may differ in size.":
        off_diagonal_mean(xx) + (yy.sum() - yy.trace()) / (n * (n - 1)) - 2 * across,
        "the diagonal of the mixed matrix is left out too; no image is compared with itself there.":
        within - 2 * crossed / (n * m - min(n, m)),
        "the mixed term has n * m pairs, all of them between two different images.":
        within - 2 * crossed / (n * (n - 1)),
        "the product is not divided by the number of features.": estimate(x, y, lambda a, b: (a @ b.T + 1) ** 3),
        "the kernel's + 1 is missing, and with it all that it says of means and covariances.":
        estimate(x, y, lambda a, b: (a @ b.T / d) ** 3),
        "the kernel is squared; its power is 3.": estimate(x, y, lambda a, b: base(a, b) ** 2),
        "the product is divided by the number of images; divide by the number of features.":
        estimate(x, y, lambda a, b: (a @ b.T / len(a) + 1) ** 3),
        "a root is taken; what is reported is the square, and it may be negative.":
        either(right.sqrt(), right.abs().sqrt(), right.clamp(min=0).sqrt()),
        "the sign is turned: similar within and different between must come out large.": -right,
    }  # fmt: skip


def image_features() -> list[tuple[Tensor, Tensor]]:
    """Two sets; a set and itself in another order, where every unbiased estimate is below 0; and two opposite
    points, whose likeness is below 0 too.
    """
    x, y = torch.randn(5, 3, dtype=torch.float64), 1.5 * torch.randn(7, 3, dtype=torch.float64) + 0.7
    return [(x, y), (x, x.flip(0)), (4 * torch.eye(3, dtype=torch.float64)[:1] * torch.tensor([[1.0], [-1.0]]), y)]


KERNEL = Value(
    right=unbiased_kernel_distance,
    given=image_features,
    mistakes=kernel_mistakes,
    what="the estimate",
    hint="take means of the three matrices",
    wrong="for {x.shape[0]} and {y.shape[0]} images with 3 features your function says {got:.4f}; it should be "
    "{right:.4f}.",
)

# --- precision ---


def radii(points: Tensor, k: int) -> Tensor:
    """How far each point's k-th neighbour is: the point itself, at 0, is not counted."""
    return torch.cdist(points, points).sort(1).values[:, min(k, len(points) - 1)]


def precision(real: Tensor, fake: Tensor, k: int) -> Tensor:
    return (torch.cdist(real, fake) <= radii(real, k)[:, None]).any(0).double().mean()


def precision_mistakes(real: Tensor, fake: Tensor, k: int) -> dict[str, Any]:
    """What known mistakes make of two sets of points."""
    apart, radius = torch.cdist(real, fake), radii(real, k)
    in_real, in_fake = (apart <= radius[:, None]).double(), (apart <= radii(fake, k)).double()
    one_radius = [(apart <= one).any(0).double().mean() for one in (radius.mean(), radius.median(), radius.max())]
    fakes_radius = (apart <= radii(fake, k).mean()).any(0).double().mean()
    right = precision(real, fake, k)
    return {
        "this is recall: the balls are round the fakes, and the reals in them are counted.": in_fake.amax(1).mean(),
        "the radii come from the fakes: precision asks whether a fake lies in a ball of the *real* set.":
        in_fake.amax(0).mean(),
        "one radius serves for all points, and it is the mean of the fakes'; each real point has a ball of its own.":
        fakes_radius,
        "one radius serves for all real points, a mean, median or maximum of theirs; each has a ball of its own, as "
        "large as its own neighbours are far.": either(*one_radius),
        "this is coverage: the share of real balls that hold a fake. Count the fakes that are in a ball.":
        in_real.amax(1).mean(),
        "this is density: a fake counts once for each ball it is in. Here it counts once at most.":
        in_real.sum(0).mean() / k,
        "this is the share of all pairs; a fake is in if *any* ball holds it.": in_real.mean(),
        "this is how many fakes are in a ball; divide by the number of fakes.": right * len(fake),
        "the balls are too small: in the distances of a set to itself each point's nearest is itself, so the k-th "
        "neighbour is the (k + 1)-th smallest.": precision(real, fake, k - 1),
        "the balls reach one neighbour too far: the k-th, the point itself not counted, is asked for.":
        precision(real, fake, k + 1),
        "only the ball of the nearest real point is asked; a fake may be in a larger ball further off.":
        in_real[apart.argmin(0), torch.arange(len(fake))].mean(),
        "a fake counts only when it is in all balls; one is enough.": in_real.amin(0).mean(),
        "squared distances are compared with radii that are not squared.":
        (apart.square() <= radius[:, None]).any(0).double().mean(),
        "these are the fakes that are in *no* ball.": 1 - right,
        "k is always 3; use the one that is given.": precision(real, fake, 3),
    }  # fmt: skip


def two_sets(real: int, fake: int, k: int) -> tuple[Tensor, Tensor, int]:
    x, y = torch.randn(real, 2, dtype=torch.float64), torch.randn(fake, 2, dtype=torch.float64)
    return x, 1.6 * y + 0.2, k


PRECISION = Value(
    right=precision,
    given=lambda: [two_sets(29, 41, 3), two_sets(37, 53, 2)],
    mistakes=precision_mistakes,
    what="precision",
    hint="take the share of the fakes that are in a ball",
    wrong="for {real.shape[0]} real and {fake.shape[0]} generated points, k = {k}, your function says {got:.4f}; it "
    "should be {right:.4f}.",
)
ON_A_LINE = PRECISION.at(
    [(torch.tensor([[0.0], [1.0], [3.0], [7.0]]).double(), torch.tensor([[2.0], [-1.5], [12.0], [10.98]]).double(), 1)],
    wrong="for reals at 0, 1, 3, 7 and fakes at 2, -1.5, 12, 10.98, k = 1, your function says {got:.4f}; it should be "
    "{right:.4f}.",
)

# --- distance_at_infinity ---


def distance_at_infinity(n1: int, d1: float, n2: int, d2: float) -> float:
    return (n2 * d2 - n1 * d1) / (n2 - n1)


def infinity_mistakes(n: int, d: float, m: int, e: float) -> dict[str, float]:
    right, slope = distance_at_infinity(n, d, m, e), (d - e) / (1 / n - 1 / m)
    return {
        "this is a straight line in n, followed down to n = 0. The bias is straight in 1/n: follow that to 0.":
        (m * d - n * e) / (m - n),
        "this is the slope, the bias times n; the distance at infinity is what is left when 1/n is 0.": slope,
        "this takes a bias that falls like one over the *root* of n, as a standard error does; this one falls like "
        "1/n.": (m**0.5 * e - n**0.5 * d) / (m**0.5 - n**0.5),
        "this takes a bias that falls like one over n squared; it falls like 1/n.":
        (m * m * e - n * n * d) / (m * m - n * n),
        "this is a mean, and lies between the two; both are too large.": (d + e) / 2,
        "this is a weighted mean, and lies between the two; both are too large.": (n * d + m * e) / (n + m),
        "this is the reading at the larger n, which still has its bias.": e if m > n else d,
        "the bias is added where it should be taken off.": d + slope / n,
        "the result is cut off at 0. Where the truth is near 0, noise makes it negative as often as positive; cut off, "
        "it is biased again.": max(right, 0.0),
        "right when the second n is the larger one; the two readings may come in either order.":
        right if m > n else -right,
        "the absolute value is taken. Where the truth is near 0, noise makes the result negative as often as positive; "
        "let it.": abs(right),
        "the sign is turned.": -right,
    }  # fmt: skip


INFINITY = Value(
    right=distance_at_infinity,
    given=[(1000, 30.0, 4000, 25.5), (500, 4.0, 2000, 0.75), (5000, 21.5, 1000, 27.0)],
    mistakes=infinity_mistakes,
    what="the distance",
    hint="it is one number for the two readings",
    wrong="for {d1:g} at n = {n1} and {d2:g} at n = {n2} your function says {got:.4f}; it should be {right:.4f}.",
)

# --- nearer_than_new ---


def to_nearest(points: Tensor, train: Tensor) -> Tensor:
    """How far each point's nearest training image is."""
    return torch.cdist(points, train).amin(1)


def share_nearer(ours: Tensor, new: Tensor) -> Tensor:
    """Of all pairs, those in which `ours` (n,) is below `new` (m,); ties count half."""
    return ((ours[:, None] < new).double() + 0.5 * (ours[:, None] == new).double()).mean()


def nearer_than_new(samples: Tensor, train: Tensor, heldout: Tensor) -> Tensor:
    return share_nearer(to_nearest(samples, train), to_nearest(heldout, train))


def nearer_mistakes(samples: Tensor, train: Tensor, heldout: Tensor) -> dict[str, Any]:
    """What known mistakes make of three sets of points."""
    ours, new = to_nearest(samples, train), to_nearest(heldout, train)
    few = min(len(ours), len(new))
    below, equal = (ours[:, None] < new).double(), (ours[:, None] == new).double()
    every, each = torch.cdist(samples, train), torch.cdist(heldout, train)
    return {
        "the comparison is turned round: 1 should say that every sample is nearer than every new image.":
        1 - share_nearer(ours, new),
        "ties are counted as nearer. Two images equally near say nothing: count them half.": (below + equal).mean(),
        "ties are not counted. Two images equally near say nothing, so count them half, or equal sets are below 0.5.":
        below.mean(),
        "the mean distance to all training images is taken; a copy is near *one* of them: take the smallest.":
        share_nearer(every.mean(1), each.mean(1)),
        "the distance to the furthest training image is taken; take that to the nearest.":
        share_nearer(every.amax(1), each.amax(1)),
        "for each training image its nearest sample is found; it is each sample's nearest training image that counts.":
        share_nearer(every.amin(0), each.amin(0)),
        "the samples are compared with the held-out images; both are to be compared with the training images.":
        share_nearer(to_nearest(samples, heldout), new),
        "only pairs of the same number are compared, a sample with one held-out image; compare each with all.":
        ((ours[:few] < new[:few]).double() + 0.5 * (ours[:few] == new[:few]).double()).mean(),
        "the samples are held against one number, a mean or median of the new distances; compare all pairs.": either(
            share_nearer(ours, new.mean()[None]), share_nearer(ours, new.median()[None]),
            share_nearer(ours, new.quantile(0.5)[None]),
        ),
        "these are the pairs counted; divide by how many there are.":
        share_nearer(ours, new) * len(ours) * len(new),
        "this is a ratio of two distances; count pairs, so that a few distant images do not decide.": either(
            ours.mean() / new.mean(), ours.median() / new.median()
        ),
    }  # fmt: skip


def clouds() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Three sets in the plane, of different sizes, and one copy in each of two."""
    samples, train, heldout = (torch.randn(n, 2, dtype=torch.float64) for n in (29, 37, 23))
    samples *= 0.7
    samples[2], heldout[4] = train[3], train[8]
    return [(samples, train, heldout)]


NEARER = Value(
    right=nearer_than_new,
    given=clouds,
    mistakes=nearer_mistakes,
    what="the share",
    hint="take the mean over all pairs",
    wrong="for {samples.shape[0]} samples, {train.shape[0]} training and {heldout.shape[0]} held-out points your "
    "function says {got:.4f}; it should be {right:.4f}.",
)
COPIES = NEARER.at(
    [
        (
            torch.tensor([[0.0], [4.0]]).double(),
            torch.tensor([[0.0], [4.0], [9.0]]).double(),
            torch.ones(3, 1).double(),
        ),
        (
            torch.tensor([[2.0], [6.0], [6.5]]).double(),
            torch.tensor([[0.0], [9.0]]).double(),
            torch.zeros(2, 1).double(),
        ),
    ],
    but="right for clouds of points, but ",
    wrong="for {samples.shape[0]} samples it says {got:.4f}, and it should be {right:.4f}: all of them copies gives 1, "
    "none of them nearer than a new image gives 0.",
)

CHECKS: dict[str, Check] = {
    "frechet_diagonal": exercise(FRECHET, EQUAL, passed="Three features, and two equal sets at distance 0."),
    "unbiased_kernel_distance": exercise(
        KERNEL, passed="Sets of different sizes, and a negative estimate for two equal sets."
    ),
    "precision": exercise(
        PRECISION, ON_A_LINE, passed="The balls are round the real points, and each fake counts once."
    ),
    "nearer_than_new": exercise(NEARER, COPIES, passed="1 for copies, 0.5 for images as new as new ones."),
    "distance_at_infinity": exercise(INFINITY, passed="Three pairs of readings, in either order."),
}
