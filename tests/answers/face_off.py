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


RIGHT: dict[str, list[Answer]] = {
    "chosen_by_validation": [
        choice_reference,
        lambda validation, test: min(zip(validation, test, strict=True))[1],
        lambda val, tst: np.array(tst)[np.argmin(val)],
        lambda validation, test: torch.tensor(test)[torch.tensor(validation).argmin()],
    ],
    "paired_difference": [paired_reference, paired_by_numpy, paired_by_torch, paired_by_statistics],
    "not_dominated": [front_reference, front_by_sorting, front_by_numpy, lambda points: set(front_reference(points))],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "chosen_by_validation": [
        (lambda validation, test: test[-1], "the distance to report is 25 in your function"),
        (lambda validation, test: (choice_reference(validation, test), 0), "one number"),
        (lambda validation, test: validation.sort() or test[0], "has changed `validation`"),
    ],
    "paired_difference": [
        (lambda a, b: paired_reference(a, b)[0], "return 2 values"),
        (lambda a, b: (paired_reference(a, b)[0], float(np.ptp(np.subtract(a, b)))), "for its standard error"),
        (lambda a, b: (a[0] - b[0], paired_reference(a, b)[1]), "for the mean difference"),
    ],
    "not_dominated": [
        (lambda points: [points[i] for i in front_reference(points)], "return their places"),
        (lambda points: [i in front_reference(points) for i in range(len(points))], "True or False"),
        (lambda points: [1], "place 0 is 0 in your list"),
        (lambda points: front_reference(points) * 2, "and there once"),
        (lambda points: 3, "a list of places is wanted"),
        (lambda points: front_reference(points[:4]) if points[4] else [], "it fails on one of the lists"),
    ],
}
