"""Distances between sets of images.

Fréchet distance (Heusel et al. 2017, equation 6): both sets of features are summarised by a mean m and a
covariance C, and the distance between two Gaussians with those moments is

    |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)).

It is the squared 2-Wasserstein distance of the Gaussians, which is the scale on which FID is reported. It falls
with the number of samples (Bińkowski et al. 2018), so compare at equal n only.

Kernel distance, reported as KID (Bińkowski, Sutherland, Arbel and Gretton 2018, "Demystifying MMD GANs"): the
squared maximum mean discrepancy under the kernel k(a, b) = (a.b / d + 1)^3 of d features, estimated without bias,

    mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean over i, j of k(x_i, y_j).

It is 0 on average, and so sometimes negative, when both sets come from one distribution, at every n.

What else a table reports is in `precision_recall` (precision, recall, density, coverage, modes) and in `memorization`.

What comes in is checked in one place (`inputs`): images are uint8 or floats in [-1, 1], features finite, numbers whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ..data.images import Images, check_images, tensor_of
from ..distributed import World
from ..errors import check_kind, check_tensor, real_number, seed_number, shown, whole_number
from ..features.load import extract, load_features
from ..features.networks import FeatureNet
from ..gan import GAN
from ..inputs import as_floats, feature_matrix, feature_pair, image_count
from .inception import NAME as INCEPTION
from .inception import load_inception
from .precision_recall import mixture_modes, mode_coverage, prdc

__all__ = [
    "Distance",
    "KernelDistance",
    "class_counts",
    "frechet_between",
    "frechet_distance",
    "kernel_distance",
    "merge_moments",
    "mixture_modes",
    "mode_coverage",
    "moments",
    "prdc",
    "same_features",
    "speckle",
]


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and unbiased covariance (d, d) of features (n, d), n of 2 or more, in float64 on the CPU."""
    features = feature_matrix(features, least=2).cpu()
    return features.mean(0), torch.cov(features.T).reshape(features.shape[1], features.shape[1])


def merge_moments(parts: Sequence[tuple[int, Tensor, Tensor]]) -> tuple[int, Tensor, Tensor]:
    """The moments of several sets put together, from the (n, mean, covariance) of each: what processes send.

    Means (d,) and unbiased covariances (d, d) as from `moments`; the result is (n, mean, covariance) of all
    images, as if one process had seen them. Chan, Golub and LeVeque (1979), "Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances": sums of squares about each mean add up, and so do the squares of
    the means about their own mean, n times each.
    """
    check_kind("parts", parts, (list, tuple), "a list of (n, mean, covariance)")
    for part in parts:
        if not isinstance(part, tuple) or len(part) != 3:
            raise ValueError(f"a part is {shown(part)}; (n, mean, covariance) is right")
        whole_number("a part's n", part[0], 0)
        check_tensor("a part's mean", part[1], ("d",))
        check_tensor("a part's covariance", part[2], (len(part[1]), len(part[1])))
    total = sum(n for n, _, _ in parts)
    if total < 2:
        raise ValueError(f"the parts hold {total} images together; a covariance needs 2 or more")
    parts = [part for part in parts if part[0]]
    mean = torch.stack([n * m for n, m, _ in parts]).sum(0) / total
    squares = torch.stack([(n - 1) * c + n * torch.outer(m - mean, m - mean) for n, m, c in parts]).sum(0)
    return total, mean, squares / (total - 1)


def frechet_between(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Fréchet distance of two Gaussians. Moments as from `moments`; the result is >= 0 up to rounding.

    tr((C1 C2)^(1/2)) is the sum of the square roots of the eigenvalues of R C2 R with R = C1^(1/2): a symmetric
    matrix, so the roots are real and a singular covariance is no trouble. ValueError unless both have one d and are
    finite.
    """
    d = len(mean1) if isinstance(mean1, Tensor) and mean1.ndim == 1 else "d"
    for name, moment, shape in (
        ("mean1", mean1, (d,)),
        ("cov1", cov1, (d, d)),
        ("mean2", mean2, (d,)),
        ("cov2", cov2, (d, d)),
    ):
        check_tensor(name, moment, shape, finite=True)
    mean1, cov1, mean2, cov2 = (moment.double() for moment in (mean1, cov1, mean2, cov2))
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    return float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross)


def frechet_distance(features1: Tensor, features2: Tensor) -> float:
    """Fréchet distance of two feature sets (n, d) and (m, d), n and m of 2 or more."""
    first, second = feature_pair(features1, features2, least=2)
    return frechet_between(*moments(first), *moments(second))


class KernelDistance(NamedTuple):
    """`mean` and standard deviation `std` of the estimates from subsets.

    Subsets of the same samples overlap, so `std` divided by the root of their number is no standard error.
    """

    mean: float
    std: float


def kernel_distance(
    features1: Tensor, features2: Tensor, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Kernel distance of two feature sets (n, d) and (m, d), averaged over random subsets of `subset_size` each.

    Subsets keep the memory at subset_size^2 and give a spread; torch-fidelity's are 100 of 1 000 as well. Each is
    drawn without replacement, and they depend on `seed` alone. Computed in float64.
    """
    x, y = feature_pair(features1, features2)
    subsets, subset_size = whole_number("subsets", subsets), whole_number("subset_size", subset_size, 2)
    if subset_size > min(len(x), len(y)):
        raise ValueError(
            f"{subsets} subsets of {subset_size} were asked for, from {len(x)} and {len(y)} features; a subset of 2 up"
            " to the smaller number is right"
        )
    rng = torch.Generator().manual_seed(seed_number(seed))

    def draw(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=rng)[:subset_size].to(features.device)]

    estimates = torch.stack([_squared_mmd(draw(x), draw(y)) for _ in range(subsets)])
    return KernelDistance(float(estimates.mean()), float(estimates.std(correction=0)))


