"""Checks of the chapter "Measuring": a Fréchet distance, an unbiased kernel distance, precision, extrapolation.

All right values are known in closed form. A mistake is recognised by computing what that mistake would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .core import NOTHING, Check, Wrong, call, close, wrong_if

Answer = Callable[..., Any]
Mistakes = list[tuple[Tensor, str]]


def number(value: Any, what: str, reduce: str) -> float:
    """`value` as a float, or `Wrong`. `what` names it, "the distance"; `reduce` says how to get to one number."""
    wrong_if(value is None or value is ..., NOTHING)
    if isinstance(value, (tuple, list, dict)):
        raise Wrong(f"your function returns a {type(value).__name__}; return {what} alone, one number.")
    shape = tuple(getattr(value, "shape", ()))
    wrong_if(
        any(side != 1 for side in shape), f"your function returns {shape} numbers; {what} is one number: {reduce}."
    )
    wrong_if(
        isinstance(value, Tensor) and value.is_complex() and bool(value.imag.abs().max() > 1e-6),
        f"your function returns a complex number; {what} is real.",
    )
    try:
        return float(value.real if isinstance(value, Tensor) and value.is_complex() else value)
    except (TypeError, ValueError):
        raise Wrong(f"your function returns {value!r}; {what} is one number.") from None


def compare(got: float, right: Tensor, mistakes: Mistakes, what: str) -> None:
    """Raise `Wrong` with the mistake that gives `got`, or with both numbers; nothing if `got` is right."""
    if close(got, float(right)):
        return
    for value, message in mistakes:
        wrong_if(close(got, float(value)), message)
    raise Wrong(f"{what} your function says {got:.4f}; it should be {float(right):.4f}.")


# --- frechet_diagonal ---


def frechet_mistakes(m1: Tensor, v1: Tensor, m2: Tensor, v2: Tensor) -> Mistakes:
    """What known mistakes make of means and variances (d,), and how to call them."""
    means, s1, s2 = (m1 - m2).square().sum(), v1.sqrt(), v2.sqrt()
    spreads = (s1 - s2).square().sum()
    right = means + spreads
    return [
        (
            means + (v1 - v2).square().sum(),
            "the variances are subtracted as if they were standard deviations: take their roots first.",
        ),
        (
            means + (v1 + v2 - 2 * v1 * v2).sum(),
            "the root is missing: the last term is twice the *root* of the product of the two variances.",
        ),
        (
            means + (v1 + v2 - (v1 * v2).sqrt()).sum(),
            "the factor 2 is missing: with equal variances your spreads do not cancel.",
        ),
        (
            means + v1.sum() + v2.sum() - 2 * (v1.sum() * v2.sum()).sqrt(),
            "the root is taken of the traces' product; take it feature by feature and add the roots up.",
        ),
        (means + (s1 - s2).abs().sum(), "the differences of the standard deviations are not squared."),
        ((m1 - m2).square().sum().sqrt() + spreads, "the distance of the means is not squared: drop the root."),
        ((m1 - m2).abs().sum() + spreads, "the differences of the means are added without being squared."),
        (
            (m1 - m2).sum().square() + spreads,
            "the differences of the means are added before they are squared, so that they can cancel.",
        ),
        (right / len(m1), "this is the mean over the features; the formula has their sum."),
        (right.sqrt(), "a root is taken at the end: this is the distance, and what is reported is its square."),
        (means, "only the means are compared: two sets with one mean and other spreads would be at 0."),
        (spreads, "only the spreads are compared; the means are left out."),
    ]


def check_frechet_diagonal(answer: Answer) -> str:
    """`frechet_diagonal(mean1, var1, mean2, var2)`: sum (m1 - m2)^2 + sum (sqrt v1 - sqrt v2)^2."""
    names = ("mean1", "var1", "mean2", "var2")
    first = [[0.5, -1.0, 2.0], [4.0, 0.25, 1.0], [1.5, 1.0, 1.25], [1.0, 6.25, 0.0]]
    alike = [[0.3, -0.7], [2.0, 0.5], [0.3, -0.7], [2.0, 0.5]]
    for vectors, what in (
        (first, "for three features, one of them constant in one set,"),
        (alike, "for two equal sets"),
    ):
        given = [torch.tensor(vector, dtype=torch.float64) for vector in vectors]
        m1, v1, m2, v2 = given
        value = call(answer, **dict(zip(names, (t.clone() for t in given), strict=True)))
        got = number(value, "the distance", "add up over the features")
        right = (m1 - m2).square().sum() + (v1.sqrt() - v2.sqrt()).square().sum()
        wrong_if(got != got, f"{what} your function says NaN; a variance of 0 is no trouble for the formula.")
        compare(got, right, frechet_mistakes(*given), what)
    return "Three features, and two equal sets at distance 0."


# --- unbiased_kernel_distance ---


def cubic_kernel(a: Tensor, b: Tensor) -> Tensor:
    """(a . b / d + 1)^3 for all pairs: (n, d) and (m, d) -> (n, m)."""
    return (a @ b.T / a.shape[1] + 1) ** 3


def off_diagonal_mean(matrix: Tensor) -> Tensor:
    """The mean of a square matrix without its diagonal."""
    n = len(matrix)
    return (matrix.sum() - matrix.trace()) / (n * (n - 1))


def estimate(x: Tensor, y: Tensor, kernel: Callable[[Tensor, Tensor], Tensor] = cubic_kernel) -> Tensor:
    """The unbiased estimate of the squared maximum mean discrepancy."""
    across = kernel(x, y).mean()
    return off_diagonal_mean(kernel(x, x)) + off_diagonal_mean(kernel(y, y)) - 2 * across


def kernel_mistakes(x: Tensor, y: Tensor) -> Mistakes:
    """What known mistakes make of features (n, d) and (m, d), and how to call them."""
    n, m, d = len(x), len(y), x.shape[1]
    xx, yy, xy = cubic_kernel(x, x), cubic_kernel(y, y), cubic_kernel(x, y)
    within, right = off_diagonal_mean(xx) + off_diagonal_mean(yy), estimate(x, y)
    own = xx.trace() / n**2 + yy.trace() / m**2
    crossed = xy.sum() - xy.trace()
    not_negative: Mistakes = [
        (right.clamp(min=0), "negative estimates are cut off at 0. They must stay, or the mean is too large."),
        (right.abs(), "the absolute value is taken. Negative estimates must stay, or the mean is too large."),
    ]
    return [
        *(not_negative if right < 0 else []),
        (
            xx.mean() + yy.mean() - 2 * xy.mean(),
            "this is the biased estimate: each image is compared with itself too. Leave the diagonals of the "
            "two inner matrices out.",
        ),
        (
            xx.mean() + yy.mean() - own - 2 * xy.mean(),
            "the diagonals are left out of the sums, but the sums are still divided by n * n: only "
            "n * (n - 1) pairs are left.",
        ),
        (within - xy.mean(), "the factor 2 is missing: each set is compared with the other from both sides."),
        (
            off_diagonal_mean(xx) + (yy.sum() - yy.trace()) / (n * (n - 1)) - 2 * xy.mean(),
            "the second set's sum is divided by the first set's number of pairs; the two may differ in size.",
        ),
        (
            within - 2 * crossed / (n * m - min(n, m)),
            "the diagonal of the mixed matrix is left out too; no image is compared with itself there.",
        ),
        (
            within - 2 * crossed / (n * (n - 1)),
            "the mixed term has n * m pairs, all of them between two different images.",
        ),
        (estimate(x, y, lambda a, b: (a @ b.T + 1) ** 3), "the product is not divided by the number of features."),
        (
            estimate(x, y, lambda a, b: (a @ b.T / d) ** 3),
            "the kernel's + 1 is missing, and with it all that it says of means and covariances.",
        ),
        (estimate(x, y, lambda a, b: (a @ b.T / d + 1) ** 2), "the kernel is squared; its power is 3."),
        (
            estimate(x, y, lambda a, b: (a @ b.T / len(a) + 1) ** 3),
            "the product is divided by the number of images; divide by the number of features.",
        ),
        (right.abs().sqrt(), "a root is taken; what is reported is the square, and it may be negative."),
        (-right, "the sign is turned: similar within and different between must come out large."),
    ]


def check_unbiased_kernel_distance(answer: Answer) -> str:
    """`unbiased_kernel_distance(x, y)`: the squared MMD with (x.y / d + 1)^3, no image against itself."""
    rng = torch.Generator().manual_seed(6)
    x = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    y = 1.5 * torch.randn(7, 3, generator=rng, dtype=torch.float64) + 0.7
    # a set against itself in another order: every estimate that is unbiased is below 0 there
    for a, b, what in ((x, y, "for 5 and 7 images with 3 features"), (x, x.flip(0), "for two equal sets")):
        value = call(answer, x=a.clone(), y=b.clone())
        got = number(value, "the estimate", "take means of the three matrices")
        wrong_if(got != got, f"{what} your function says NaN: is there a root of a negative number in it?")
        compare(got, estimate(a, b), kernel_mistakes(a, b), what)
    return "Sets of different sizes, and a negative estimate for two equal sets."


# --- precision ---


def radii(points: Tensor, k: int) -> Tensor:
    """How far each point's k-th neighbour is: the point itself, at 0, is not counted."""
    return torch.cdist(points, points).sort(1).values[:, k]


