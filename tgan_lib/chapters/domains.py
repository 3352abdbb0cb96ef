"""Five domains of 28 px grey images, and how well a distance between domains ranks what a transfer gains.

A matrix here is a tensor (n, n) whose row is the source and whose column is the target. Its diagonal, a domain with
itself, is left out of every statistic. Pairs of domains share domains, so they are no independent observations: the
uncertainty of a statistic over pairs comes from relabelling whole domains (the permutation test of Mantel 1967, "The
detection of disease clustering and a generalized regression approach") and from leaving one domain out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial, isnan, nan

import torch
from torch import Tensor

from ..budget import current_budget
from ..data.images import Images
from ..data.loading import load
from ..data.subsets import few_shot, split
from ..errors import check_kind, one_of
from ..inputs import score_vector

SIZE = 28
POOL, HELD_OUT = 1500, 500  # images at most; of Latin and Greek letters there are 500 in each part
VEHICLES = (0, 1, 8, 9)  # CIFAR-10's airplane, automobile, ship and truck
DOMAINS = ("digits", "letters", "characters", "animals", "vehicles")
FEATURES = dict(zip(DOMAINS, ["mnist-v1"] * 3 + ["cifar10-v1"] * 2, strict=True))
OMNIGLOT = {"letters": "Latin,Greek", "characters": "Balinese,Japanese (katakana),Korean,Sanskrit"}
MOST_DOMAINS = 8  # whose relabellings are all tried: 40 320

Statistic = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Domain:
    """A kind of images in two parts that share none, and the feature network through which it is measured."""

    name: str
    pool: Images
    held_out: Images
    features: str


def load_domain(name: str) -> Domain:
    """One of `DOMAINS`, 28 px and grey: light strokes on black, or photographs.

    digits: MNIST. letters: Omniglot's Latin and Greek; characters: four more of its alphabets. animals and vehicles:
    CIFAR-10's six and four classes. Always the same images; under the smoke budget, a few drawn ones.
    """
    one_of("domain", name, DOMAINS)
    smoke = current_budget() == "smoke"
    if name in OMNIGLOT:
        images = load(f"omniglot:{OMNIGLOT[name]}", size=SIZE, channels=1, limit=200 if smoke else None)
    elif name == "digits":
        images = load("mnist", limit=200 if smoke else 4000)
    else:
        photographs = load("cifar10", size=SIZE, channels=1, limit=400 if smoke else 6000)
        assert photographs.labels is not None
        is_vehicle = torch.isin(photographs.labels.cpu(), torch.tensor(VEHICLES))
        wanted = is_vehicle if name == "vehicles" else ~is_vehicle
        images = photographs.subset(wanted.nonzero()[:, 0])
    pool, held_out = split(replace(images, name=name), 0.5)
    pool, held_out = (few_shot(part, min(n, len(part))) for part, n in ((pool, POOL), (held_out, HELD_OUT)))
    return Domain(name, pool, held_out, FEATURES[name])


def rank_correlation(x: Tensor, y: Tensor) -> float:
    """Spearman's: the correlation of the ranks of (n,) and (n,), from -1 to 1; NaN where all of one are equal.

    Equal values share the mean of their places.
    """
    from scipy.stats import spearmanr  # importing it takes a second

    x, y = score_vector(x, "the first values"), score_vector(y, "the second values")
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"there are {len(x)} and {len(y)} values; two or more pairs are right")
    if (x == x[0]).all() or (y == y[0]).all():  # of which scipy warns
        return nan
    return float(spearmanr(x.numpy(), y.numpy()).statistic)


def pairs(matrix: Tensor) -> Tensor:
    """The entries of (n, n) off its diagonal, row by row: (n (n - 1),)."""
    check_kind("matrix", matrix, Tensor, "a tensor (n, n)")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the matrix has shape {tuple(matrix.shape)}; (n, n) is right")
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def _domains(distances: Tensor, gains: Tensor) -> int:
    """How many domains two matrices (n, n) are of; ValueError unless it is one number."""
    if pairs(distances).shape != pairs(gains).shape:
        raise ValueError(
            f"the matrices have shapes {tuple(distances.shape)} and {tuple(gains.shape)}; both (n, n) is right"
        )
    return len(distances)


def over_pairs(distances: Tensor, gains: Tensor) -> float:
    """The rank correlation of two matrices over all pairs of different domains."""
    return rank_correlation(pairs(distances), pairs(gains))


def within_targets(distances: Tensor, gains: Tensor) -> float:
    """The mean over targets of the rank correlation over the sources of that target.

    It asks what one asks in practice, which source for this target, and no target's own scale comes into it. A target
    from which all sources are equally far is told nothing, and counts as 0.
    """
    if (n := _domains(distances, gains)) < 3:
        raise ValueError(f"there are {n} domains; 3 or more are right, so that a target has two sources")
    others = [torch.arange(n) != target for target in range(n)]
    found = [rank_correlation(distances[o, t], gains[o, t]) for t, o in enumerate(others)]
    return sum(0.0 if isnan(rho) else rho for rho in found) / n


def relabelled(
    distances: Tensor, gains: Tensor, statistic: Statistic = within_targets
) -> tuple[float, float]:
    """The statistic, and the share of all n! relabellings of the domains whose statistic is as low or lower.

    A relabelling gives the domains of `distances` other names, rows and columns alike, so that distances that belong
    together stay together. The names as they are count, so that the share is at least 1 / n!. ValueError for fewer
    than three domains, or more than eight.
    """
    n = _domains(distances, gains)
    if not 3 <= n <= MOST_DOMAINS:
        raise ValueError(f"there are {n} domains; 3 to {MOST_DOMAINS} can be relabelled in all ways")
    found = statistic(distances, gains)
    lower = 0
    for order in permutations(range(n)):
        index = torch.tensor(order)
        lower += statistic(distances[index][:, index], gains) <= found + 1e-9
    return found, lower / factorial(n)


def leaving_one_out(distances: Tensor, gains: Tensor, statistic: Statistic = within_targets) -> list[float]:
    """The statistic without the first domain, without the second, ...: n numbers."""
    found, n = [], _domains(distances, gains)
    for left_out in range(n):
        kept = torch.arange(n) != left_out
        found.append(statistic(distances[kept][:, kept], gains[kept][:, kept]))
    return found
