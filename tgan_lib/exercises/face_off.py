"""Checks of chapter 16, the face-off: a setting that validation chose, a difference in pairs, the ways worth having."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from statistics import fmean, variance
from typing import Any

import torch

from .core import Check, shown, wrong_if
from .value import Value, exercise

Numbers = Sequence[float]
Point = tuple[float, float]

# --- chosen_by_validation ---

# (validation, test): the two disagree about the best.
SETTINGS: list[tuple[list[float], list[float]]] = [
    ([31.0, 24.0, 29.0], [29.0, 26.5, 25.0]),
    ([18.0, 19.0, 40.0, 21.0], [20.5, 16.0, 38.0, 17.0]),
    ([55.0, 48.0, 47.0], [50.0, 45.0, 51.0]),
]


def chosen(validation: Numbers, test: Numbers) -> float:
    return test[validation.index(min(validation))]


def choice_mistakes(v: Numbers, t: Numbers) -> dict[str, float]:
    """What the known mistakes make of the settings' distances."""
    together = [a + b for a, b in zip(v, t, strict=True)]
    return {
        "this is the smallest test distance: the test set has chosen the setting, and what it chose flatters. Let "
        "validation choose.": min(t),
        "this is the smallest validation distance. It chose the setting, so it is too good; report the same setting's "
        "*test* distance.": min(v),
        "this is the setting's place in the list; report its test distance.": v.index(min(v)),
        "this is the setting with the *largest* validation distance; a distance is good when low.": t[v.index(max(v))],
        "the two sets have changed places: validation chooses, test reports.": chosen(t, v),
        "the setting is chosen by the two distances together, so that the test set has had a say.": chosen(together, t),
        "this is the mean over all settings; only the chosen one is reported.": fmean(t),
        "the chosen setting's two distances are averaged; validation's is too good, since it was chosen by it.": (
            min(v) + chosen(v, t)
        )
        / 2,
    }


CHOSEN = Value(right=chosen, given=SETTINGS, mistakes=choice_mistakes, what="the distance to report")

# --- paired_difference ---

PAIRED: list[tuple[list[float], list[float]]] = [
    ([40.0, 52.0, 61.0], [37.0, 50.0, 56.0]),
    ([20.0, 26.0, 23.0, 31.0], [24.0, 25.0, 29.0, 34.0]),
]


def paired(a: Numbers, b: Numbers) -> tuple[float, float]:
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return fmean(differences), math.sqrt(variance(differences) / len(a))


def paired_mistakes(a: Numbers, b: Numbers) -> dict[str, tuple[float, float]]:
    """What the known mistakes make of two lists of runs: (mean, error)."""
    (mean, error), n = paired(a, b), len(a)
    spread = error**2 * n
    means = {
        "the sign is turned: return a minus b, so that a negative difference says that a is nearer.": -mean,
        "the sign is lost: a difference without its sign does not say which way is nearer.": abs(mean),
        "the first number is a ratio; return the mean of a - b.": sum(a) / sum(b),
        "the first number is the sum of the differences, not their mean.": mean * n,
    }
    errors = {
        "the standard error is that of two unrelated samples. The runs come in pairs, on the same images: take the "
        "spread of the *differences*, in which what the pair shares has gone.": math.sqrt(
            (variance(a) + variance(b)) / n
        ),
        "this is the spread of single differences. The mean of n of them is surer: divide by the root of n.": math.sqrt(
            spread
        ),
        "the squares are divided by n. The mean came from the same n numbers: divide by n - 1, which matters with "
        "three seeds.": math.sqrt(spread * (n - 1)) / n,
        "this is the spread of single differences, and with n in place of n - 1; the mean's standard error is smaller "
        "by the root of n.": math.sqrt(spread * (n - 1) / n),
        "this is the variance of the mean; take its root, which is in the units of the distance.": error**2,
        "this is the variance of single differences; divide by n and take the root.": spread,
        "the spread is divided by n; the root of n is right.": math.sqrt(spread) / n,
        "this is two standard errors; return one, and let the reader choose the interval.": 2 * error,
        "this is the difference of two standard errors; the standard error of the differences is asked for.": abs(
            math.sqrt(variance(a) / n) - math.sqrt(variance(b) / n)
        ),
    }
    swapped = {"the two numbers have changed places: the mean first, then its standard error.": (error, mean)}
    return swapped | {m: (x, error) for m, x in means.items()} | {m: (mean, x) for m, x in errors.items()}


DIFFERENCE = Value(
    right=paired,
    given=PAIRED,
    mistakes=paired_mistakes,
    parts=("the mean difference", "its standard error"),
    wrong="for a = {a} and b = {b} your function says {got:.4g} for {part}; {right:.4g} is right.",
    tolerance=(1e-4, 1e-6),
)

# --- not_dominated ---

# (distance, cost): a front that bulges inwards, a tie in one number, twins, a point that is best in one number.
POINTS: list[list[Point]] = [
    [(20.0, 9.0), (30.0, 8.0), (40.0, 1.0), (45.0, 4.0), (50.0, 0.5)],
    [(20.0, 3.0), (20.0, 5.0), (35.0, 3.0), (36.0, 2.0), (10.0, 7.0)],
    [(12.0, 4.0), (12.0, 4.0), (15.0, 6.0)],
    [(30.0, 3.5), (25.0, 4.0), (40.0, 9.0), (26.0, 3.0)],
]