def precision_mistakes(real: Tensor, fake: Tensor, k: int) -> Mistakes:
    """What known mistakes make of two sets of points, and how to call them."""
    apart = torch.cdist(real, fake)
    in_real, in_fake = apart <= radii(real, k)[:, None], apart <= radii(fake, k)

    def share(flags: Tensor) -> Tensor:
        return flags.double().mean()

    nearest = apart.argmin(0)
    own = torch.arange(len(fake))
    return [
        (share(in_fake.any(1)), "this is recall: the balls are round the fakes, and the reals in them are counted."),
        (
            share(in_fake.any(0)),
            "the radii come from the fakes: precision asks whether a fake lies in a ball of the *real* set.",
        ),
        (
            share(in_real.any(1)),
            "this is coverage: the share of real balls that hold a fake. Count the fakes that are in a ball.",
        ),
        (
            in_real.double().sum(0).mean() / k,
            "this is density: a fake counts once for each ball it is in. Here it counts once at most.",
        ),
        (share(in_real), "this is the share of all pairs; a fake is in if *any* ball holds it."),
        (share(in_real.any(0)) * len(fake), "this is how many fakes are in a ball; divide by the number of fakes."),
        (
            share((apart <= radii(real, k - 1)[:, None]).any(0)),
            "the balls are too small: in the distances of a set to itself each point's nearest is itself, so the "
            "k-th neighbour is the (k + 1)-th smallest.",
        ),
        (
            share((apart <= radii(real, k + 1)[:, None]).any(0)),
            "the balls reach one neighbour too far: the k-th, the point itself not counted, is asked for.",
        ),
        (
            share(in_real[nearest, own]),
            "only the ball of the nearest real point is asked; a fake may be in a larger ball further off.",
        ),
        (share(in_real.all(0)), "a fake counts only when it is in all balls; one is enough."),
        (
            share((apart.square() <= radii(real, k)[:, None]).any(0)),
            "squared distances are compared with radii that are not squared.",
        ),
        (share(~in_real.any(0)), "these are the fakes that are in *no* ball."),
    ]


