"""A variational autoencoder: Kingma and Welling (2014), "Auto-Encoding Variational Bayes".

An encoder says which latents an image may come from, q(z|x) = N(mean(x), diag exp(logvar(x))), a decoder which
images a latent makes, p(x|z) = N(decoder(z), s^2 I). Both are trained to raise the evidence lower bound

    log p(x) >= E_q log p(x|z) - KL(q(z|x) || p(z)),    KL = 1/2 sum_j (mean_j^2 + e^logvar_j - 1 - logvar_j),

equation 3 of the paper with the divergence of its appendix B; the expectation is taken at one draw of
z = mean + e^(logvar/2) n with n from N(0, I). The pixels' likelihood is Gaussian, since pixels in [-1, 1] are not
coin tosses, with one s for all pixels that is learned (Rybkin, Daniilidis and Levine 2021, "Simple and Effective
VAE Training with Calibrated Decoders"): a fixed s would fix by hand how much the divergence counts.
"""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor, nn

from ..errors import check_rng, check_tensor, shown, whole_number
from .dcgan import DCGANGenerator, dcgan_encoder
from .parts import as_precise


class VAE(nn.Module):
    """Encoder and decoder, each half of a DCGAN: D's layers with 2 latent_dim outputs, and G.

    `encoder` and `decoder` are modules; `log_s` is the logarithm of the pixels' standard deviation, 0 at first.
    """

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__()
        self.latent_dim = whole_number("latent_dim", latent_dim)
        self.shape = whole_number("channels", channels), whole_number("size", size), size
        whole_number("width", width)
        self.encoder = dcgan_encoder(size, channels, width, 2 * latent_dim)
        self.decoder = DCGANGenerator(size, channels, latent_dim, width)
        self.log_s = nn.Parameter(torch.zeros(()))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) in [-1, 1] -> mean and logarithm of the variance of q(z|x), each (N, latent_dim)."""
        check_tensor("x", x, ("N", *self.shape))
        mean, logvar = wide(self.encoder(as_precise(x, self.encoder))).chunk(2, 1)
        return mean, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Latents (N, latent_dim) -> the mean images (N, C, H, W) in [-1, 1]."""
        images: Tensor = self.decoder(z)
        return images

    def forward(self, x: Tensor) -> Tensor:
        """The image of the most likely latent: what is left of x after the bottleneck."""
        return self.decode(self.encode(x)[0])

    def bound(self, x: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """log p(x|z) at one z drawn from q(z|x), and KL(q(z|x) || p(z)): each (N,), in nats for an image."""
        check_rng(rng)
        mean, logvar = self.encode(x)
        noise = torch.randn(mean.shape, generator=rng, device=mean.device, dtype=mean.dtype)
        z = mean + (0.5 * logvar).exp() * noise
        return gaussian_log_likelihood(x, self.decode(z), self.log_s), kl_to_standard_normal(mean, logvar)

    def elbo(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The evidence lower bound of each image, (N,), in nats: an unbiased estimate from one draw of z."""
        log_likelihood, divergence = self.bound(x, rng)
        return log_likelihood - divergence

    def vae_loss(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What training minimises: the batch mean of -elbo, a scalar."""
        return -self.elbo(x, rng).mean()

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """`n` mean images (n, C, H, W) in [-1, 1] of latents from N(0, I), in eval mode."""
        was_training = self.decoder.training
        check_rng(rng)
        z = torch.randn(whole_number("n", n), self.latent_dim, generator=rng, device=self.log_s.device)
        images = self.decoder.eval()(z)
        self.decoder.train(was_training)
        return images.float()


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, diag exp(logvar)) || N(0, I)) in nats: (N, d), (N, d) -> (N,)."""
    check_tensor("mean", mean, ("N", "d"))
    check_tensor("logvar", logvar, tuple(mean.shape))
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(1)


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_s: Tensor) -> Tensor:
    """log N(x; mean, s^2 I), summed over pixels: (N, ...), (N, ...), scalar -> (N,), in nats."""
    check_tensor("x", x)
    if x.ndim < 2:
        raise ValueError(f"x is {shown(x)}; a float tensor of shape (N, ...) is right")
    check_tensor("mean", mean, tuple(x.shape))
    check_tensor("log_s", log_s, ())
    squares = ((wide(x) - wide(mean)) * (-log_s).exp()).square()
    return -(0.5 * squares + log_s + 0.5 * log(2 * pi)).flatten(1).sum(1)


def wide(x: Tensor) -> Tensor:
    """In float32 at least: a sum over pixels has no room in half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
