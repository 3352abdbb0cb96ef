"""Answers to the exercises of "The face-off", right and wrong."""

from __future__ import annotations

import math
import statistics

import numpy as np
import torch

from . import Answer

# --- chosen_by_validation ---


def choice_reference(validation, test):
    return test[validation.index(min(validation))]


def choice_by_pairs(validation, test):
    return min(zip(validation, test, strict=True))[1]


def choice_by_numpy(val, tst):
    return np.array(tst)[np.argmin(val)]


def choice_by_torch(validation, test):
    return torch.tensor(test)[torch.tensor(validation).argmin()]


# --- paired_difference ---


def paired_reference(a, b):
    differences = [x - y for x, y in zip(a, b, strict=True)]
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    return mean, (variance / n) ** 0.5


def paired_by_numpy(a, b):
    d = np.array(a) - np.array(b)
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


def paired_by_torch(a, b):
    d = torch.tensor(a) - torch.tensor(b)
    return torch.stack([d.mean(), d.std() / math.sqrt(len(d))])


def paired_by_statistics(a, b):
    d = list(map(float.__sub__, a, b))
    return [statistics.fmean(d), statistics.stdev(d) / len(d) ** 0.5]


def paired_unpaired(a, b):
    a, b = np.array(a), np.array(b)
    return a.mean() - b.mean(), np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


def with_error(error):
    return lambda a, b: (float(np.mean(np.subtract(a, b))), float(error(np.subtract(a, b))))


# --- not_dominated ---


def front_reference(points):
    def beats(q, p):
        return q[0] <= p[0] and q[1] <= p[1] and q != p

    return [i for i, p in enumerate(points) if not any(beats(q, p) for q in points)]


def front_by_sorting(points):
    kept, cheapest = [], math.inf
    for place in sorted(range(len(points)), key=lambda i: points[i]):
        cost = points[place][1]
        if cost < cheapest or any(points[place] == points[k] for k in kept):
            kept.append(place)
            cheapest = min(cheapest, cost)
    return sorted(kept)


def front_by_numpy(points):
    x = np.array(points)
    no_worse = (x[:, None] <= x[None]).all(-1)
    better = (x[:, None] < x[None]).any(-1)
    return np.flatnonzero(~(no_worse & better).any(0))


def front_as_set(points):
    return set(front_reference(points))


def front_strict(points):
    return [i for i, p in enumerate(points) if not any(q[0] < p[0] and q[1] < p[1] for q in points)]


def front_no_twins(points):
    return [
        i
        for i, p in enumerate(points)
        if not any(q[0] <= p[0] and q[1] <= p[1] for j, q in enumerate(points) if j != i)
    ]


def front_first_twin(points):
    kept = front_reference(points)
    return [i for i in kept if points[i] not in [points[j] for j in kept if j < i]]


def front_of_sums(points):
    """What some weighted sum would choose."""
    chosen = set()
    for w in np.linspace(0.001, 0.999, 999):
        sums = [w * a + (1 - w) * b for a, b in points]
        chosen |= {i for i, s in enumerate(sums) if math.isclose(s, min(sums))}
    return sorted(chosen)


RIGHT: dict[str, list[Answer]] = {
    "chosen_by_validation": [choice_reference, choice_by_pairs, choice_by_numpy, choice_by_torch],
    "paired_difference": [paired_reference, paired_by_numpy, paired_by_torch, paired_by_statistics],
    "not_dominated": [front_reference, front_by_sorting, front_by_numpy, front_as_set],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "chosen_by_validation": [
        (lambda validation, test: min(test), "the test set has chosen"),
        (lambda validation, test: min(validation), "smallest validation distance"),
        (lambda validation, test: validation.index(min(validation)), "place in the list"),
        (lambda validation, test: test[validation.index(max(validation))], "good when low"),
        (lambda validation, test: validation[test.index(min(test))], "changed places"),
        (lambda validation, test: min((v + t, t) for v, t in zip(validation, test, strict=True))[1], "had a say"),
        (lambda validation, test: sum(test) / len(test), "mean over all settings"),
        (lambda validation, test: (min(validation) + choice_reference(validation, test)) / 2, "are averaged"),
        (lambda validation, test: test[-1], "is right"),
        (lambda validation, test: (choice_reference(validation, test), 0), "one number"),
        (lambda validation, test: None, "not written yet"),
    ],
    "paired_difference": [
        (lambda a, b: (-paired_reference(a, b)[0], paired_reference(a, b)[1]), "sign is turned"),
        (lambda a, b: (abs(paired_reference(a, b)[0]), paired_reference(a, b)[1]), "sign is lost"),
        (paired_unpaired, "two unrelated samples"),
        (with_error(lambda d: d.std(ddof=1)), "divide by the root of n"),
        (with_error(lambda d: d.std() / math.sqrt(len(d))), "which matters with three seeds"),
        (with_error(np.std), "and with n in place of n - 1"),
        (with_error(lambda d: d.var(ddof=1) / len(d)), "variance of the mean"),
        (with_error(lambda d: d.var(ddof=1)), "variance of single differences"),
        (with_error(lambda d: d.std(ddof=1) / len(d)), "the root of n is right"),
        (with_error(lambda d: 2 * d.std(ddof=1) / math.sqrt(len(d))), "two standard errors"),
        (lambda a, b: (sum(a) / sum(b), paired_reference(a, b)[1]), "a ratio"),
        (lambda a, b: (sum(a) - sum(b), paired_reference(a, b)[1]), "the sum of the differences"),
        (lambda a, b: paired_reference(a, b)[::-1], "the mean first"),
        (lambda a, b: paired_reference(a, b)[0], "two numbers are wanted"),
        (with_error(lambda d: np.ptp(d)), "is right"),
        (lambda a, b: None, "not written yet"),
    ],
    "not_dominated": [
        (front_strict, "it is dominated too"),
        (front_no_twins, "thrown each other out"),
        (front_first_twin, "both stay"),
        (
            lambda points: [i for i, p in enumerate(points) if not any(q[0] <= p[0] and q[1] <= p[1] for q in points)],
            "compared with itself",
        ),
        (
            lambda points: [
                i for i, p in enumerate(points) if not any(q[0] >= p[0] and q[1] >= p[1] and q != p for q in points)
            ],
            "comparison is turned",
        ),
        (lambda points: [i for i in range(len(points)) if i not in front_reference(points)], "dominated ones"),
        (
            lambda points: [i for i, p in enumerate(points) if p[0] == min(q[0] for q in points)],
            "only the first number",
        ),
        (
            lambda points: [i for i, p in enumerate(points) if p[1] == min(q[1] for q in points)],
            "only the second number",
        ),
        (
            lambda points: [i for i, p in enumerate(points) if not any(q[0] < p[0] or q[1] < p[1] for q in points)],
            "better in *one* number",
        ),
        (lambda points: [min(range(len(points)), key=lambda i: sum(points[i]))], "sets a price"),
        (front_of_sums, "No weighted sum"),
        (lambda points: [points[i] for i in front_reference(points)], "return their places"),
        (lambda points: [i in front_reference(points) for i in range(len(points))], "True or False"),
        (lambda points: list(range(len(points))), "is right"),
        (lambda points: None, "not written yet"),
    ],
}
