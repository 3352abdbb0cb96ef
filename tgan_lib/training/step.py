"""A training run and the step that moves it on.

One step is `d_steps` updates of D and one of G. Images are bytes on the device and become floats a batch at a
time; the last set of fakes serves both players; G's step computes no gradient for D's weights; the scalars a step
returns stay on the device. `train` decides how many steps, and when to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .. import distributed
from ..augment.diff_augment import Augment
from ..data.images import Images
from ..data.sampling import Sampler
from ..device import training_mode
from ..gan import GAN
from ..networks.parts import MinibatchStd
from ..penalties import PENALTIES, Augmented, clip_weights, half_squared_norm
from .averaging import Averages
from .cuda_graph import Capture
from .ema import ema_decay, update_ema
from .settings import PRECISIONS, Settings, trained
from .terms import Step, Term


class Run:
    """A GAN in training. `one_step()` moves it on; `state` saves and restores it all."""

    def __init__(
        self,
        gan: GAN,
        images: Images,
        settings: Settings,
        augment: Augment | None = None,
        terms: Sequence[Term] = (),
        capture: bool = False,
    ) -> None:
        self.gan, self.images, self.settings = gan, images, settings
        self.augment = None if augment is None else augment.to(gan.device)
        self.terms = list(terms)
        self.loss = settings.rule()
        self.world = distributed.World()
        self.world.refuse_batch(settings.batch_size)
        self.world.share_batch_norm(gan.generator, gan.discriminator)
        device = gan.device
        training_mode(gan.generator)
        training_mode(gan.discriminator)
        self.g_parameters = trained(gan.generator, "generator")
        self.d_parameters = trained(gan.discriminator, "discriminator")
        g_rate, d_rate = settings.learning_rates
        self.g_optimiser = self._adam(self.g_parameters, g_rate)
        self.d_optimiser = self._adam(self.d_parameters, d_rate)
        self.dtype = PRECISIONS[settings.precision]
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        if device.type == "cuda" and self.dtype is not None:  # tensor cores read channels last
            for network in (gan.generator, gan.discriminator):
                network.to(memory_format=torch.channels_last)
        # Latents and batches are drawn for all processes alike and then shared out; the rest is each one's own.
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        self.noise = torch.Generator(device).manual_seed(settings.seed + 1 + self.world.rank)
        pool = len(images) * (1 + settings.mirror)
        self.sampler = Sampler(pool, settings.batch_size, seed=settings.seed, device=device)
        # Where D compares images of a batch, reals and fakes apart, as is usual, they may not share a pass.
        inside = list(gan.discriminator.modules())
        norms = [m for m in inside if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        compares = any(isinstance(m, MinibatchStd) for m in inside)
        self.penalty_shares_forward = self.dtype is None and set(settings.penalties) <= {"r1", "r2"}
        self.concat_real_fake = not (compares or any(norm.training for norm in norms))
        self.capture = Capture(self.update, self.noise) if capture else None
        self.averages: Averages | None = None  # of power functions, where `train` was asked to keep some
        self.step = 0
        self.seconds = 0.0
        self.start: dict[str, list[float]] = {}  # fingerprints; see `state.begin`
        self.pixel_hash: str | None = None  # of the images, once it has been asked for

    def _adam(self, parameters: list[nn.Parameter], rate: float | Tensor) -> torch.optim.Adam:
        cuda = self.gan.device.type == "cuda"
        # a rate that changes stands on the device, where a captured graph reads it anew at every step
        rate = torch.tensor(rate, device=self.gan.device) if cuda and self.settings.rate_decay else rate
        # fused: one kernel for all parameters, on the CPU too; capturable: its step count lives on the device
        return torch.optim.Adam(parameters, rate, self.settings.betas, fused=True, capturable=cuda)

    def set_rates(self) -> None:
        """Give both optimisers the rates of this step; a captured graph reads them from where they stand."""
        rates = self.settings.rates_at(self.step)
        for optimiser, rate in zip((self.g_optimiser, self.d_optimiser), rates, strict=True):
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def autocast(self) -> AbstractContextManager[Any]:
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.gan.device.type, self.dtype, cache_enabled=self.capture is None)

    def seen(self, images: Tensor) -> Tensor:
        """Images as D sees them: augmented, if anything augments."""
        return images if self.augment is None else self.augment(images, self.noise)

    def draw(self) -> tuple[Tensor, Tensor]:
        """This process's share of the step's indices (d_steps, B) and latents (d_steps, B, latent_dim)."""
        n = self.settings.d_steps
        indices = torch.stack([self.sampler.next() for _ in range(n)])
        shape = (n, self.settings.batch_size, self.gan.config.latent_dim)
        z = torch.randn(shape, device=self.gan.device, generator=self.rng)
        return self.world.share(indices, 1), self.world.share(z, 1)

    def judge(self, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's logits of real and of fake images, in one pass where D treats every image by itself."""
        with self.autocast():
            if not self.concat_real_fake:
                return self.gan.discriminator(x), self.gan.discriminator(fake)
            real_logits, fake_logits = self.gan.discriminator(torch.cat([x, fake])).split(len(x))
            return real_logits, fake_logits

    def penalise(
        self, x: Tensor, fake: Tensor, with_penalty: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The reals as D sees them, logits of reals and fakes, and the weighted penalties (None without any).

        In full precision R1 and R2 are taken on the logits of this very pass; else a penalty makes its own.
        """
        weights = self.settings.penalties if with_penalty else {}
        lazy = self.settings.penalty_every  # a penalty taken every k steps counts k times
        before = self.augment is not None and self.settings.penalty_at == "before"
        share = bool(weights) and self.penalty_shares_forward

        def points(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
            """Where R1 and R2 take their gradients: the same images, without a history."""
            real, fake = real.detach(), fake.detach()
            return real.requires_grad_("r1" in weights), fake.requires_grad_("r2" in weights)

        at = points(x, fake) if share and before else (x, fake)
        seen_x, seen_fake = self.seen(at[0]), self.seen(at[1])
        if share:
            if not before:
                seen_x, seen_fake = at = points(seen_x, seen_fake)
            real_logits, fake_logits = self.gan.discriminator(seen_x), self.gan.discriminator(seen_fake)
            norms = {"r1": (real_logits, at[0]), "r2": (fake_logits, at[1])}
            parts = [lazy * w * half_squared_norm(*norms[name]) for name, w in weights.items()]
        else:
            real_logits, fake_logits = self.judge(seen_x, seen_fake)
            d: nn.Module = Augmented(self.gan.discriminator, self.seen) if before else self.gan.discriminator
            where = (x, fake) if before else (seen_x, seen_fake)
            parts = [lazy * w * PENALTIES[name](d, *where, self.noise) for name, w in weights.items()]
        return seen_x.detach(), real_logits, fake_logits, sum(parts[1:], parts[0]) if parts else None

    def discriminator_step(self, x: Tensor, z: Tensor, fake: Tensor, with_penalty: bool) -> list[Tensor]:
        """One update of D. Returns [loss, mean real logit, mean fake logit, penalty], still on the device."""
        seen_x, real_logits, fake_logits, penalty = self.penalise(x, fake, with_penalty)
        real_logits, fake_logits = real_logits.float(), fake_logits.float()
        loss = self.loss.discriminator(real_logits, fake_logits)
        total = loss if penalty is None else loss + penalty
        step = Step(self.gan, seen_x, z, fake, real_logits, fake_logits)
        for term in self.terms:
            if term.side == "discriminator":
                total = total + term(step)
        self.descend(total, self.d_parameters, self.d_optimiser)
        if self.settings.clip is not None:
            clip_weights(self.gan.discriminator, self.settings.clip)
        if self.augment is not None:
            self.augment.observe(real_logits.detach())
        means = [real_logits.detach().mean(), fake_logits.detach().mean()]
        return [loss.detach(), *means, loss.new_zeros(()) if penalty is None else penalty.detach()]

    def generator_step(self, x: Tensor, z: Tensor, fake: Tensor) -> Tensor:
        """One update of G. Returns its loss."""
        seen_fake = self.seen(fake)
        with self.autocast():
            fake_logits = self.gan.discriminator(seen_fake).float()
            real_logits = None
            if self.loss.needs_real:
                with torch.no_grad():  # nothing of G is in it
                    real_logits = self.gan.discriminator(self.seen(x)).float()
        loss = self.loss.generator(fake_logits, real_logits)
        total = loss
        for term in self.terms:
            if term.side == "generator":
                total = total + term(Step(self.gan, x, z, fake, real_logits, fake_logits))
        # only G's weights are asked for, so none of D's gradients are computed
        self.descend(total, self.g_parameters, self.g_optimiser)
        return loss.detach()

    def descend(self, loss: Tensor, parameters: list[nn.Parameter], optimiser: torch.optim.Adam) -> None:
        """One step of an optimiser down its loss. ValueError for a loss of one's own that is no scalar of the weights.

        In fp16 the gradients of the scaled loss are scaled back in the optimiser. Where one overflows, this step
        alone is left out and the scale halved: it is looked at after every step, D's as well as G's.
        """
        if loss.ndim or not loss.requires_grad:
            raise ValueError(
                f"a loss with its terms has shape {tuple(loss.shape)} and "
                f"{'a' if loss.requires_grad else 'no'} gradient; a scalar that depends on the logits is right"
            )
        optimiser.zero_grad()
        self.scaler.scale(loss).backward(inputs=parameters)
        self.world.average_gradients(parameters)
        self.scaler.step(optimiser)
        self.scaler.update()

    def update(self, indices: Tensor, z: Tensor, with_penalty: bool) -> Tensor:
        """`d_steps` updates of D and one of G, without a look at the host: (5,) scalars named by `SCALARS`."""
        last = len(indices) - 1
        for i in range(last + 1):
            x = self.images.batch(indices[i], mirror=self.settings.mirror)
            with self.autocast(), torch.set_grad_enabled(i == last):
                fake = self.gan.generator(z[i])
            scalars = self.discriminator_step(x, z[i], fake.detach(), with_penalty)
        scalars.insert(1, self.generator_step(x, z[last], fake))
        return torch.stack(scalars)

    def one_step(self) -> Tensor:
        """One step of the run: draw, update, average. Returns the step's scalars, (5,), still on the device."""
        with_penalty = bool(self.settings.penalties) and self.step % self.settings.penalty_every == 0
        inputs = self.draw()
        self.set_rates()
        scalars = (self.capture or self.update)(*inputs, with_penalty)
        self.step += 1
        self.world.average([tensor for term in self.terms for tensor in term.moving()])
        batch_size = self.settings.batch_size
        if self.augment is not None and self.step % self.augment.every == 0:
            self.world.average(list(self.augment.state_dict().values()))
            self.augment.adjust(batch_size * self.settings.d_steps)
        decay = ema_decay(self.settings.ema_half_life, self.step * batch_size, batch_size)
        update_ema(self.gan.ema, self.gan.generator, decay)
        if self.averages is not None:
            self.averages.update(self.gan.generator, self.step)
        return scalars


SCALARS = ("d_loss", "g_loss", "real_logit", "fake_logit", "penalty")