def _squared_mmd(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate for x (n, d) and y (n, d), a scalar."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    xx, yy = kernel(x, x), kernel(y, y)
    within = xx.sum() - xx.trace() + yy.sum() - yy.trace()  # an image is not compared with itself
    return within / (len(x) * (len(x) - 1)) - 2 * kernel(x, y).mean()


def class_counts(logits: Tensor) -> Tensor:
    """How many of the images a classifier assigns to each class: logits (n, k) -> counts (k,)."""
    logits = feature_matrix(logits, "logits")
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1]).cpu()


def speckle(images: Images | Tensor, threshold: float = -0.5) -> float:
    """Specks in an average picture: pixels brighter than `threshold` none of whose eight neighbours is.

    images: `Images`, or floats (n, C, H, W) in [-1, 1] or uint8, light strokes on dark; colours are averaged. A stroke
    has no such pixels, noise has many; the features of a classifier hardly see them.
    """
    threshold = real_number("threshold", threshold)
    pixels = as_floats(tensor_of(images))
    lit = (pixels.mean(1, keepdim=True) > threshold).float()
    around = conv2d(lit, lit.new_ones(1, 1, 3, 3), padding=1) - lit
    return float((lit * (around == 0)).sum() / len(pixels))


def _network(name: str, device: torch.device) -> FeatureNet:
    """A feature network by name: a shipped one, EfficientNet, or Inception."""
    return (
        load_inception(device) if isinstance(name, str) and name == INCEPTION else load_features(name, device)
    )


class Distance:
    """The distance of a GAN's samples to a set of real images, to be asked many times.

    What is needed of the real images is computed once. `distance(gan)` is the Fréchet distance; it draws `n`
    samples from the averaged generator, from the same latents each time, so that two readings differ by the
    generator alone. `features` names the network they are seen through: "mnist-v1", or where their weights
    can be had "efficientnet-lite0" (`features.efficientnet`) and "inception-v3-compat". Readings through
    different ones cannot be compared (`same_features`).
    """

    def __init__(
        self, real: Images, *, features: str = "mnist-v1", n: int = 10_000, seed: int = 1234
    ) -> None:
        check_images(real, "real", least=2)
        self.features, self.n, self.seed = features, image_count("n", n, 2), seed_number(seed)
        self.net = _network(features, real.data.device)
        found = extract(self.net, real.data)[0]
        self.mean, self.cov = moments(found)
        order = torch.randperm(len(found), generator=torch.Generator().manual_seed(self.seed))
        self.real = found[order[: self.n].to(found.device)]  # at most n of the real features, in random order

    def __call__(self, gan: GAN) -> float:
        return frechet_between(*moments(self.sampled(gan)), self.mean, self.cov)

    def sampled(self, gan: GAN) -> Tensor:
        """Features (n, d) of `n` samples. Of several processes each draws a part, and all get all."""
        _check_gan(gan)
        world = World()
        z = gan.latents(self.n, self.seed)
        z = torch.cat([z, z[: -self.n % world.size]])  # a part is as long as another
        made = extract(self.net, gan.sample(z=world.share(z)), floats="any")
        return world.gather(made[0])[: self.n]

    def of_images(self, images: Images | Tensor) -> float:
        """The Fréchet distance of given images: `Images`, or a tensor (n, C, H, W), floats in [-1, 1] or uint8."""
        images = tensor_of(images)
        return frechet_between(*moments(extract(self.net, images)[0]), self.mean, self.cov)

    def report(self, gan: GAN, k: int = 5) -> dict[str, float]:
        """All of a table's numbers from one set of samples: name -> value.

        "frechet" is `distance(gan)`, `n` samples against all real images. The others compare as many samples as
        real images, their number given as "n": "kernel" and "kernel_std" (subsets of 1 000, or of half the
        images where there are fewer than 2 000), "precision", "recall", "density" and "coverage" at `k`.
        """
        k = whole_number("k", k)
        if k >= (most := min(self.n, len(self.real))):
            raise ValueError(f"k is {k} and {most} features are compared; a whole number below that is right")
        fake = self.sampled(gan)
        n = min(len(fake), len(self.real))
        kernel = kernel_distance(self.real[:n], fake[:n], subset_size=min(1000, n // 2))
        return {
            "frechet": frechet_between(*moments(fake), self.mean, self.cov),
            "kernel": kernel.mean,
            "kernel_std": kernel.std,
            **prdc(self.real[:n], fake[:n], k)._asdict(),
            "n": n,
        }

    def classes(self, gan: GAN, n: int = 200) -> Tensor:
        """How many of `n` samples the network's classifier assigns to each of its classes, (n_classes,)."""
        _check_gan(gan)
        return class_counts(
            extract(self.net, gan.sample(image_count("n", n), seed=self.seed), floats="any")[1]
        )


def _check_gan(gan: GAN) -> None:
    """TypeError for what cannot be sampled; whatever samples as a GAN does will do."""
    if not (hasattr(gan, "latents") and hasattr(gan, "sample")):
        check_kind("gan", gan, GAN, "a GAN")


def same_features(*distances: Distance) -> str:
    """The name of the one feature network of all `distances`; ValueError when they have several.

    To be asked before numbers are put into one table.
    """
    for distance in distances:
        check_kind("distance", distance, Distance, "a Distance")
    names = sorted({distance.features for distance in distances})
    if len(names) != 1:
        raise ValueError(
            f"the distances come from {len(names)} feature networks ({', '.join(names)}); numbers in one table"
            " must come from one"
        )
    return names[0]
