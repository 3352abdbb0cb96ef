"""Adapters: what is put into a generator so that little has to train, and what it computes is at first the same.

    scale_shift  y = s x + b   Noguchi and Harada (2019), "Image Generation From Small Datasets via Batch
                               Statistics Adaptation"
    low_rank     W + B A       Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models"
    miner        G(z + m(z))   Wang et al. (2020), "MineGAN: effective knowledge transfer from GANs to target
                               domains with few images"

Each changes a GAN in place, before training, freezes what is not its own, notes itself in `gan.methods`, begins the
running average anew and returns the GAN. They exclude each other.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..device import evaluating
from ..errors import check_kind, seed_number, true_or_false, whole_number
from ..features.taps import tapped
from ..gan import GAN
from ..networks import LEAK, layers
from ..networks.parts import LINEAR_LAYERS

MOST_HIDDEN = 100_000  # units; beyond it a size is a slip of the pen
NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def scale_shift(gan: GAN) -> GAN:
    """Of G only a scale and a shift for each channel of its hidden layers train; D trains as before.

    Where a hidden layer has a norm they are the norm's own. Where it has none, a `ScaleShift` is put behind it,
    before the activation, in an nn.Sequential that stands where the layer stood. The last layer stays frozen.
    """
    check_kind("gan", gan, GAN, "a GAN")
    ready(gan.generator, "scale_shift")
    net = sequential_net(gan.generator)
    children = dict(net.named_children())
    with torch.no_grad(), evaluating(gan.generator):
        outputs = list(tapped(net, gan.latents(2, seed=0), list(children)).values())
    gan.generator.requires_grad_(False)
    for layer in layers(gan.generator)[:-1]:
        norms = [m for m in nn.Sequential(*layer).modules() if isinstance(m, NORMS) and m.weight is not None]
        for norm in norms:
            norm.requires_grad_(True)
        if not norms:
            at = next(i for i, child in enumerate(net) if child is layer[-1])
            at += isinstance(net[at + 1], nn.Unflatten)  # what makes channels of a linear map's outputs
            net[at] = nn.Sequential(net[at], ScaleShift(outputs[at].shape[1]).to(gan.device))
    return record(gan, "scale_shift")


def low_rank(
    gan: GAN, rank: int = 4, *, generator: bool = True, discriminator: bool = False, seed: int = 0
) -> GAN:
    """Every convolution and linear map's W becomes W + B A, where only B and A train.

    W counts as a matrix with a row for each entry of its first axis (outputs, or a transposed convolution's
    inputs); B A has rank `rank`, or W's own if that is less. B starts at 0, so that nothing is changed; A's entries
    are drawn from `seed` with variance 1 / columns. The paper's factor alpha / rank is 1. Biases and norms are
    frozen, statistics too. A spectral norm is that of W + B A. The running average is of A and B, not of B A.
    """
    check_kind("gan", gan, GAN, "a GAN")
    rank, seed = whole_number("rank", rank), seed_number(seed)
    generator, discriminator = (
        true_or_false("generator", generator),
        true_or_false("discriminator", discriminator),
    )
    networks = [gan.generator] * generator + [gan.discriminator] * discriminator
    if not networks:
        raise ValueError(
            "low_rank was asked for neither network; generator=True or discriminator=True is right"
        )
    for network in networks:
        ready(network, "low_rank")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for network in networks:
            network.requires_grad_(False)
            with evaluating(network):  # or else looking at a weight moves a spectral norm's estimate
                for module in linear_layers(network):
                    weight = module.weight.detach()
                    adapter = LowRank(weight.shape[0], weight[0].numel(), rank).to(weight.device)
                    parametrize.register_parametrization(module, "weight", adapter)
                    chain = module.parametrizations["weight"]
                    if len(chain) > 1:  # a spectral norm, which comes after
                        chain[0], chain[1] = chain[1], chain[0]
    return record(gan, "low_rank", rank=rank, generator=generator, discriminator=discriminator, seed=seed)


@torch.no_grad()
def merge_low_rank(gan: GAN) -> GAN:
    """Fold B A into W, in the average too: plain networks that compute the same. They train as a whole again."""
    check_kind("gan", gan, GAN, "a GAN")
    if not any("low_rank" in adapters(network) for network in gan.modules().values()):
        raise ValueError("there are no low-rank adapters to merge in this GAN; call low_rank first")
    for name, network in gan.modules().items():
        if "low_rank" not in adapters(network):
            continue
        for module in linear_layers(network):
            chain = module.parametrizations["weight"]
            chain.original.copy_(chain[0](chain.original))
            if len(chain) > 1:
                del chain[0]
            else:
                # not torch's remove_parametrizations, which breaks the module's copies: they share a class
                del module.parametrizations
                module.__class__ = type(module).__bases__[0]
                module.register_parameter("weight", chain.original)
        network.requires_grad_(name != "ema")
    gan.methods.append({"name": "merge_low_rank"})
    return gan


def miner(gan: GAN, hidden: int | None = None, *, seed: int = 0) -> GAN:
    """A `Miner` before a frozen G, as layer 0 of its `net`: it learns which latents G should be given.

    Its hidden layer has `hidden` units, by default as many as the latent has dimensions. D trains as before. Once
    the miner has been trained, `unfreeze` begins the paper's second stage, in which everything trains.
    """
    check_kind("gan", gan, GAN, "a GAN")
    ready(gan.generator, "miner")
    hidden = gan.config.latent_dim if hidden is None else whole_number("hidden", hidden, 1, MOST_HIDDEN)
    seed = seed_number(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = Miner(gan.config.latent_dim, hidden).to(gan.device)
    gan.generator.requires_grad_(False)
    gan.generator.net = nn.Sequential(first, *sequential_net(gan.generator))
    return record(gan, "miner", hidden=hidden, seed=seed)


class ScaleShift(nn.Module):
    """scale x + shift for each channel of (N, C) or (N, C, H, W); the identity at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        return x * self.scale.view(shape) + self.shift.view(shape)