def check_precision(answer: Answer) -> str:
    """`precision(real, fake, k)`: the share of fakes in a ball of a real point that reaches its k-th neighbour."""
    rng = torch.Generator().manual_seed(162)
    real = torch.randn(29, 2, generator=rng, dtype=torch.float64)
    fake = 1.6 * torch.randn(41, 2, generator=rng, dtype=torch.float64) + 0.2
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=torch.float64)
    for a, b, k, what in (
        (real, fake, 3, "for 29 real and 41 generated points, k = 3,"),
        (line, torch.tensor([[2.0], [-1.5], [12.0]], dtype=torch.float64), 1, "for reals at 0, 1, 3, 7, k = 1,"),
    ):
        value = call(answer, real=a.clone(), fake=b.clone(), k=k)
        got = number(value, "precision", "take the share of the fakes that are in a ball")
        right = (torch.cdist(a, b) <= radii(a, k)[:, None]).any(0).double().mean()
        always_3 = (torch.cdist(a, b) <= radii(a, 3)[:, None]).any(0).double().mean()
        on_a_line: Mistakes = [(always_3, "k is always 3; use the one that is given.")]
        compare(got, right, precision_mistakes(a, b, k) if k == 3 else on_a_line, what)
    return "The balls are round the real points, and each fake counts once."


