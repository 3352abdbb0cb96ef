"""Checks of the chapter "The face-off": a setting that validation chose, a difference in pairs, the ways worth having.

Each exercise is a function of short lists of numbers. An answer is compared with what the usual mistakes would give
before it is compared with what is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import torch

from .core import NOTHING, Check, Raised, Wrong, call, number, wrong_if

Answer = Callable[..., Any]
Point = tuple[float, float]


def _number(value: Any, what: str) -> float:
    """One number out of what an answer returned; no bool, no list of several."""
    wrong_if(value is None or value is ..., NOTHING)
    wrong_if(isinstance(value, bool), f"your function returns {value}; {what} is wanted.")
    return number(value, f"{what} is wanted")


def _close(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(math.isclose(x, y, rel_tol=1e-4, abs_tol=1e-6) for x, y in zip(a, b, strict=True))


def _place(values: Sequence[float], best: Callable[[Sequence[float]], float] = min) -> int:
    return values.index(best(values))


# --- chosen_by_validation ---

# (validation, test): the two disagree about the best.
SETTINGS: list[tuple[list[float], list[float]]] = [
    ([31.0, 24.0, 29.0], [29.0, 26.5, 25.0]),
    ([18.0, 19.0, 40.0, 21.0], [20.5, 16.0, 38.0, 17.0]),
    ([55.0, 47.0, 48.0], [50.0, 51.0, 45.0]),
]

CHOICE_MISTAKES: list[tuple[Callable[[Sequence[float], Sequence[float]], float], str]] = [
    (
        lambda v, t: min(t),
        "this is the smallest test distance: the test set has chosen the setting, and what it chose flatters. Let "
        "validation choose.",
    ),
    (
        lambda v, t: min(v),
        "this is the smallest validation distance. It chose the setting, so it is too good; report the same "
        "setting's *test* distance.",
    ),
    (lambda v, t: _place(v), "this is the setting's place in the list; report its test distance."),
    (
        lambda v, t: t[_place(v, max)],
        "this is the setting with the *largest* validation distance; a distance is good when low.",
    ),
    (lambda v, t: v[_place(t)], "the two sets have changed places: validation chooses, test reports."),
    (
        lambda v, t: t[min(range(len(v)), key=lambda i: v[i] + t[i])],
        "the setting is chosen by the two distances together, so that the test set has had a say.",
    ),
    (lambda v, t: sum(t) / len(t), "this is the mean over all settings; only the chosen one is reported."),
    (
        lambda v, t: (min(v) + t[_place(v)]) / 2,
        "the chosen setting's two distances are averaged; validation's is too good, since it was chosen by it.",
    ),
]


def check_chosen_by_validation(answer: Answer) -> str:
    """`chosen_by_validation(validation, test)`: the test distance of the setting that is best in validation."""
    kept = [(list(v), list(t)) for v, t in SETTINGS]
    got = [
        _number(call(answer, validation=list(v), test=list(t)), "one number (the distance to report)") for v, t in kept
    ]
    for mistake, message in CHOICE_MISTAKES:
        wrong_if(_close(got, [mistake(v, t) for v, t in SETTINGS]), message)
    for (v, t), seen in zip(SETTINGS, got, strict=True):
        right = t[_place(v)]
        wrong_if(
            not _close([seen], [right]),
            f"for validation {v} and test {t} your function says {seen:g}; {right:g} is right.",
        )
    return f"Right for {len(SETTINGS)} searches; in each the test set would have chosen another setting."


# --- paired_difference ---

PAIRED: list[tuple[list[float], list[float]]] = [
    ([40.0, 52.0, 61.0], [37.0, 50.0, 56.0]),
    ([20.0, 26.0, 23.0, 31.0], [24.0, 25.0, 29.0, 34.0]),
]


def _moments(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, int]:
    """The differences' mean, their sum of squares about it, and how many there are."""
    d = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(d) / len(d)
    return mean, sum((x - mean) ** 2 for x in d), len(d)


