"""The public calls with a good value for each argument: what `test_bad_input` replaces one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tgan_lib as t
from tgan_lib import (
    augment,
    data,
    features,
    latent,
    losses,
    metrics,
    networks,
    penalties,
    plots,
    transfer,
    zoo,
)

Kwargs = dict[str, Any]

# --- good calls ---


def gan(network: str = "mlp", seed: int = 0) -> t.GAN:
    return t.GAN.build(network, size=16, latent_dim=4, width=2, seed=seed, device="cpu")


def real(n: int = 12) -> t.Images:
    pixels = torch.randint(256, (n, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return t.Images(pixels, torch.arange(n) % 3, ("a", "b", "c"))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def floats(n: int = 4) -> Tensor:
    return draw(n, 1, 16, 16).tanh()


@cache
def digits() -> t.Distance:
    return t.Distance(real(), n=12)


def options(network: str, **more: Any) -> Kwargs:
    return {"network": network, "size": 16, "channels": 1, "latent_dim": 4, "width": 4, "seed": 0, **more}


def logits() -> Kwargs:
    return {"real_logits": draw(6), "fake_logits": draw(6, seed=1)}


def judged() -> Kwargs:
    return {"discriminator": gan().discriminator}


def sets(n: int = 8) -> Kwargs:
    return {"features1": draw(n, 3), "features2": draw(n, 3, seed=1)}


def training() -> Kwargs:
    return {
        **{"gan": gan(), "images": real(), "steps": 1, "batch_size": 4, "progress": False},
        **{"loss": "hinge", "penalties": {"r1": 0.1}, "penalty_every": 1, "clip": None, "augment": None},
        **{"terms": (), "d_steps": 1, "seconds": None, "learning_rate": 1e-3, "betas": (0.0, 0.9)},
        **{"ema_half_life": 100.0, "mirror": False, "precision": "fp32", "capture": False, "seed": 0},
        **{"metric": None, "metric_every": 1, "target": None, "samples_every": None, "log_every": 1},
        **{"run_dir": None, "save_every": 1},
    }


@cache
def network(name: str, part: str) -> torch.nn.Module:
    return getattr(gan(name), part)


def forward(name: str, part: str) -> tuple[Callable[..., Any], Callable[[], Kwargs]]:
    """A network's pass."""
    takes = {"generator": lambda: {"z": draw(4, 4)}, "discriminator": lambda: {"images": floats()}}
    return lambda **given: network(name, part)(**given), takes[part]


def explorer_moves(z: Any) -> None:
    t.LatentExplorer(gan()).z = z


def method(make: Callable[[], Any], name: str) -> Callable[..., Any]:
    return lambda **given: getattr(make(), name)(**given)


def first(generator: Callable[..., Iterator[Any]]) -> Callable[..., Any]:
    return lambda **given: next(generator(**given))


