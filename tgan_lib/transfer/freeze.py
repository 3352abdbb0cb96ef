"""Which parameters train.

    freeze_discriminator(target, layers=2)      Mo, Cho and Shin (2020), "Freeze the Discriminator: a Simple Baseline
                                                for Fine-Tuning GANs"
    freeze_generator(target, layers=2)          as in the project FreezeG (bryandlee/FreezeG on GitHub; no paper)

Both change a GAN in place, before training: they note themselves in `gan.methods`, begin the running average anew
and return the GAN, and what G computes is still the same.
"""

from __future__ import annotations

from torch import nn

from ..errors import check_kind, whole_number
from ..gan import GAN
from ..networks import count_parameters, layers
from .adapters import record, sequential_net


def freeze_discriminator(gan: GAN, layers: int) -> GAN:
    """The `layers` layers of D nearest the pixels stop training, their norms' statistics included.

    Layers as `networks.layers` counts them. ValueError unless one at least is left to train.
    """
    check_kind("gan", gan, GAN, "a GAN")
    freeze(gan.discriminator, layers)
    return record(gan, "freeze_discriminator", layers=int(layers))


def freeze_generator(gan: GAN, layers: int) -> GAN:
    """The `layers` layers of G nearest the latent stop training; as `freeze_discriminator`."""
    check_kind("gan", gan, GAN, "a GAN")
    freeze(gan.generator, layers)
    return record(gan, "freeze_generator", layers=int(layers))


def unfreeze(gan: GAN) -> GAN:
    """Everything in G and D trains, adapters and all: MineGAN's second stage, after the miner has been trained."""
    check_kind("gan", gan, GAN, "a GAN")
    for network in (gan.generator, gan.discriminator):
        network.requires_grad_(True)
    return record(gan, "unfreeze")


def freeze(network: nn.Module, count: int) -> None:
    """Stop the first `count` layers from training; ValueError unless that leaves one."""
    sequential_net(network)
    every = layers(network)
    if not 0 <= whole_number("layers", count, None) < len(every):
        raise ValueError(
            f"{count} layers of {type(network).__name__} were to be frozen; it has {len(every)}, of which one at "
            f"least must train, so 0 to {len(every) - 1} is right"
        )
    for layer in every[:count]:
        for child in layer:
            child.requires_grad_(False)


def trainable(gan: GAN) -> dict[str, dict[str, int]]:
    """How many parameters there are in each network and how many train: name -> {"trainable": ..., "total": ...}."""
    check_kind("gan", gan, GAN, "a GAN")
    return {
        name: {"trainable": count_parameters(network), "total": sum(p.numel() for p in network.parameters())}
        for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator))
    }
