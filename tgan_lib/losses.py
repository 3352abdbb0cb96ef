"""Adversarial losses: pairs of pure functions of logits.

A discriminator's logit is log D / (1 - D), positive for "real", so that log D = -softplus(-logit) and
log(1 - D) = -softplus(logit). Written this way nothing overflows: softplus(x) = log(1 + e^x) is computed as
max(x, 0) + log1p(e^-|x|). All losses are minimised, averaged over the batch, and computed in float32 at least.

    loss = LOSSES["non_saturating"]
    d_loss = loss.discriminator(real_logits, fake_logits)   # the fake images detached
    g_loss = loss.generator(fake_logits)

Both standard losses are from Goodfellow et al. (2014), "Generative Adversarial Nets": the value function of
equation 1, and the remedy for its vanishing gradient in the paragraph that closes section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import softplus


class GeneratorLoss(Protocol):
    """What G minimises. `real_logits` are for losses that compare fakes with reals; the others ignore them."""

    def __call__(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Loss:
    """A discriminator's loss (real_logits, fake_logits) and a generator's (fake_logits, real_logits=None).

    Logits have any shape, (N,) as a rule; losses are scalars. `needs_real` says whether the generator's loss
    reads the real logits, so that a training loop can leave out a pass over real images.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: GeneratorLoss
    needs_real: bool = False


def wide(logits: Tensor) -> Tensor:
    """Logits in float32 at least: half precision has too few digits for the tails of a loss."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def logistic_discriminator(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))): the binary cross-entropy of "real" and "generated", added up.

    At D = 1/2 everywhere it is 2 log 2 = 1.386.
    """
    return softplus(-wide(real_logits)).mean() + softplus(wide(fake_logits)).mean()


def minimax_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """E log(1 - D(G(z))): what the game of equation 1 asks of G. Its slope -sigmoid(logit) dies where D is sure."""
    return -softplus(wide(fake_logits)).mean()


def non_saturating_generator(fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
    """-E log D(G(z)). Its slope -sigmoid(-logit) is strongest where D is sure that an image is generated."""
    return softplus(-wide(fake_logits)).mean()


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss("minimax", logistic_discriminator, minimax_generator),
        Loss("non_saturating", logistic_discriminator, non_saturating_generator),
    )
}