def paired(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """The mean of a - b, and its standard error."""
    mean, squares, n = _moments(a, b)
    return mean, math.sqrt(squares / (n - 1) / n)


def _spread(a: Sequence[float]) -> float:
    mean = sum(a) / len(a)
    return sum((x - mean) ** 2 for x in a) / (len(a) - 1)


ERROR_MISTAKES: list[tuple[Callable[[Sequence[float], Sequence[float]], float], str]] = [
    (
        lambda a, b: math.sqrt((_spread(a) + _spread(b)) / len(a)),
        "the standard error is that of two unrelated samples. The runs come in pairs, on the same images: take the "
        "spread of the *differences*, in which what the pair shares has gone.",
    ),
    (
        lambda a, b: math.sqrt(_moments(a, b)[1] / (len(a) - 1)),
        "this is the spread of single differences. The mean of n of them is surer: divide by the root of n.",
    ),
    (
        lambda a, b: math.sqrt(_moments(a, b)[1]) / len(a),
        "the squares are divided by n. The mean came from the same n numbers: divide by n - 1, which matters with "
        "three seeds.",
    ),
    (
        lambda a, b: math.sqrt(_moments(a, b)[1] / len(a)),
        "this is the spread of single differences, and with n in place of n - 1; the mean's standard error is "
        "smaller by the root of n.",
    ),
    (
        lambda a, b: _moments(a, b)[1] / (len(a) - 1) / len(a),
        "this is the variance of the mean; take its root, which is in the units of the distance.",
    ),
    (
        lambda a, b: _moments(a, b)[1] / (len(a) - 1),
        "this is the variance of single differences; divide by n and take the root.",
    ),
    (
        lambda a, b: math.sqrt(_moments(a, b)[1] / (len(a) - 1)) / len(a),
        "the spread is divided by n; the root of n is right.",
    ),
    (
        lambda a, b: 2 * paired(a, b)[1],
        "this is two standard errors; return one, and let the reader choose the interval.",
    ),
    (
        lambda a, b: abs(math.sqrt(_spread(a) / len(a)) - math.sqrt(_spread(b) / len(b))),
        "this is the difference of two standard errors; the standard error of the differences is asked for.",
    ),
]


def check_paired_difference(answer: Answer) -> str:
    """`paired_difference(a, b)`: the mean of a - b over pairs, and the standard error of that mean."""
    got = [_two(call(answer, a=list(a), b=list(b))) for a, b in PAIRED]
    means, errors = [m for m, _ in got], [e for _, e in got]
    right = [paired(a, b) for a, b in PAIRED]
    wrong_if(
        _close(means, [-m for m, _ in right]),
        "the sign is turned: return a minus b, so that a negative difference says that a is nearer.",
    )
    wrong_if(
        _close(means, [abs(m) for m, _ in right]),
        "the sign is lost: a difference without its sign does not say which way is nearer.",
    )
    wrong_if(
        _close(means, [sum(a) / sum(b) for a, b in PAIRED]), "the first number is a ratio; return the mean of a - b."
    )
    wrong_if(
        _close(means, [sum(a) - sum(b) for a, b in PAIRED]),
        "the first number is the sum of the differences, not their mean.",
    )
    wrong_if(
        _close(means, [e for _, e in right]) and _close(errors, [m for m, _ in right]),
        "the two numbers have changed places: the mean first, then its standard error.",
    )
    for mistake, message in ERROR_MISTAKES:
        wrong_if(_close(errors, [mistake(a, b) for a, b in PAIRED]), message)
    for (a, b), seen, true in zip(PAIRED, got, right, strict=True):
        wrong_if(
            not _close(seen, true),
            f"for a = {a} and b = {b} your function says ({seen[0]:.4g}, {seen[1]:.4g}); "
            f"({true[0]:.4g}, {true[1]:.4g}) is right.",
        )
    return "The mean difference, with its sign, and the standard error of paired runs."


def _two(value: Any) -> Point:
    wrong_if(value is None or value is ..., NOTHING)
    try:
        first, second = value
    except (TypeError, ValueError):
        raise Wrong(
            f"your function returns {value!r}; two numbers are wanted, the mean difference and its standard error."
        ) from None
    return _number(first, "a mean difference"), _number(second, "a standard error")


# --- not_dominated ---

# (distance, cost): a front that bulges inwards, a tie in one number, twins, a point that is best in one number.
POINTS: list[list[Point]] = [
    [(20.0, 9.0), (30.0, 8.0), (40.0, 1.0), (45.0, 4.0), (50.0, 0.5)],
    [(20.0, 3.0), (20.0, 5.0), (35.0, 3.0), (36.0, 2.0), (10.0, 7.0)],
    [(12.0, 4.0), (12.0, 4.0), (15.0, 6.0)],
]


def _front(points: Sequence[Point], beats: Callable[[Point, Point], bool]) -> list[int]:
    """The places of the points that no other of them `beats`."""
    return [i for i, p in enumerate(points) if not any(beats(q, p) for j, q in enumerate(points) if j != i)]


def beats(q: Point, p: Point) -> bool:
    """q is no worse than p in either number, and better in one; low is good."""
    return q[0] <= p[0] and q[1] <= p[1] and q != p


def _hull(points: Sequence[Point]) -> list[int]:
    """The front without its points above a chord: what minimising weighted sums can find."""
    found = _front(points, beats)
    above = set()
    for i in found:
        x, y = points[i]
        for j, k in combinations(found, 2):
            (a, b), (c, d) = sorted((points[j], points[k]))
            if a < x < c and y > b + (d - b) * (x - a) / (c - a):
                above.add(i)
    return [i for i in found if i not in above]


FRONT_MISTAKES: list[tuple[Callable[[list[Point]], list[int]], str]] = [
    (
        lambda points: _front(points, lambda q, p: q[0] < p[0] and q[1] < p[1]),
        "a point stays that another equals in one number and beats in the other: it is dominated too. Ask for `<=` "
        "in both and `<` in at least one.",
    ),
    (
        lambda points: _front(points, lambda q, p: q[0] <= p[0] and q[1] <= p[1]),
        "two points that are alike have thrown each other out: neither is better in anything. Ask for `<` in at "
        "least one number.",
    ),
    (
        lambda points: [i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] <= p[1] for q in points)],
        "nothing is left: each point is compared with itself, and is no better than itself.",
    ),
    (
        lambda points: _front(points, lambda q, p: beats(p, q)),
        "the comparison is turned: these are the points that no other is worse than. Both numbers are good when low.",
    ),
    (
        lambda points: [i for i in range(len(points)) if i not in _front(points, beats)],
        "these are the dominated ones; return the others.",
    ),
    (
        lambda points: _front(points, lambda q, p: q[0] < p[0]),
        "only the first number counts here; a point that is cheaper is worth keeping although it is farther.",
    ),
    (lambda points: _front(points, lambda q, p: q[1] < p[1]), "only the second number counts here."),
    (
        lambda points: _front(points, lambda q, p: q[0] < p[0] or q[1] < p[1]),
        "a point is thrown out as soon as another is better in *one* number; it must be no better in either.",
    ),
    (
        lambda points: [min(range(len(points)), key=lambda i: sum(points[i]))],
        "the two numbers are added, which sets a price of one for the other that nobody has named.",
    ),
    (
        _hull,
        "points of the front above a straight line between two others are missing. No weighted sum of the numbers "
        "chooses them, and still nothing beats them.",
    ),
]