class LowRank(nn.Module):
    """W -> W + B A, with A (rank, columns) and B (rows, rank): a parametrization of a weight."""

    def __init__(self, rows: int, columns: int, rank: int) -> None:
        super().__init__()
        rank = min(rank, rows, columns)
        self.a = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.b = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.b @ self.a).view(weight.shape)


class Miner(nn.Module):
    """z + m(z), where m has one hidden layer and puts out 0 at first; (N, latent_dim) both ways.

    The paper's miner is a plain network. Ours adds to z, so that G begins where the source stopped.
    """

    def __init__(self, latent_dim: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, latent_dim)
        )
        for parameter in self.net[2].parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        mined: Tensor = z + self.net(z)
        return mined


ADAPTERS = {ScaleShift: "scale_shift", LowRank: "low_rank", Miner: "miner"}


def adapters(network: nn.Module) -> str:
    """Which methods have changed the network's structure: their names, or nothing."""
    return ", ".join(
        sorted({name for m in network.modules() for kind, name in ADAPTERS.items() if isinstance(m, kind)})
    )


def ready(network: nn.Module, method: str) -> None:
    """ValueError if `method` cannot change the network's structure and choose what trains in it."""
    if found := adapters(network):
        raise ValueError(
            f"{type(network).__name__} holds {found} already; scale_shift, low_rank and miner exclude each other"
        )
    if not all(p.requires_grad for p in network.parameters()):
        raise ValueError(
            f"{method} says by itself what trains, and parts of {type(network).__name__} are frozen already; "
            f"call {method} first, and freeze layers after it"
        )


def sequential_net(network: nn.Module) -> nn.Sequential:
    """The network's `net`; ValueError where its layers stand side by side and not in a row."""
    net = network.net
    if not isinstance(net, nn.Sequential):
        raise ValueError(
            f"the layers of {type(network).__name__} do not stand in one row; a Sequential net is right"
        )
    return net


def linear_layers(network: nn.Module) -> list[Any]:
    """Every convolution and linear map of the network's `net`."""
    net: Any = network.net
    return [m for m in net.modules() if isinstance(m, LINEAR_LAYERS)]


def record(gan: GAN, name: str, **settings: Any) -> GAN:
    """Write a method into `gan.methods` and begin the running average anew."""
    gan.methods.append({"name": name, **settings})
    gan.restart_average()
    return gan
