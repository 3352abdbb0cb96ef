"""The calls of the public modules, as `public_calls` has those of `tgan_lib` itself."""

from __future__ import annotations

import torch
from public_calls import (
    Call,
    Kwargs,
    digits,
    draw,
    first,
    floats,
    forward,
    gan,
    judged,
    logits,
    method,
    real,
    sets,
)

import tgan_lib as t
from tgan_lib import data, features, latent, losses, metrics, networks, penalties, plots, transfer


def vae() -> networks.VAE:
    return networks.VAE(16, 1, 4, 2)


def fake_logits() -> Kwargs:
    return {"fake_logits": draw(6)}


MODULE_CALLS: dict[str, Call] = {
    **{f"losses {name} discriminator": (loss.discriminator, logits) for name, loss in losses.LOSSES.items()},
    **{
        f"losses {name} generator": (loss.generator, logits if loss.needs_real else fake_logits)
        for name, loss in losses.LOSSES.items()
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
    "VAE.encode": (method(vae, "encode"), lambda: {"x": floats()}),
    "VAE.decode": (method(vae, "decode"), lambda: {"z": draw(3, 4)}),
    "VAE.elbo": (method(vae, "elbo"), lambda: {"x": floats(), "rng": None}),
    "VAE.sample": (method(vae, "sample"), lambda: {"n": 2, "rng": None}),
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
    "metrics.same_features": (
        lambda distance: metrics.same_features(distance),
        lambda: {"distance": digits()},
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
        f"transfer.{f.__name__}": (f, lambda: {"gan": gan(), "layers": 1})
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
    "transfer.fisher_diagonal": (
        transfer.fisher_diagonal,
        lambda: {
            "logit": lambda parameters, x: (parameters["w"] * x).sum(),
            "parameters": {"w": draw(3)},
            "inputs": draw(4, 3),
            "labels": "model",
            "batch_size": 2,
        },
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
    "latent.effects": (
        latent.effects,
        lambda: {
            **{"gan": gan(), "directions": {"up": draw(4)}, "measure": latent.attributes},
            **{"reach": 2.0, "n": 3, "seed": 1},
        },
    ),
    "latent.first_linear": (latent.first_linear, lambda: {"generator": gan().generator}),
    "latent.pca_directions": (
        latent.pca_directions,
        lambda: {"gan": gan(), "n": 20, "k": 2, "layer": None, "seed": 0},
    ),
    "latent.portrait_directions": (
        latent.portrait_directions,
        lambda: {
            "gan": t.zoo.load("peeps-32", device="cpu"),
            "n": 140,
            "seed": 0,
        },
    ),
    "latent.portrait_scores": (latent.portrait_scores, lambda: {"images": draw(2, 3, 64, 64).tanh()}),
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
    "plots.mean_range": (plots.mean_range, lambda: {"values": [1.0, 2.0], "form": ".1f", "unit": " %"}),
    "plots.table": (
        lambda **given: plots.table(**given)._repr_html_(),
        lambda: {
            "rows": {"a": {"x": [1.0, 2.0], "y": "w"}, "b": {"x": 3}},
            "caption": "words",
            "corner": "",
            "form": ".1f",
            "units": {"x": "%"},
            "best": {"x": "least"},
        },
    ),
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