def beats(q: Point, p: Point) -> bool:
    """q is no worse than p in either number, and better in one; low is good."""
    return q[0] <= p[0] and q[1] <= p[1] and q != p


def front(points: Sequence[Point]) -> list[int]:
    return unbeaten(beats)(points)


def unbeaten(
    beaten_by: Callable[[Point, Point], bool], rivals: Callable[[int, int], bool] = operator.ne
) -> Callable[[Sequence[Point]], list[int]]:
    """The places i of the points that none of their rivals, at j with rivals(j, i), beats."""

    def not_dominated(points: Sequence[Point]) -> list[int]:
        listed = list(enumerate(points))
        return [i for i, p in listed if not any(beaten_by(q, p) for j, q in listed if rivals(j, i))]

    return not_dominated


def hull(points: Sequence[Point]) -> list[int]:
    """The front without its points above a chord: what minimising weighted sums can find."""
    found = front(points)
    above = set()
    for i in found:
        x, y = points[i]
        for j, k in combinations(found, 2):
            (a, b), (c, d) = sorted((points[j], points[k]))
            if a < x < c and y > b + (d - b) * (x - a) / (c - a):
                above.add(i)
    return [i for i in found if i not in above]


def kept(returned: Any, points: Sequence[Point]) -> torch.Tensor:
    """1 for each point whose place was returned, 0 for the others."""
    listed = returned.tolist() if hasattr(returned, "tolist") else returned
    wrong_if(
        not isinstance(listed, Iterable) or isinstance(listed, (str, bytes, dict)),
        f"your function returns {shown(returned)}; a list of places is wanted.",
    )
    found = list(listed)
    wrong_if(
        any(isinstance(v, (tuple, list)) for v in found),
        "your function returns points; return their places in the list, so that a name can be put to each.",
    )
    wrong_if(
        len(found) == len(points) and all(isinstance(v, bool) for v in found),
        "your function returns True or False for each point; return the places of those that are True.",
    )
    places = set(range(len(points)))
    wrong_if(
        any(v not in places for v in found) or len(set(found)) < len(found),
        f"your function returns {shown(returned)}; each place is a whole number from 0 to {len(points) - 1}, and there "
        "once.",
    )
    return torch.tensor([float(i in found) for i in range(len(points))])


FRONT = Value(
    right=front,
    given=[(points,) for points in POINTS],
    seen=kept,
    wrong="of {points} place {place[0]} is {got:g} in your list; {right:g} is right (1: it is kept, 0: it is not).",
    fails="it fails on one of the lists of points. Seen: ",
    mistakes={
        "a point stays that another equals in one number and beats in the other: it is dominated too. Ask for `<=` in "
        "both and `<` in at least one.": unbeaten(lambda q, p: q[0] < p[0] and q[1] < p[1]),
        "two points that are alike have thrown each other out: neither is better in anything. Ask for `<` in at least "
        "one number.": unbeaten(lambda q, p: q[0] <= p[0] and q[1] <= p[1]),
        "nothing is left: each point is compared with itself, and is no better than itself.": lambda points: [],
        "the comparison is turned: these are the points that no other is worse than. Both numbers are good when "
        "low.": unbeaten(lambda q, p: beats(p, q)),
        "these are the dominated ones; return the others.": lambda points: [
            i for i in range(len(points)) if i not in front(points)
        ],
        "only the first number counts here; a point that is cheaper is worth keeping although it is farther.": unbeaten(
            lambda q, p: q[0] < p[0]
        ),
        "only the second number counts here.": unbeaten(lambda q, p: q[1] < p[1]),
        "a point is thrown out as soon as another is better in *one* number; it must be no better in either.": unbeaten(
            lambda q, p: q[0] < p[0] or q[1] < p[1]
        ),
        "the two numbers are added, which sets a price of one for the other that nobody has named.": lambda points: [
            min(range(len(points)), key=lambda i: sum(points[i]))
        ],
        "points of the front above a straight line between two others are missing. No weighted sum of the numbers "
        "chooses them, and still nothing beats them.": hull,
        "each point is compared with those before it alone; a later one may beat it too.": unbeaten(beats, operator.lt),
        "each point is compared with those after it alone; an earlier one may beat it too.": unbeaten(
            beats, operator.gt
        ),
        "of two points that are alike one is missing: neither beats the other, so both stay.": lambda points: [
            i for i in front(points) if points[i] not in points[:i]
        ],
        "all points are kept.": lambda points: list(range(len(points))),
    },
)

CHECKS: dict[str, Check] = {
    "chosen_by_validation": exercise(
        CHOSEN, passed=f"Right for {len(SETTINGS)} searches; in each the test set would have chosen another setting."
    ),
    "paired_difference": exercise(
        DIFFERENCE, passed="The mean difference, with its sign, and the standard error of paired runs."
    ),
    "not_dominated": exercise(
        FRONT, passed="The front is whole: ties, twins and the points that no weighted sum would choose."
    ),
}
