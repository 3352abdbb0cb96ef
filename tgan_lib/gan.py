"""The thing that is trained, saved and shared: a generator, a discriminator, an averaged generator, a config.

gan.save("~/models/cats-lr0.001")          # cats-lr0.001.safetensors, and its card, cats-lr0.001.json
gan = GAN.load("~/models/cats-lr0.001")    # the same, bit for bit
gan = GAN.load("runs/cats")                # what a run_dir of `train` holds, without training
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .device import device_of, evaluating, pick_device
from .errors import as_path, check_tensor, one_of, real_number, seed_number, true_or_false, whole_number
from .files import half as to_half
from .files import pair, read_pair, write_pair
from .networks import NETWORKS, WIDTHS
from .plain import fingerprint, plain


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
        fields: dict[str, Any] = plain(asdict(self), "config")
        return fields | fields.pop("options")


class GAN:
    """A generator, its discriminator, and `ema`, the running average of the generator that one samples from.

    Attributes: `generator`, `discriminator`, `ema` (modules), `config`, `directions` (name -> unit latent
    vector, for exploring; empty until somebody finds some), `card` (what is known of a model that was loaded),
    `methods` (what `transfer` did to it, in order: dictionaries with a "name" and that method's settings) and
    `began` (the `fingerprints` that it had when its last run with a run_dir began; None before one).
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, config: GANConfig) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.config = config
        self.directions: dict[str, Tensor] = {}
        self.card: dict[str, Any] = {}
        self.methods: list[dict[str, Any]] = []
        self.began: dict[str, list[float]] | None = None
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
        GPU if there is one. `options` are the network's own (see `networks`). ValueError, in one sentence, for
        what no network can be built from.
        """
        network = one_of("network", network, NETWORKS)
        size, latent_dim = whole_number("size", size), whole_number("latent_dim", latent_dim)
        if whole_number("channels", channels) not in (1, 3):
            raise ValueError(f"channels is {channels}; 1 (grey) or 3 (colour) is right")
        width = WIDTHS[network] if width is None else whole_number("width", width)
        options = plain(options, "options")
        config = GANConfig(network, size, int(channels), latent_dim, width, options)
        device = pick_device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_number(seed))
            try:
                generator, discriminator = NETWORKS[network](
                    size, config.channels, latent_dim, width, **options
                )
            except RuntimeError as error:  # torch's word for no memory on the CPU
                raise MemoryError(f"there is no memory for a {network} of {config}; less is right") from error
        return cls(generator, discriminator, config).to(device)

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> Path:
        """Keep this GAN: PATH.safetensors and PATH.json, its card; returns the first. `GAN.load(path)` takes it up.

        Kept are the generator, its running average, the discriminator, all in full precision; the directions, the
        config, the transfer methods with their adapters, and the card. Not the optimisers, which only a run's
        checkpoint has (`train(..., run_dir=)`), nor what was frozen by hand. half: as the zoo ships models, at a
        quarter of the size or less: in 16 bits, and the average in the generator's place too.

        Both files are written beside and renamed over, so that they are the old ones or the new. ValueError for
        a path that cannot be one and for a number that 16 bits cannot hold; RuntimeError when the disk refuses.
        """
        write_pair(path, *self.kept(self.card, half))
        return pair(path)[0]

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: torch.device | str | None = None) -> GAN:
        """The GAN that `save` kept at `path`, or the one in a run's folder, which is only read and not trained.

        device: the GPU if there is one, whatever it was kept from. What a run left (checkpoint.pt) has its own card:
        the "step" it had reached and its "settings". `zoo.load(name)` loads what comes with the library.
        FileNotFoundError where nothing is, ValueError for files that are damaged, do not belong together or hold
        no GAN, `CheckpointError` (a RuntimeError) for a checkpoint that is damaged or holds no run.
        """
        device, path = pick_device(device), as_path("path", path)
        if path.name == "checkpoint.pt":
            path = path.parent
        if not path.is_dir():
            return cls.rebuilt(*read_pair(path), path.name, device)
        from .training.checkpoint import load_run

        state = load_run(path)
        if state is None:
            raise FileNotFoundError(
                f"{path} is a folder without a run (checkpoint.pt) in it; the path of a GAN is right"
            )
        described = {"config": state["config"], "methods": state["settings"]["methods"]}
        tensors = {f"{n}.{k}": t for n, weights in state["networks"].items() for k, t in weights.items()}
        gan = cls.rebuilt(tensors, described, str(path), device)
        gan.card = {"step": state["step"], "settings": state["settings"]}
        gan.began = state["start"]
        return gan

    def kept(self, card: Mapping[str, Any], half: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors by name, card): what a file of this GAN holds. See `save`."""
        parts = {"generator": self.ema} if true_or_false("half", half) else self.modules()
        parts = {**parts, "discriminator": self.discriminator}
        tensors = {
            f"{part}.{key}": t for part, module in parts.items() for key, t in module.state_dict().items()
        }
        for name, direction in self.directions.items():
            tensors[f"direction.{name}"] = torch.as_tensor(direction)
        for key, t in tensors.items():
            try:
                tensors[key] = to_half(t) if half else t.detach().cpu().contiguous()
            except ValueError as error:
                raise ValueError(f"{key} cannot be kept: {error}") from error
        own = {"config": self.config.as_dict(), "methods": plain(self.methods, "methods")}
        if self.directions:
            own["directions"] = list(self.directions)  # a safetensors file has no order of its own
        return tensors, plain(dict(card), "card") | own

    @classmethod
    def rebuilt(
        cls,
        tensors: Mapping[str, Tensor],
        card: Mapping[str, Any],
        where: str,
        device: torch.device | str | None,
    ) -> GAN:
        """A GAN from what `kept` gave; without an average of its own, the generator is that too.

        where: the file's name, for the sentence of the ValueError that is raised when the two do not fit.
        """
        from .transfer.methods import apply_methods

        try:
            gan = apply_methods(cls.build(**card["config"], device="cpu"), card.get("methods", []))
        except (KeyError, TypeError, ValueError, MemoryError) as error:
            said = f"no {error} in it" if isinstance(error, KeyError) else error
            raise ValueError(f"the card of {where} does not say how to build its GAN ({said})") from error
        average = "ema" if any(key.startswith("ema.") for key in tensors) else "generator"
        sources = {"generator": "generator", "discriminator": "discriminator", "ema": average}
        for name, source in sources.items():
            weights = {
                k.removeprefix(source + "."): t for k, t in tensors.items() if k.startswith(source + ".")
            }
            module = gan.modules()[name]
            if any(t.dtype == torch.float64 for t in weights.values()):
                module.double()
            fit_weights(module, weights, name, where)
        names = sorted(k.removeprefix("direction.") for k in tensors if k.startswith("direction."))
        order = card.get("directions")
        if isinstance(order, list) and sorted(map(str, order)) == names:
            names = order
        gan.directions = {key: tensors[f"direction.{key}"].float() for key in names}
        gan.card = dict(card)
        return gan.to(pick_device(device))

    def fingerprints(self) -> dict[str, list[float]]:
        """Numbers by which a run knows again the weights that it began with: network -> `plain.fingerprint`."""
        return {name: fingerprint(module.state_dict()) for name, module in self.modules().items()}

    @property
    def device(self) -> torch.device:
        return device_of(self.generator)

    def modules(self) -> dict[str, nn.Module]:
        """The three networks by name: what a checkpoint holds."""
        return {"generator": self.generator, "discriminator": self.discriminator, "ema": self.ema}

    def to(self, device: torch.device | str) -> GAN:
        """Move the networks, in place; the GAN itself. ValueError for a device that there is not."""
        device = pick_device(device)
        for module in self.modules().values():
            module.to(device)
        return self

    def latents(self, n: int, seed: int | None = None) -> Tensor:
        """`n` latents from N(0, I), (n, latent_dim). A seed gives the same ones on every device."""
        rng = None if seed is None else torch.Generator().manual_seed(seed_number(seed))
        return torch.randn(whole_number("n", n), self.config.latent_dim, generator=rng).to(self.device)

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
        check_tensor("z", z)
        if z.ndim != 2 or z.shape[1] != self.config.latent_dim or len(z) == 0:
            raise ValueError(
                f"latents have shape {tuple(z.shape)}; this GAN takes (n, {self.config.latent_dim})"
            )
        truncation, batch_size = real_number("truncation", truncation), whole_number("batch_size", batch_size)
        net = self.ema if true_or_false("ema", ema) else self.generator
        with evaluating(net):
            images = [net(part) for part in (z.to(self.device) * truncation).split(batch_size)]
        return torch.cat(images).float()


def fit_weights(
    module: nn.Module, weights: Mapping[str, Tensor], name: str, where: str, load: bool = True
) -> None:
    """Load a state into a network in place; ValueError, before anything is changed, where they do not fit."""
    ours = {key: tuple(t.shape) for key, t in module.state_dict().items()}
    theirs = {key: tuple(t.shape) for key, t in weights.items()}
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            kept, built = (f"of shape {s[key]}" if key in s else "missing" for s in (theirs, ours))
            raise ValueError(
                f"{where} holds other weights than this {name} has: {key} is {kept} there and {built} here; "
                "build the GAN as it was built then"
            )
    if load:
        module.load_state_dict(
            dict(weights)
        )  # copies into the network's own precision, whatever the file holds
