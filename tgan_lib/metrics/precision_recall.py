"""How well samples cover a distribution, and how many of them fall where it has nothing.

Around each point of a set X of features lies a ball that reaches its k-th nearest neighbour in X; together the
balls stand for the region X came from. With real features x_i, generated ones y_j and B the balls:

    precision = share of y_j in at least one B(x_i)        recall   = share of x_i in at least one B(y_j)
    density   = mean over j of #{i: y_j in B(x_i)} / k     coverage = share of i whose B(x_i) holds some y_j

Precision and recall are equations 1 and 2 of Kynkäänniemi et al. (2019), "Improved Precision and Recall Metric
for Assessing Generative Models"; density and coverage are from Naeem et al. (2020), "Reliable Fidelity and
Diversity Metrics for Generative Models". Balls are closed, as in the first of these.

Where the modes are known, they can be counted: by a classifier for classes (Metz et al. 2017, "Unrolled
Generative Adversarial Networks"), by the nearest centre for mixtures of Gaussians (Srivastava et al. 2017,
"VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import check_kind, check_tensor, real_number, shown, whole_number
from ..inputs import feature_matrix, feature_pair

CHUNK = 1024  # points compared with all others at a time: 10 000 others make 80 MB of distances


class PRDC(NamedTuple):
    """Precision, recall and coverage in [0, 1]; density from 0, near 1 for samples of the real distribution."""

    precision: float
    recall: float
    density: float
    coverage: float


class ModeCoverage(NamedTuple):
    """`covered`: classes with at least one sample. `divergence`: KL(samples || expected), in nats."""

    covered: int
    divergence: float


class MixtureModes(NamedTuple):
    """`covered`: centres nearest to a good sample. `high_quality`: the share of good samples, in [0, 1]."""

    covered: int
    high_quality: float


def squared_distances(points: Tensor, others: Tensor) -> Iterator[Tensor]:
    """Squared distances of `points` (n, d) to all `others` (m, d), in parts of (at most CHUNK, m)."""
    check_tensor("points", points, ("n", "d"))
    check_tensor("others", others, ("m", points.shape[1]))
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    for part in points.split(CHUNK):
        yield torch.cdist(part, others.to(part.dtype)).square()


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """Precision, recall, density and coverage of generated features `fake` (m, d) against `real` (n, d).

    k: the neighbour that a ball reaches, the point itself not counted. Kynkäänniemi et al. take 3 and Naeem et
    al. 5; numbers at different k, n or m cannot be compared. Two samples of one distribution have density 1 on
    average, and coverage 1 - (n-1)...(n-k) / ((n+m-1)...(n+m-k)). Points that differ by less than a millionth
    of the largest distance from the mean count as equal. Memory grows with n + m.
    """
    real, fake = feature_pair(real, fake)
    k = whole_number("k", k)
    if k >= min(len(real), len(fake)):
        raise ValueError(
            f"k is {k} with {len(real)} real and {len(fake)} generated features; it must be smaller than both"
        )
    centre = real.mean(0)  # distances from products lose the fewest digits about the mean
    real, fake = real - centre, fake - centre
    largest = torch.stack([real.square().sum(1).max(), fake.square().sum(1).max()]).max()
    slack = 1e-12 * largest  # of rounding, between the same two points met in different products

    def radii(points: Tensor) -> Tensor:  # squared; the point itself is among the k + 1 nearest
        nearest = [part.topk(k + 1, largest=False).values for part in squared_distances(points, points)]
        return torch.cat(nearest)[:, -1] + slack

    real_radii, fake_radii = radii(real), radii(fake)
    balls = torch.zeros(len(fake), dtype=torch.long, device=fake.device)  # real balls around each fake
    recalled, covered = [], []
    for part, radius in zip(squared_distances(real, fake), real_radii.split(CHUNK), strict=True):
        held = part <= radius[:, None]
        balls += held.sum(0)
        covered.append(held.any(1))
        recalled.append((part <= fake_radii).any(1))

    def share(flags: Tensor) -> float:
        return float(flags.double().mean())

    return PRDC(share(balls > 0), share(torch.cat(recalled)), share(balls) / k, share(torch.cat(covered)))


def mode_coverage(
    classes: Tensor, n_classes: int | None = None, expected: Tensor | None = None
) -> ModeCoverage:
    """How many classes the samples cover, and KL(samples || expected) = sum p log(p / q) over classes.

    classes: a classifier's logits (n, n_classes), or labels, integers (n,), which need `n_classes`.
    expected: shares or counts (n_classes,) of the real data; uniform by default. The divergence is 0 when the
    shares agree and log(n_classes) when one of equally likely classes is left; a class that was not expected
    makes it infinite. Few samples make it larger: about (n_classes - 1) / 2n with n samples of the right shares.
    """
    check_kind("classes", classes, Tensor, "a tensor of logits (n, n_classes) or labels (n,)")
    if classes.ndim == 2 and classes.is_floating_point():
        labels, n_classes = feature_matrix(classes, "logits").argmax(1), classes.shape[1]
    else:
        labels = classes
        n_classes = None if n_classes is None else whole_number("n_classes", n_classes)
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if labels.ndim != 1 or not whole or n_classes is None or not len(labels):
        raise ValueError(
            f"classes are {classes.dtype} of shape {tuple(classes.shape)} with n_classes {n_classes}; logits"
            " (n, n_classes), or integer labels (n,) with their number of classes, are right"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise ValueError(f"labels run from {low} to {high}; 0 to {n_classes - 1} is right")
    counts = torch.bincount(labels.cpu(), minlength=n_classes).double()
    q = torch.ones(n_classes).double() if expected is None else _shares(expected, n_classes)
    p, q = counts / counts.sum(), q / q.sum()
    divergence = torch.special.xlogy(p, p).sum() - torch.special.xlogy(p, q).sum()
    return ModeCoverage(int((counts > 0).sum()), max(float(divergence), 0.0))


def _shares(expected: Tensor, n_classes: int) -> Tensor:
    """Shares or counts (n_classes,) in float64 on the CPU, finite, at least 0 and not all 0."""
    check_kind("expected", expected, Tensor, f"a tensor of {n_classes} shares or counts")
    q = expected.detach().cpu()
    fits = q.shape == (n_classes,) and not q.is_complex() and bool(torch.isfinite(q).all() and (q >= 0).all())
    if not fits or not q.sum() > 0:
        seen = q.tolist() if q.numel() <= 10 else shown(q)
        raise ValueError(f"expected is {seen}; {n_classes} shares or counts of at least 0 are right")
    return q.double()


def mixture_modes(samples: Tensor, centres: Tensor, std: float, within: float = 3.0) -> MixtureModes:
    """Modes of a mixture of round Gaussians that the samples reach, and the share of good samples.

    samples (n, d), centres (k, d), std: the modes' standard deviation, in the units of both. A sample is good
    when its nearest centre is at most `within` standard deviations away; a mode is covered when it is the
    nearest of at least one good sample (Srivastava et al. 2017). Of exact samples in two dimensions
    1 - exp(-within^2 / 2) are good, which is 0.989 for 3. NaN is never good.
    """
    std, within = real_number("std", std, above=0), real_number("within", within, above=0)
    check_kind("samples", samples, Tensor, "a tensor (n, d)")
    centres = feature_matrix(centres, "the centres").cpu()
    if samples.ndim != 2 or samples.shape[1] != centres.shape[1] or not len(samples) or samples.is_complex():
        raise ValueError(
            f"samples have shape {tuple(samples.shape)} and centres {tuple(centres.shape)}; real (n, d) and (k, d)"
            " with one d and n of at least 1 are right"
        )
    differences = samples.cpu().double()[:, None] - centres  # (n, k, d)
    distances, nearest = differences.norm(dim=2).min(1)
    good = distances <= within * std
    return MixtureModes(int(nearest[good].unique().numel()), float(good.double().mean()))
