"""Distances between sets of images, and counts of what a generator covers.

Fréchet distance (Heusel et al. 2017, equation 6): both sets of features are summarised by a mean m and a
covariance C, and the distance between two Gaussians with those moments is

    |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2)).

It is the squared 2-Wasserstein distance of the Gaussians, which is the scale on which FID is reported. It falls
with the number of samples (Bińkowski et al. 2018), so compare at equal n only.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from .data import Images
from .features import DigitNet, extract, load_features
from .gan import GAN


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and unbiased covariance (d, d) of features (n, d), in float64 on the CPU."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"features have shape {tuple(features.shape)}; a covariance needs (n, d) with n of 2 or more"
        )
    features = features.double().cpu()
    return features.mean(0), torch.cov(features.T).reshape(features.shape[1], features.shape[1])


def frechet_between(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Fréchet distance of two Gaussians. Moments as from `moments`; the result is >= 0 up to rounding.

    tr((C1 C2)^(1/2)) is the sum of the square roots of the eigenvalues of R C2 R with R = C1^(1/2): a symmetric
    matrix, so the roots are real and a singular covariance is no trouble.
    """
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    return float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross)


def frechet_distance(features1: Tensor, features2: Tensor) -> float:
    """Fréchet distance of two feature sets (n, d) and (m, d)."""
    return frechet_between(*moments(features1), *moments(features2))


def class_counts(logits: Tensor) -> Tensor:
    """How many of the images a classifier assigns to each class: logits (n, k) -> counts (k,)."""
    return torch.bincount(logits.argmax(1), minlength=logits.shape[1]).cpu()


def speckle(images: Tensor, threshold: float = -0.5) -> float:
    """Specks in an average picture: pixels brighter than `threshold` none of whose eight neighbours is.

    images: floats (n, C, H, W) in [-1, 1] or uint8, light strokes on dark; colours are averaged. A stroke has no
    such pixels, noise has many; the features of a classifier hardly see them.
    """
    if images.dtype == torch.uint8:
        images = images / 127.5 - 1
    lit = (images.mean(1, keepdim=True) > threshold).float()
    around = conv2d(lit, lit.new_ones(1, 1, 3, 3), padding=1) - lit
    return float((lit * (around == 0)).sum() / len(images))


class Distance:
    """The Fréchet distance of a GAN's samples to a set of real images, to be asked many times.

    The real moments are computed once. `distance(gan)` draws `n` samples from the averaged generator, from the
    same latents each time, so that two readings differ by the generator alone.
    """

    def __init__(
        self, real: Images, *, features: str = "mnist-v1", n: int = 10_000, seed: int = 1234
    ) -> None:
        self.net: DigitNet = load_features(features, real.data.device)
        self.features, self.n, self.seed = features, n, seed
        self.mean, self.cov = moments(extract(self.net, real.data)[0])

    def __call__(self, gan: GAN) -> float:
        return self.of_images(gan.sample(self.n, seed=self.seed))

    def of_images(self, images: Tensor) -> float:
        """The distance of given images, floats (n, C, H, W) in [-1, 1] or uint8."""
        return frechet_between(*moments(extract(self.net, images)[0]), self.mean, self.cov)

    def classes(self, gan: GAN, n: int = 200) -> Tensor:
        """How many of `n` samples the feature network's classifier assigns to each class, (10,)."""
        return class_counts(extract(self.net, gan.sample(n, seed=self.seed))[1])