def check_not_dominated(answer: Answer) -> str:
    """`not_dominated(points)`: the places of the (distance, cost) pairs that no other pair beats, in order."""
    got = []
    for points in POINTS:
        try:
            value = call(answer, points=list(points))
        except Raised as error:
            raise Wrong(f"{error} The points were {points}.") from error
        got.append(_places(value, points))
    for mistake, message in FRONT_MISTAKES:
        wrong_if(got == [sorted(mistake(list(points))) for points in POINTS], message)
    once = [list({points[i]: i for i in reversed(_front(points, beats))}.values()) for points in POINTS]
    wrong_if(
        got == [sorted(places) for places in once],
        "of two points that are alike one is missing: neither beats the other, so both stay.",
    )
    for points, seen in zip(POINTS, got, strict=True):
        right = _front(points, beats)
        wrong_if(seen != right, f"for {points} your function keeps the places {seen}; {right} is right.")
    return "The front is whole: ties, twins and the points that no weighted sum would choose."


def _places(value: Any, points: list[Point]) -> list[int]:
    """What an answer returned as a sorted list of places."""
    wrong_if(value is None or value is ..., NOTHING)
    if isinstance(value, torch.Tensor) or hasattr(value, "tolist"):
        value = value.tolist()
    try:
        found = list(value)
    except TypeError:
        raise Wrong(f"your function returns {value!r}; a list of places is wanted.") from None
    wrong_if(
        any(isinstance(v, (tuple, list)) for v in found),
        "your function returns points; return their places in the list, so that a name can be put to each.",
    )
    wrong_if(
        len(found) == len(points) and all(isinstance(v, bool) for v in found),
        "your function returns True or False for each point; return the places of those that are True.",
    )
    try:
        places = sorted(int(v) for v in found)
    except (TypeError, ValueError):
        raise Wrong(f"your function returns {value!r}; a list of places is wanted.") from None
    wrong_if(len(set(places)) != len(places), f"a place is there twice: {places}.")
    return places


CHECKS: dict[str, Check] = {
    "chosen_by_validation": check_chosen_by_validation,
    "paired_difference": check_paired_difference,
    "not_dominated": check_not_dominated,
}