# --- distance_at_infinity ---

INFINITY_MISTAKES: list[tuple[Callable[[float, float, float, float], float], str]] = [
    (
        lambda n, d, m, e: (m * d - n * e) / (m - n),
        "this is a straight line in n, followed down to n = 0. The bias is straight in 1/n: follow that to 0.",
    ),
    (
        lambda n, d, m, e: (d - e) / (1 / n - 1 / m),
        "this is the slope, the bias times n; the distance at infinity is what is left when 1/n is 0.",
    ),
    (
        lambda n, d, m, e: (m**0.5 * e - n**0.5 * d) / (m**0.5 - n**0.5),
        "this takes a bias that falls like one over the *root* of n, as a standard error does; this one "
        "falls like 1/n.",
    ),
    (
        lambda n, d, m, e: (m * m * e - n * n * d) / (m * m - n * n),
        "this takes a bias that falls like one over n squared; it falls like 1/n.",
    ),
    (lambda n, d, m, e: (d + e) / 2, "this is a mean, and lies between the two; both are too large."),
    (
        lambda n, d, m, e: (n * d + m * e) / (n + m),
        "this is a weighted mean, and lies between the two; both are too large.",
    ),
    (lambda n, d, m, e: e if m > n else d, "this is the reading at the larger n, which still has its bias."),
    (lambda n, d, m, e: d + (d - e) / (1 / n - 1 / m) / n, "the bias is added where it should be taken off."),
    (
        lambda n, d, m, e: max((m * e - n * d) / (m - n), 0.0),
        "the result is cut off at 0. Where the truth is near 0, noise makes it negative as often as positive; "
        "cut off, it is biased again.",
    ),
    (
        lambda n, d, m, e: (m * e - n * d) / abs(m - n),
        "right when the second n is the larger one; the two readings may come in either order.",
    ),
    (
        lambda n, d, m, e: abs((m * e - n * d) / (m - n)),
        "the absolute value is taken. Where the truth is near 0, noise makes the result negative as often as "
        "positive; let it.",
    ),
    (lambda n, d, m, e: -(m * e - n * d) / (m - n), "the sign is turned."),
]


def check_distance_at_infinity(answer: Answer) -> str:
    """`distance_at_infinity(n1, d1, n2, d2)`: a line in 1/n through two readings, at 1/n = 0."""
    names = ("n1", "d1", "n2", "d2")
    readings = [(1000, 30.0, 4000, 25.5), (500, 4.0, 2000, 0.75), (5000, 21.5, 1000, 27.0)]
    for n, d, m, e in readings:
        value = call(answer, **dict(zip(names, (n, d, m, e), strict=True)))
        got = number(value, "the distance", "one number for the two readings")
        known = [(torch.tensor(mistake(n, d, m, e)), message) for mistake, message in INFINITY_MISTAKES]
        right = torch.tensor((m * e - n * d) / (m - n), dtype=torch.float64)
        compare(got, right, known, f"for {d:g} at n = {n} and {e:g} at n = {m}")
    return "Three pairs of readings, in either order."


CHECKS: dict[str, Check] = {
    "frechet_diagonal": check_frechet_diagonal,
    "unbiased_kernel_distance": check_unbiased_kernel_distance,
    "precision": check_precision,
    "distance_at_infinity": check_distance_at_infinity,
}
