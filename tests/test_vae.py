"""The variational autoencoder: its divergence, its likelihood, and the bound they make, against closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from tgan_lib.networks import VAE, gaussian_log_likelihood, kl_to_standard_normal


def images(n: int, channels: int = 1, size: int = 28) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 1000))
def test_the_divergence_is_that_of_gaussians(n: int, d: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    mean, logvar = torch.randn(2, n, d, generator=rng, dtype=torch.float64) * 2
    expected = kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_standard_normal(mean, logvar), expected)
    assert (kl_to_standard_normal(mean, logvar) >= 0).all()


def test_the_divergence_by_hand_and_by_drawing() -> None:
    assert kl_to_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0, 0]
    assert kl_to_standard_normal(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).item() == pytest.approx(12.5)
    mean, logvar = torch.tensor([[0.5, -1.0]]).double(), torch.tensor([[-1.0, 0.3]]).double()
    q, p = Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = mean + (logvar / 2).exp() * torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    ratio = (q.log_prob(z) - p.log_prob(z)).sum(1)
    error = 5 * ratio.std() / len(ratio) ** 0.5
    assert (ratio.mean() - kl_to_standard_normal(mean, logvar)).abs().item() < error


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 3), st.floats(-4, 2))
def test_the_likelihood_is_a_gaussian_over_all_pixels(channels: int, log_s: float) -> None:
    x, mean = images(3, channels, 6).double(), images(3, channels, 6).double().flip(0)
    s = torch.tensor(log_s, dtype=torch.float64)
    expected = Normal(mean, s.exp()).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(gaussian_log_likelihood(x, mean, s), expected)
    rough = gaussian_log_likelihood(x.bfloat16(), x.bfloat16(), s.float())
    assert rough.dtype == torch.float32


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (64, 3)])
def test_shapes_and_ranges(size: int, channels: int) -> None:
    vae = VAE(size, channels, latent_dim=5, width=4)
    x = images(3, channels, size)
    mean, logvar = vae.encode(x)
    assert mean.shape == logvar.shape == (3, 5)
    assert vae(x).shape == vae.decode(mean).shape == x.shape
    assert vae.elbo(x).shape == (3,)
    samples = vae.sample(4, rng=torch.Generator().manual_seed(1))
    assert samples.shape == (4, channels, size, size)
    assert samples.abs().max() <= 1
    assert torch.equal(samples, vae.sample(4, rng=torch.Generator().manual_seed(1)))
    assert vae.decoder.training
    assert not samples.requires_grad


def test_the_loss_is_the_bound_turned_round_and_seeded() -> None:
    vae = VAE(28, 1, latent_dim=3, width=4).double().eval()  # an untrained decoder hardly looks at z
    x = images(4).double()
    log_likelihood, divergence = vae.bound(x, torch.Generator().manual_seed(0))
    loss = vae.vae_loss(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss, (divergence - log_likelihood).mean())
    assert loss != vae.vae_loss(x, torch.Generator().manual_seed(1))
    mean, logvar = vae.encode(x)
    rng = torch.Generator().manual_seed(0)
    z = mean + (logvar / 2).exp() * torch.randn(4, 3, generator=rng, dtype=torch.float64)
    torch.testing.assert_close(log_likelihood, gaussian_log_likelihood(x, vae.decode(z), vae.log_s))
    torch.testing.assert_close(divergence, kl_to_standard_normal(mean, logvar))


def test_every_parameter_learns_and_s_goes_where_it_should() -> None:
    torch.manual_seed(0)
    vae = VAE(28, 1, latent_dim=3, width=4)
    x = images(8)
    vae.vae_loss(x, torch.Generator().manual_seed(0)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in vae.parameters())
    # at the best s, s^2 is the mean squared error: there the loss is flat in log s
    vae.eval().zero_grad()
    with torch.no_grad():
        mean, logvar = vae.encode(x)
        z = mean + (logvar / 2).exp() * torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
        vae.log_s.copy_((x - vae.decode(z)).square().mean().log() / 2)
    vae.vae_loss(x, torch.Generator().manual_seed(0)).backward()
    assert vae.log_s.grad.abs().item() < 1e-3 * x[0].numel()


class Linear(VAE):
    """A linear decoder x = W z + noise with orthogonal columns, and its exact posterior, which is diagonal."""

    def __init__(self, w: Tensor, s: float) -> None:
        super().__init__(16, 1, w.shape[1], 1)
        self.w = w
        self.log_s.data = torch.tensor(s, dtype=w.dtype).log()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s2 = (2 * self.log_s).exp()
        precision = 1 + self.w.square().sum(0) / s2
        mean = x.flatten(1) @ self.w / s2 / precision
        return mean, -precision.log().expand_as(mean)

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.w.T).view(len(z), 1, 2, 3)


def test_the_bound_is_tight_at_the_exact_posterior_and_below_it_elsewhere() -> None:
    """Where everything is linear and Gaussian, log p(x) is known: x is N(0, W W^T + s^2 I)."""
    rng = torch.Generator().manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(6, 2, generator=rng, dtype=torch.float64))
    w = q * torch.tensor([1.5, 0.7], dtype=torch.float64)
    vae = Linear(w, s=0.5)
    x = torch.randn(3, 1, 2, 3, generator=rng, dtype=torch.float64)
    cov = w @ w.T + 0.25 * torch.eye(6, dtype=torch.float64)
    evidence = MultivariateNormal(torch.zeros(6, dtype=torch.float64), cov).log_prob(x.flatten(1))
    with torch.no_grad():
        draws = torch.stack([vae.elbo(x, rng) for _ in range(4000)])
        error = 5 * draws.std(0) / len(draws) ** 0.5
        assert ((draws.mean(0) - evidence).abs() < error).all()
        mean, logvar = vae.encode(x)
        vae.encode = lambda images: (mean + 0.3, logvar - 0.5)  # type: ignore[method-assign]
        worse = torch.stack([vae.elbo(x, rng) for _ in range(4000)])
    gap = kl_divergence(Normal(mean + 0.3, ((logvar - 0.5) / 2).exp()), Normal(mean, (logvar / 2).exp())).sum(
        1
    )
    error = 5 * worse.std(0) / len(worse) ** 0.5
    assert ((evidence - worse.mean(0) - gap).abs() < error).all()
    assert (error < gap / 2).all()
