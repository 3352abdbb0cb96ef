"""Adversarial losses: pairs of pure functions of logits.

A discriminator's logit is log D / (1 - D), positive for "real", so that log D = -softplus(-logit) and
log(1 - D) = -softplus(logit). Written this way nothing overflows: softplus(x) = log(1 + e^x) is at most |x| + log 2.
The other losses take the same number as a plain score. All losses are minimised, averaged over the batch, and
computed in float32 at least.

    loss = LOSSES["non_saturating"]
    d_loss = loss.discriminator(real_logits, fake_logits)   # the fake images detached
    g_loss = loss.generator(fake_logits)                    # and real_logits, where loss.needs_real

Two signs differ in the literature. Papers often give a value that D maximises; what is here is minus that value.
And in some code a low score means "real" (the first code of the Wasserstein GAN); here a high one does.

Both standard losses are from Goodfellow et al. (2014), "Generative Adversarial Nets": the value function of
equation 1, and the remedy for its vanishing gradient in the paragraph that closes section 3. The others are named
where they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import relu

from .errors import check_kind, check_tensor, shown


class GeneratorLoss(Protocol):
    """What G minimises. `real_logits` are for losses that compare fakes with reals; the others ignore them."""

    def __call__(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Loss:
    """A discriminator's loss (real_logits, fake_logits) and a generator's (fake_logits, real_logits=None).

    Logits have any shape, (N,) as a rule; losses are scalars. `needs_real` says whether the generator's loss
    reads the real logits, so that a training loop can leave out a pass over real images. One of your own needs a name
    that none in `LOSSES` has: a checkpoint knows it by that. TypeError for a name or a function that is none.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: GeneratorLoss
    needs_real: bool = False

    def __post_init__(self) -> None:
        check_kind("a loss's name", self.name, str, "a word")
        for role in ("discriminator", "generator"):
            if not callable(getattr(self, role)):
                raise TypeError(
                    f"the {role}'s loss of {self.name!r} is {shown(getattr(self, role))}; a function of logits is right"
                )


def wide(logits: Tensor) -> Tensor:
    """Logits in float32 at least: half precision has too few digits for the tails of a loss.

    TypeError for what is no tensor; ValueError for whole numbers, and for no logits at all, whose mean is NaN.
    """
    check_tensor("logits", logits)
    if not logits.numel():
        raise ValueError(f"logits have shape {tuple(logits.shape)}; one or more is right")
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), to the last digit: beyond 40 it is x. PyTorch's own 20 is too early for float64."""
    return functional.softplus(x, threshold=40)


def logistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))): the binary cross-entropy of "real" and "generated", added up.

    At D = 1/2 everywhere it is 2 log 2 = 1.386. The paper's D maximises minus this.
    """
    return softplus(-wide(real_logits)).mean() + softplus(wide(fake_logits)).mean()


def minimax_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """E log(1 - D(G(z))): what the game of equation 1 asks of G. Its slope -sigmoid(logit) dies where D is sure."""
    return -softplus(wide(fake_logits)).mean()


def non_saturating_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """-E log D(G(z)). Its slope -sigmoid(-logit) is strongest where D is sure that an image is generated."""
    return softplus(-wide(fake_logits)).mean()


def least_squares_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2, with D the score itself: labels 1 for real, 0 for generated.

    Mao et al. (2017), "Least Squares Generative Adversarial Networks", equation 9, where both players minimise.
    The best D is p / (p + q) with the densities p of reals and q of fakes, a probability although nothing bounds
    scores to [0, 1]; where p = q it is 1/2 and the loss 1/4. Some code leaves out the factors 1/2, or labels reals
    -1 and fakes 1.
    """
    return 0.5 * ((wide(real_logits) - 1).square().mean() + wide(fake_logits).square().mean())


def least_squares_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """1/2 E (D(G(z)) - 1)^2: fakes are to score 1, like reals; a score above 1 is pulled back too."""
    return 0.5 * (wide(fake_logits) - 1).square().mean()


def wasserstein_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E D(G(z)) - E D(x): minus the critic's gap, which estimates the Wasserstein distance if D is 1-Lipschitz.

    Arjovsky, Chintala and Bottou (2017), "Wasserstein GAN", equations 2 and 3; there D maximises the gap
    E D(x) - E D(G(z)), and so a distance is read off as minus this loss. Nothing here keeps D 1-Lipschitz: see
    `penalties.wgan_gp` and `penalties.clip_weights`. A constant added to D changes nothing.
    """
    return wide(fake_logits).mean() - wide(real_logits).mean()


def score_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """-E D(G(z)): raise the score. G's loss with both the Wasserstein and the hinge loss; its slope is constant."""
    return -wide(fake_logits).mean()


def hinge_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))): no more push once a real is above 1, or a fake below -1.

    Lim and Ye (2017), "Geometric GAN", and Miyato et al. (2018), "Spectral Normalization for Generative
    Adversarial Networks", equation 16, which D maximises as E min(0, D(x) - 1) + E min(0, -1 - D(G(z))). Where
    reals and fakes are alike it is 2 at every score within [-1, 1], and no less elsewhere.
    """
    return relu(1 - wide(real_logits)).mean() + relu(1 + wide(fake_logits)).mean()


def relativistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E softplus(-(D(x) - D(G(z)))): which of a pair, a real image and a fake, looks more real?

    The paired loss of Jolicoeur-Martineau (2019), "The relativistic discriminator: a key element missing from
    standard GAN", called RpGAN in Huang et al. (2024), "The GAN is dead; long live the GAN!", who add R1 and R2
    (`penalties.r1`, `penalties.r2`). They write one value E f(D(G(z)) - D(x)), f(t) = -log(1 + e^-t), over
    which G and D pull in opposite directions; here both have a loss of their own. It is log 2 where each pair has
    equal logits, and a constant added to D changes nothing. Logits are paired by position, so there must be as
    many real ones as fake ones (ValueError).
    """
    return softplus(-lead(real_logits, fake_logits)).mean()


def relativistic_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """E softplus(-(D(G(z)) - D(x))): fakes are to look more real than the reals they are paired with.

    ValueError without real logits, or when there are more or fewer of them than fake ones.
    """
    if real_logits is None:
        raise ValueError(
            "the relativistic loss compares fakes with reals, and real_logits is None; give G's loss both logits"
        )
    return softplus(lead(real_logits, fake_logits)).mean()


def lead(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """By how much each real logit exceeds the fake one beside it. Shapes must agree: (N,) and (N, 1) would give
    all N^2 pairs."""
    real_logits, fake_logits = wide(real_logits), wide(fake_logits)
    if real_logits.shape != fake_logits.shape:
        raise ValueError(
            f"real logits have shape {tuple(real_logits.shape)} and fake ones {tuple(fake_logits.shape)}; "
            "the relativistic loss takes them in pairs, so both should have the same shape"
        )
    return real_logits - fake_logits


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("minimax", logistic_discriminator, minimax_generator),
        Loss("non_saturating", logistic_discriminator, non_saturating_generator),
        Loss("least_squares", least_squares_discriminator, least_squares_generator),
        Loss("wasserstein", wasserstein_discriminator, score_generator),
        Loss("hinge", hinge_discriminator, score_generator),
        Loss("relativistic", relativistic_discriminator, relativistic_generator, needs_real=True),
    )
}
