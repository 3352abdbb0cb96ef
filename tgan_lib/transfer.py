"""Transfer: where weights start, which of them train, and what is put into a network so that little has to train.

    target = start_from(source)                     Wang et al. (2018), "Transferring GANs: generating images from
                                                    limited data"
    freeze_discriminator(target, layers=2)          Mo, Cho and Shin (2020), "Freeze the Discriminator: a Simple
                                                    Baseline for Fine-Tuning GANs"
    freeze_generator(target, layers=2)              as in the project FreezeG (bryandlee/FreezeG on GitHub; no paper)
    scale_shift(target)   y = s x + b               Noguchi and Harada (2019), "Image Generation From Small Datasets
                                                    via Batch Statistics Adaptation"
    low_rank(target)      W + B A                   Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language
                                                    Models"
    miner(target)         G(z + m(z))               Wang et al. (2020), "MineGAN: effective knowledge transfer from
                                                    GANs to target domains with few images"

All but the first change a GAN in place, before training: they note themselves in `gan.methods`, begin the running
average anew and return the GAN, and what G computes is still the same. What holds training to the source is a term
of its loss: L2SP, EWC and CrossDomainCorrespondence, from `anchors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .anchors import EWC, L2SP, CrossDomainCorrespondence
from .errors import unknown_name
from .features import evaluating, tapped
from .gan import GAN
from .networks import LEAK, count_parameters, layers
from .networks.parts import MAPS
from .terms import Term

Layers = list[list[nn.Module]]
NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def start_from(
    source: GAN,
    *,
    generator: bool = True,
    discriminator: bool = True,
    average: bool = True,
    seed: int = 0,
    device: torch.device | str | None = None,
    **changes: Any,
) -> GAN:
    """A new GAN whose G and D start as `source`'s; a part that is not taken starts fresh from `seed`.

    average: G starts as the source's running average, else as its raw G. device: the source's by default.
    changes: what is to be built otherwise than the source, as in `GAN.build`: size, channels, width, ...

    With changes, layers are paired from one end and each is taken if all of it fits, else left fresh: G's from
    the latent and D's from the logit, or from the pixels where that takes more. A DCGAN grown from 32 to 64 px
    keeps all but its outermost layers at half the width (width=source.config.width // 2), and at the same width
    the layers nearest the pixels. Between grey and colour, the layers at the pixels are averaged or repeated.

    `methods[0]` of the new GAN says what was done, with the numbers "copied" (weights and norms' statistics) "of"
    those there are. ValueError when nothing fits, or when the source holds adapters (`merge_low_rank` folds them).
    """
    gan = GAN.build(**(source.config.as_dict() | changes), seed=seed, device=device or source.device)
    copied = 0
    if generator:
        copied += take(source.ema if average else source.generator, gan.generator, is_generator=True)
    if discriminator:
        copied += take(source.discriminator, gan.discriminator, is_generator=False)
    total = sum(t.numel() for m in (gan.generator, gan.discriminator) for t in m.state_dict().values())
    parts = {"generator": generator, "discriminator": discriminator, "average": average}
    return record(gan, "start_from", **parts, copied=copied, of=total)


@torch.no_grad()
def take(source: nn.Module, target: nn.Module, is_generator: bool) -> int:
    """Copy what fits of one network into another; returns how many numbers were set."""
    if found := adapters(source):
        raise ValueError(
            f"the source's {type(source).__name__} holds {found}; start from one without, or merge_low_rank first"
        )
    theirs, ours = source.state_dict(), target.state_dict()
    if {k: t.shape for k, t in theirs.items()} == {k: t.shape for k, t in ours.items()}:
        target.load_state_dict(theirs)
        return sum(t.numel() for t in ours.values())
    row(source), row(target)
    # from the end that has nothing to do with pixels first, which wins if both ends give as much
    ways = [
        (layers(source)[::step], layers(target)[::step]) for step in ((1, -1) if is_generator else (-1, 1))
    ]
    pairs = max(
        (matched(*way, is_generator) for way in ways), key=lambda found: sum(t.numel() for t, _ in found)
    )
    if not pairs:
        raise ValueError(
            f"no layer of the source's {type(source).__name__} fits the new one; change less, or leave it fresh "
            f"with {'generator' if is_generator else 'discriminator'}=False"
        )
    for tensor, value in pairs:
        tensor.copy_(value)
    return sum(t.numel() for t, _ in pairs)


def matched(source: Layers, target: Layers, is_generator: bool) -> list[tuple[Tensor, Tensor]]:
    """(tensor to set, its new value), for each pair of layers that fit as a whole: a norm without its map is no use."""
    found: list[tuple[Tensor, Tensor]] = []
    for theirs, ours in zip(source, target, strict=False):
        old, new = nn.Sequential(*theirs).state_dict(), nn.Sequential(*ours).state_dict()
        if old.keys() == new.keys():
            pairs = [(new[name], fitted(old[name], new[name].shape, is_generator)) for name in new]
            found += (
                [(t, v) for t, v in pairs if v is not None] if all(v is not None for _, v in pairs) else []
            )
    return found


def fitted(tensor: Tensor, shape: torch.Size, is_generator: bool) -> Tensor | None:
    """`tensor` in `shape`: as it is, or between grey and colour, or None.

    G then paints its grey in all colours, or the mean of its colours; D judges a grey image as it did before.
    """
    if tensor.shape == shape:
        return tensor
    odd = [d for d in range(min(tensor.ndim, len(shape))) if tensor.shape[d] != shape[d]]
    if tensor.ndim != len(shape) or len(odd) > 1 or {tensor.shape[odd[0]], shape[odd[0]]} != {1, 3}:
        return None
    total = tensor.sum(odd[0], keepdim=True)
    return (total / (tensor.shape if is_generator else shape)[odd[0]]).expand(shape)


def freeze_discriminator(gan: GAN, layers: int) -> GAN:
    """The `layers` layers of D nearest the pixels stop training, their norms' statistics included.

    Layers as `networks.layers` counts them. ValueError unless one at least is left to train.
    """
    freeze(gan.discriminator, layers)
    return record(gan, "freeze_discriminator", layers=layers)


def freeze_generator(gan: GAN, layers: int) -> GAN:
    """The `layers` layers of G nearest the latent stop training; as `freeze_discriminator`."""
    freeze(gan.generator, layers)
    return record(gan, "freeze_generator", layers=layers)


def unfreeze(gan: GAN) -> GAN:
    """Everything in G and D trains, adapters and all: MineGAN's second stage, after the miner has been trained."""
    for network in (gan.generator, gan.discriminator):
        network.requires_grad_(True)
    return record(gan, "unfreeze")


def scale_shift(gan: GAN) -> GAN:
    """Of G only a scale and a shift for each channel of its hidden layers train; D trains as before.

    Where a hidden layer has a norm they are the norm's own. Where it has none, a `ScaleShift` is put behind it,
    before the activation, in an nn.Sequential that stands where the layer stood. The last layer stays frozen.
    """
    ready(gan.generator, "scale_shift")
    net = row(gan.generator)
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
    if rank < 1:
        raise ValueError(f"rank is {rank}; a whole number from 1, such as 4, is right")
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
                for module in maps(network):
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
    if not any("low_rank" in adapters(network) for network in gan.modules().values()):
        raise ValueError("there are no low-rank adapters to merge in this GAN; call low_rank first")
    for name, network in gan.modules().items():
        if "low_rank" not in adapters(network):
            continue
        for module in maps(network):
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
    ready(gan.generator, "miner")
    hidden = gan.config.latent_dim if hidden is None else hidden
    if hidden < 1:
        raise ValueError(
            f"hidden is {hidden}; a whole number from 1 is right, the latent has {gan.config.latent_dim}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = Miner(gan.config.latent_dim, hidden).to(gan.device)
    gan.generator.requires_grad_(False)
    gan.generator.net = nn.Sequential(first, *row(gan.generator))
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


def row(network: nn.Module) -> nn.Sequential:
    """The network's `net`; ValueError where its layers stand side by side and not in a row."""
    net = network.net
    if not isinstance(net, nn.Sequential):
        raise ValueError(
            f"the layers of {type(network).__name__} do not stand in one row; a Sequential net is right"
        )
    return net


def maps(network: nn.Module) -> list[Any]:
    """Every convolution and linear map of the network's `net`."""
    net: Any = network.net
    return [m for m in net.modules() if isinstance(m, MAPS)]


def freeze(network: nn.Module, count: int) -> None:
    """Stop the first `count` layers from training; ValueError unless that leaves one."""
    row(network)
    every = layers(network)
    if not 0 <= count < len(every):
        raise ValueError(
            f"{count} layers of {type(network).__name__} were to be frozen; it has {len(every)}, of which one at "
            f"least must train, so 0 to {len(every) - 1} is right"
        )
    for layer in every[:count]:
        for child in layer:
            child.requires_grad_(False)


def record(gan: GAN, name: str, **settings: Any) -> GAN:
    """Write a method into `gan.methods` and begin the running average anew."""
    gan.methods.append({"name": name, **settings})
    gan.restart_average()
    return gan


def apply_methods(gan: GAN, methods: Iterable[dict[str, Any]]) -> GAN:
    """Do to a freshly built GAN what `methods` of another says, so that the other's weights can be loaded into it.

    Adapters are put in and layers frozen, in order. "start_from" is only noted: weights are loaded, not copied.
    """
    for method in methods:
        settings = dict(method)
        name = settings.pop("name")
        if name == "start_from":
            gan.methods.append(dict(method))
        elif name in METHODS:
            METHODS[name](gan, **settings)
        else:
            raise unknown_name("transfer method", name, [*METHODS, "start_from"])
    return gan


def trainable(gan: GAN) -> dict[str, dict[str, int]]:
    """How many parameters there are in each network and how many train: name -> {"trainable": ..., "total": ...}."""
    return {
        name: {"trainable": count_parameters(network), "total": sum(p.numel() for p in network.parameters())}
        for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator))
    }


METHODS: dict[str, Callable[..., GAN]] = {
    "freeze_discriminator": freeze_discriminator,
    "freeze_generator": freeze_generator,
    "low_rank": low_rank,
    "merge_low_rank": merge_low_rank,
    "miner": miner,
    "scale_shift": scale_shift,
    "unfreeze": unfreeze,
}

TERMS: dict[str, Callable[..., Term]] = {
    "cross_domain_correspondence": CrossDomainCorrespondence,
    "ewc": EWC,
    "l2sp": L2SP,
}