PICTURES = np.zeros((2, 3, 4, 5), np.uint8)
FREEZE = {"gan": gan, "layers": lambda: 1}
CALLS: dict[str, tuple[Callable[..., Any], Callable[[], Kwargs]]] = {
    **{f"GAN.build {n}": (t.GAN.build, lambda n=n: options(n, device="cpu")) for n in networks.NETWORKS},
    "GAN.build dcgan options": (
        t.GAN.build,
        lambda: options(
            "dcgan",
            generator_norm="batch",
            generator_activation="relu",
            upsampling="nearest",
            output="tanh",
            norm="none",
            blocks="plain",
            dropout=0.1,
            pooling=False,
            init="dcgan",
        ),
    ),
    "GAN.build modern options": (
        t.GAN.build,
        lambda: options("modern", blocks=1, expansion=2, cardinality=4, output="tanh"),
    ),
    "GAN.build others' options": (t.GAN.build, lambda: options("resnet", norm="spectral")),
    "GAN.build features": (t.GAN.build, lambda: options("projected", features="mnist-v1")),
    "GAN.sample": (
        lambda **k: gan().sample(**k),
        lambda: {"n": 2, "seed": 0, "truncation": 0.7, "ema": True, "batch_size": 2},
    ),
    "GAN.sample z": (lambda **k: gan().sample(**k), lambda: {"z": draw(3, 4)}),
    "GAN.latents": (lambda **k: gan().latents(**k), lambda: {"n": 2, "seed": 0}),
    "GAN.to": (lambda **k: gan().to(**k), lambda: {"device": "cpu"}),
    "Images": (
        t.Images,
        lambda: {"data": real().data, "labels": real().labels, "class_names": ("a", "b", "c")},
    ),
    "Images.batch": (method(real, "batch"), lambda: {"indices": [0, 3], "mirror": False}),
    "Images.subset": (method(real, "subset"), lambda: {"indices": [0, 3]}),
    "Images.batches": (first(method(real, "batches")), lambda: {"batch_size": 4, "seed": 0, "mirror": False}),
    "load": (
        t.load,
        lambda: {"name": "glyphs", "size": 16, "channels": 1, "device": "cpu", "split": "train", "limit": 4},
    ),
    "load mnist": (
        t.load,
        lambda: {"name": "mnist", "size": 16, "limit": 4, "root": None, "download": False, "mirrors": None},
    ),
    "few_shot": (t.few_shot, lambda: {"images": real(), "n": 4, "seed": 0}),
    "few_shot per_class": (t.few_shot, lambda: {"images": real(), "per_class": 2, "seed": 0}),
    "split": (t.split, lambda: {"images": real(), "share": 0.5, "seed": 0}),
    "train": (t.train, training),
    "adapt": (
        t.adapt,
        lambda: {
            "source": gan(),
            "images": real(),
            "way": "freeze_d",
            "settings": {"layers": 1},
            "seed": 0,
            "steps": 1,
            "batch_size": 4,
            "progress": False,
        },
    ),
    "Distance": (t.Distance, lambda: {"real": real(), "features": "mnist-v1", "n": 12, "seed": 0}),
    "Distance()": (lambda **k: digits()(**k), lambda: {"gan": gan()}),
    "Distance.of_images": (method(digits, "of_images"), lambda: {"images": floats(12)}),
    "Distance.report": (method(digits, "report"), lambda: {"gan": gan(), "k": 2}),
    "Distance.classes": (method(digits, "classes"), lambda: {"gan": gan(), "n": 4}),
    "DiffAugment": (t.DiffAugment, lambda: {"policy": "color,cutout"}),
    "DiffAugment()": (
        lambda **k: t.DiffAugment()(**k),
        lambda: {"images": floats(), "rng": torch.Generator().manual_seed(0)},
    ),
    "ADA": (t.ADA, lambda: {"policy": "blit", "target": 0.6, "images_to_one": 500.0, "every": 4, "p": 0.0}),
    "ADA()": (lambda **k: t.ADA(p=0.5)(**k), lambda: {"images": floats(), "rng": None}),
    "leaks": (
        augment.leaks,
        lambda: {"samples": floats(), "real": floats(), "transform": lambda x: x.flip(3)},
    ),
    "LatentExplorer": (
        t.LatentExplorer,
        lambda: {
            "gan": gan(),
            "directions": draw(2, 4),
            "seed": 0,
            "grid": (2, 2),
            "name": "x",
            "latent_dim": 4,
        },
    ),
    "LatentExplorer f": (
        t.LatentExplorer,
        lambda: {"gan": lambda z: z.new_zeros(len(z), 1, 4, 4), "latent_dim": 4},
    ),
    "LatentExplorer.z": (explorer_moves, lambda: {"z": [0.0] * 4}),
    "Playground": (
        t.Playground,
        lambda: {
            "data": "ring",
            "loss": "hinge",
            "learning_rates": (1e-3, 1e-3),
            "preset": "good",
            "seed": 0,
            "penalty": "r1",
            "optimiser": "adam",
            "d_steps": 1,
            "head_start": 0,
            "batch": 16,
            "arrows": True,
        },
    ),
    "Frames": (
        lambda **k: t.Frames(**k)._repr_html_(),
        lambda: {
            "pictures": PICTURES,
            "axes": {"a": ["0", "1"], "b": ["0", "1", "2"]},
            "alt": "words",
            "choose": ("a",),
            "captions": (),
            "start": {"a": 1},
            "width": 100,
        },
    ),
    "grids": (t.grids, lambda: {"batches": [floats(), floats()], "columns": 2}),
    "check": (t.check, lambda: {"exercise": "update_ema", "answer": lambda *a: None}),
    "results": (t.results, lambda: {"name": "clinic"}),
    "glue": (t.glue, lambda: {"name": "x", "value": 0.5}),
    "budget": (t.budget, lambda: {"smoke": 1, "cpu": 2, "gpu": 3}),
    "zoo.load": (zoo.load, lambda: {"name": zoo.names()[0], "device": "cpu"}),
    "zoo.card": (zoo.card, lambda: {"name": zoo.names()[0]}),
    "zoo.write": (zoo.write, lambda: {"path": "m.safetensors", "gan": gan(), "described": {"name": "m"}}),
    **{
        f"losses {name} {side}": (
            getattr(loss, side),
            (lambda: logits())
            if side == "discriminator" or loss.needs_real
            else lambda: {"fake_logits": draw(6)},
        )
        for name, loss in losses.LOSSES.items()
        for side in ("discriminator", "generator")
    },
    "penalties.r1": (penalties.r1, lambda: {**judged(), "real": floats(), "route": "autograd"}),
    "penalties.r2": (penalties.r2, lambda: {**judged(), "fake": floats(), "route": "func"}),
    "penalties.dragan": (penalties.dragan, lambda: {**judged(), "real": floats(), "rng": None}),
    "penalties.wgan_gp": (
        penalties.wgan_gp,
        lambda: {**judged(), "real": floats(), "fake": floats(), "rng": None},
    ),
    "penalties.clip_weights": (penalties.clip_weights, lambda: {**judged(), "limit": 0.1}),
    "penalties.LeCam": (penalties.LeCam, lambda: {"weight": 0.1, "decay": 0.9}),
    "networks.VAE": (networks.VAE, lambda: {"size": 16, "channels": 1, "latent_dim": 4, "width": 4}),
    **{
        f"VAE.{name}": (method(lambda: networks.VAE(16, 1, 4, 2), name), base)
        for name, base in {
            "encode": lambda: {"x": floats()},
            "decode": lambda: {"z": draw(3, 4)},
            "elbo": lambda: {"x": floats(), "rng": None},
            "sample": lambda: {"n": 2, "rng": None},
        }.items()
    },
    **{
        f"{network}.{part}()": forward(network, part)
        for network in ("mlp", "dcgan", "resnet", "modern", "projected")
        for part in ("generator", "discriminator")
    },
    "networks.ProjectedDiscriminator": (
        networks.ProjectedDiscriminator,
        lambda: {
            "features": features.SmallNet(16, 1, 8, 2, 4),
            "taps": ["body.0"],
            "size": 16,
            "channels": 1,
            "width": 4,
        },
    ),
    "networks.count_parameters": (networks.count_parameters, lambda: {"module": gan().generator}),
    "networks.layers": (networks.layers, lambda: {"module": gan().generator}),
    "networks.add_spectral_norm": (networks.add_spectral_norm, lambda: {"module": gan().generator}),
    "networks.dcgan_init": (networks.dcgan_init, lambda: {"module": gan().generator}),
    "networks.dcgan_start": (networks.dcgan_start, lambda: {"size": 16}),
    "networks.kl": (networks.kl_to_standard_normal, lambda: {"mean": draw(3, 2), "logvar": draw(3, 2)}),
    "networks.gaussian": (
        networks.gaussian_log_likelihood,
        lambda: {"x": draw(3, 2), "mean": draw(3, 2), "log_s": draw(1)[0]},
    ),
    "metrics.prdc": (metrics.prdc, lambda: {"real": draw(8, 3), "fake": draw(8, 3, seed=1), "k": 3}),
    "metrics.nearest": (metrics.nearest, lambda: {"samples": draw(4, 3), "train": draw(5, 3)}),
    "metrics.squared_distances": (
        first(metrics.squared_distances),
        lambda: {"points": draw(4, 3), "others": draw(5, 3)},
    ),
    "metrics.frechet_distance": (metrics.frechet_distance, sets),
    "metrics.frechet_between": (
        metrics.frechet_between,
        lambda: {"mean1": draw(2), "cov1": torch.eye(2), "mean2": draw(2), "cov2": torch.eye(2)},
    ),
    "metrics.kernel_distance": (
        metrics.kernel_distance,
        lambda: {**sets(), "subsets": 2, "subset_size": 4, "seed": 0},
    ),
    "metrics.moments": (metrics.moments, lambda: {"features": draw(8, 3)}),
    "metrics.merge_moments": (
        metrics.merge_moments,
        lambda: {"parts": [(3, *metrics.moments(draw(3, 2))), (4, *metrics.moments(draw(4, 2)))]},
    ),
    "metrics.class_counts": (metrics.class_counts, lambda: {"logits": draw(5, 3)}),
    "metrics.mode_coverage": (
        metrics.mode_coverage,
        lambda: {"classes": torch.arange(6) % 3, "n_classes": 3, "expected": torch.ones(3)},
    ),
    "metrics.mixture_modes": (
        metrics.mixture_modes,
        lambda: {"samples": draw(9, 2), "centres": draw(3, 2), "std": 0.1, "within": 3.0},
    ),
    "metrics.speckle": (metrics.speckle, lambda: {"images": floats(), "threshold": -0.5}),
    "metrics.mann_whitney": (metrics.mann_whitney, lambda: {"a": draw(5), "b": draw(6)}),
    "metrics.membership_auc": (
        metrics.membership_auc,
        lambda: {"train_scores": draw(5), "heldout_scores": draw(6)},
    ),
    "metrics.memorisation": (
        metrics.memorisation,
        lambda: {"samples": draw(9, 3), "train": draw(9, 3), "heldout": draw(9, 3), "quantile": 0.05},
    ),
    "metrics.discriminator_overfitting": (
        metrics.discriminator_overfitting,
        lambda: {"train_logits": draw(5), "validation_logits": draw(5), "fake_logits": draw(5)},
    ),
    "metrics.judge": (metrics.judge, lambda: {"gan": gan(), "images": real(), "batch_size": 4}),
    "transfer.start_from": (
        transfer.start_from,
        lambda: {
            "source": gan(),
            "generator": True,
            "discriminator": True,
            "average": True,
            "seed": 0,
            "device": "cpu",
            "channels": 3,
        },
    ),
    **{
        f"transfer.{f.__name__}": (f, lambda: {name: make() for name, make in FREEZE.items()})
        for f in (transfer.freeze_discriminator, transfer.freeze_generator)
    },
    **{
        f"transfer.{f.__name__}": (f, lambda: {"gan": gan()})
        for f in (transfer.unfreeze, transfer.scale_shift, transfer.trainable)
    },
    "transfer.low_rank": (
        transfer.low_rank,
        lambda: {"gan": gan(), "rank": 1, "generator": True, "discriminator": False, "seed": 0},
    ),
    "transfer.merge_low_rank": (transfer.merge_low_rank, lambda: {"gan": transfer.low_rank(gan())}),
    "transfer.miner": (transfer.miner, lambda: {"gan": gan(), "hidden": 3, "seed": 0}),
    "transfer.blend": (
        transfer.blend,
        lambda: {"source": gan(), "target": gan(seed=1), "t": 0.5, "layers": slice(0, 2)},
    ),
    "transfer.apply_methods": (
        transfer.apply_methods,
        lambda: {"gan": gan(), "methods": [{"name": "unfreeze"}]},
    ),
    "transfer.L2SP": (transfer.L2SP, lambda: {"gan": gan(), "weight": 1.0, "network": "generator"}),
    "transfer.EWC": (
        transfer.EWC,
        lambda: {"gan": gan(), "weight": 1.0, "judge": None, "samples": 2, "labels": "model", "seed": 0},
    ),
    "transfer.CrossDomainCorrespondence": (
        transfer.CrossDomainCorrespondence,
        lambda: {"source": gan(), "weight": 1.0, "anchors": 4, "taps": ["net.1"]},
    ),
    "transfer.correspondence": (
        transfer.correspondence,
        lambda: {"source": draw(4, 3), "target": draw(4, 3)},
    ),
    "transfer.relations": (transfer.relations, lambda: {"activations": draw(4, 3)}),
    "features.load_features": (features.load_features, lambda: {"name": "mnist-v1", "device": "cpu"}),
    "features.feature_card": (features.feature_card, lambda: {"name": "mnist-v1"}),
    "features.extract": (
        features.extract,
        lambda: {"net": features.SmallNet(16, 1, 8, 2, 4), "images": floats(), "batch_size": 2},
    ),
    "features.SmallNet": (
        features.SmallNet,
        lambda: {"size": 16, "channels": 1, "n_features": 8, "n_classes": 2, "width": 4},
    ),
    "features.tapped": (
        features.tapped,
        lambda: {"module": gan().generator, "images": draw(2, 4), "names": ["net.0"]},
    ),
    "latent.attribute_directions": (
        latent.attribute_directions,
        lambda: {"gan": gan(), "n": 20, "seed": 0, "separate": True, "measure": latent.attributes},
    ),
    "latent.attributes": (latent.attributes, lambda: {"images": floats()}),
    "latent.closed_form_directions": (
        latent.closed_form_directions,
        lambda: {"generator": gan().generator, "k": 2},
    ),
    "latent.first_linear": (latent.first_linear, lambda: {"generator": gan().generator}),
    "latent.pca_directions": (
        latent.pca_directions,
        lambda: {"gan": gan(), "n": 20, "k": 2, "layer": None, "seed": 0},
    ),
    "latent.invert": (
        latent.invert,
        lambda: {
            "gan": gan(),
            "images": floats(2),
            "restarts": 1,
            "steps": 1,
            "lr": 0.1,
            "prior_weight": 0.1,
            "seed": 0,
            "features": None,
            "feature_weight": 1.0,
        },
    ),
    "latent.lerp": (latent.lerp, lambda: {"a": draw(4), "b": draw(4), "t": 0.5}),
    "latent.slerp": (latent.slerp, lambda: {"a": draw(4), "b": draw(4, seed=1), "t": 0.5}),
    "latent.truncate": (latent.truncate, lambda: {"z": draw(3, 4), "amount": 0.5, "centre": draw(4)}),
    "data.resize": (data.resize, lambda: {"images": real().data, "size": 8}),
    "data.to_channels": (data.to_channels, lambda: {"images": real().data, "channels": 3}),
    "data.to_float": (data.to_float, lambda: {"images": real().data}),
    "data.to_uint8": (data.to_uint8, lambda: {"images": floats()}),
    "data.Sampler": (data.Sampler, lambda: {"n": 5, "batch_size": 2, "seed": 0, "device": "cpu"}),
    "plots.show_images": (
        plots.show_images,
        lambda: {"images": floats(), "columns": 2, "title": "x", "scale": 0.5},
    ),
    "plots.show_grids": (
        plots.show_grids,
        lambda: {"grids": {"a": floats(), "b": floats()}, "columns": 2, "across": 1},
    ),
    "plots.tile": (plots.tile, lambda: {"images": floats(), "columns": 2, "gap": 1}),
    "plots.to_array": (plots.to_array, lambda: {"images": floats()}),
    "plots.curves": (
        plots.curves,
        lambda: {
            "series": {"a": ([1, 2], [[1.0, 2.0]])},
            "xlabel": "x",
            "ylabel": "y",
            "log_x": False,
            "log_y": False,
        },
    ),
}
