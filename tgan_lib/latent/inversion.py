"""Inversion: which latent makes this picture? A search through z with G held still.

For an image x find the z that minimises

    |G(z) - x|^2 / pixels  +  feature_weight |f(G(z)) - f(x)|^2 / |f(x)|^2  +  prior_weight (|z|^2 / d - 1)^2

by gradient descent (Creswell and Bharath 2018, "Inverting the Generator of a Generative Adversarial Network"; Zhu et
al. 2016, "Generative Visual Manipulation on the Natural Image Manifold", who add the distance of features f). The
last term is the pull of the prior: in d dimensions nearly all samples of N(0, I) lie on the shell |z| = sqrt(d), so
a z far from it is one that G was never trained on. The surface has many valleys, and which one a search ends in
depends on where it began: so each image is searched from several random latents, and the best result is kept.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..data.images import Images, tensor_of
from ..device import evaluating
from ..errors import check_kind, real_number, seed_number, whole_number
from ..features.networks import FeatureNet
from ..gan import GAN
from ..inputs import as_floats
from ..interrupts import import_compiler


def invert(
    gan: GAN,
    images: Images | Tensor,
    *,
    restarts: int = 4,
    steps: int = 200,
    lr: float = 0.1,
    prior_weight: float = 0.1,
    seed: int = 0,
    features: FeatureNet | None = None,
    feature_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Latents whose pictures come near `images`: z (N, latent_dim) and losses (N,), both on the GAN's device.

    images: `Images`, or (N, C, H, W), floats in [-1, 1] or uint8, of the GAN's size. A loss is the mean squared
    difference of pixels, plus the weighted distance of features where a network is given (in eval mode, on the GAN's
    device, as `load_features` gives it); the prior's pull is not in it.

    Adam with a rate that falls from `lr` to 0 along a cosine, for all images and `restarts` at once: memory grows
    with N x restarts. Each image keeps the start that ended with the smallest loss. A seed's first k starts are
    the same however many there are, so that more of them never end worse (up to the rounding of larger batches).
    The averaged generator is used, in eval mode; no weight, buffer or flag of it changes.
    """
    check_kind("gan", gan, GAN, "a GAN")
    if features is not None:
        check_kind("features", features, FeatureNet, "a FeatureNet or None")
    config, images = gan.config, tensor_of(images, floats="loose")
    if tuple(images.shape[1:]) != (config.channels, config.size, config.size):
        raise ValueError(
            f"images have shape {tuple(images.shape)}; this GAN makes (N, {config.channels}, {config.size}, "
            f"{config.size})"
        )
    restarts, steps, seed = (
        whole_number("restarts", restarts),
        whole_number("steps", steps),
        seed_number(seed),
    )
    lr, prior_weight = real_number("lr", lr, above=0, most=1e6), real_number("prior_weight", prior_weight, 0)
    feature_weight = real_number("feature_weight", feature_weight, 0)
    n, d = len(images), config.latent_dim
    x = as_floats(images.to(gan.device))
    rng = torch.Generator().manual_seed(seed)
    starts = [torch.randn(n, d, generator=rng) for _ in range(restarts)]  # one by one: see "the same" above
    z = torch.stack(starts).to(gan.device).requires_grad_()  # (restarts, N, d)

    with torch.no_grad():
        goal = None if features is None else features.features(x)

    def loss_of(z: Tensor) -> Tensor:
        """(restarts, N)"""
        fake = gan.ema(z.flatten(0, 1)).float()
        loss = (fake.unflatten(0, (restarts, n)) - x).square().mean((2, 3, 4))
        if features is not None and goal is not None:
            apart = (features.features(fake).unflatten(0, (restarts, n)) - goal).square().sum(2)
            loss = loss + feature_weight * apart / goal.square().sum(1).clamp_min(1e-12)
        return loss

    import_compiler()
    optimiser = torch.optim.Adam([z], lr)
    with evaluating(gan.ema), torch.enable_grad():
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
            prior = (z.square().mean(2) - 1).square()
            # summed, so that no image's path depends on the others; for z alone, so that no weight gets a gradient
            (z.grad,) = torch.autograd.grad((loss_of(z) + prior_weight * prior).sum(), z)
            optimiser.step()
    with evaluating(gan.ema), torch.no_grad():
        losses = loss_of(z)
        best, which = losses.nan_to_num(torch.inf).min(0)  # (N,)
        return z.detach()[which, torch.arange(n, device=which.device)], best
