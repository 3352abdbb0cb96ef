"""The thing that is trained, saved and shared: a generator, a discriminator, an averaged generator, a config."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .device import default_device, device_of, evaluating
from .errors import unknown_name
from .networks import NETWORKS, WIDTHS


@dataclass(frozen=True)
class GANConfig:
    """What it takes to build the networks again."""

    network: str
    size: int
    channels: int
    latent_dim: int
    width: int
    options: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What `GAN.build` takes: plain values by name, the network's own options among them."""
        plain = asdict(self)
        return plain | plain.pop("options")


class GAN:
    """A generator, its discriminator, and `ema`, the running average of the generator that one samples from.

    Attributes: `generator`, `discriminator`, `ema` (modules), `config`, `directions` (name -> unit latent
    vector, for exploring; empty until somebody finds some), `card` (what is known of a shipped model) and
    `methods` (what `transfer` did to it, in order: dictionaries with a "name" and that method's settings).
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, config: GANConfig) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.config = config
        self.directions: dict[str, Tensor] = {}
        self.card: dict[str, Any] = {}
        self.methods: list[dict[str, Any]] = []
        self.restart_average()

    def restart_average(self) -> None:
        """Begin the running average anew, as a copy of the generator as it is."""
        self.ema = copy.deepcopy(self.generator).requires_grad_(False).eval()

    @classmethod
    def build(
        cls,
        network: str = "dcgan",
        *,
        size: int = 28,
        channels: int = 1,
        latent_dim: int = 64,
        width: int | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> GAN:
        """A fresh GAN. `network` is a name in `networks.NETWORKS`; `size` in pixels; `channels` 1 or 3.

        `seed` fixes the starting weights without touching the global random state; `device` defaults to the
        GPU if there is one. `options` are the network's own (see `networks`).
        """
        if network not in NETWORKS:
            raise unknown_name("network", network, NETWORKS)
        config = GANConfig(network, size, channels, latent_dim, width or WIDTHS[network], options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator, discriminator = NETWORKS[network](size, channels, latent_dim, config.width, **options)
        return cls(generator, discriminator, config).to(device or default_device())

    @property
    def device(self) -> torch.device:
        return device_of(self.generator)

    def modules(self) -> dict[str, nn.Module]:
        """The three networks by name: what a checkpoint holds."""
        return {"generator": self.generator, "discriminator": self.discriminator, "ema": self.ema}

    def to(self, device: torch.device | str) -> GAN:
        for module in self.modules().values():
            module.to(device)
        return self

    def latents(self, n: int, seed: int | None = None) -> Tensor:
        """`n` latents from N(0, I), (n, latent_dim). A seed gives the same ones on every device."""
        rng = None if seed is None else torch.Generator().manual_seed(seed)
        return torch.randn(n, self.config.latent_dim, generator=rng).to(self.device)

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        *,
        z: Tensor | None = None,
        seed: int | None = None,
        truncation: float = 1.0,
        ema: bool = True,
        batch_size: int = 500,
    ) -> Tensor:
        """Images (n, channels, size, size) in [-1, 1], from `n` latents or from the given `z`.

        `truncation` below 1 shrinks z towards 0, where samples are typical and alike. The averaged generator is
        used unless `ema=False`; either runs in eval mode, so that a sample does not depend on its batch.
        """
        if z is None:
            if n is None:
                raise ValueError("sample needs a number of images, sample(16), or latents, sample(z=z)")
            z = self.latents(n, seed)
        if z.ndim != 2 or z.shape[1] != self.config.latent_dim:
            raise ValueError(
                f"latents have shape {tuple(z.shape)}; this GAN takes (n, {self.config.latent_dim})"
            )
        net = self.ema if ema else self.generator
        with evaluating(net):
            images = [net(part) for part in (z.to(self.device) * truncation).split(batch_size)]
        return torch.cat(images).float()
