"""The public calls with a good value for each argument: what `test_bad_input` replaces one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import tgan_lib as t
from tgan_lib import (
    augment,
    networks,
    zoo,
)

Kwargs = dict[str, Any]
Call = tuple[Callable[..., Any], Callable[[], Kwargs]]

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
        **{"run_dir": None, "save_every": 1, "averages_every": None},
    }


@cache
def network(name: str, part: str) -> torch.nn.Module:
    return getattr(gan(name), part)


def forward(name: str, part: str) -> Call:
    """A network's pass."""

    def batch() -> Kwargs:
        return {"z": draw(4, 4)} if part == "generator" else {"images": floats()}

    return lambda **given: network(name, part)(**given), batch


def explorer_moves(z: Any) -> None:
    t.LatentExplorer(gan()).z = z


def method(make: Callable[[], Any], name: str) -> Callable[..., Any]:
    return lambda **given: getattr(make(), name)(**given)


def first(generator: Callable[..., Iterator[Any]]) -> Callable[..., Any]:
    return lambda **given: next(generator(**given))


def kept(path: Any, device: Any) -> t.GAN:
    gan().save("kept")
    return t.GAN.load(path, device)


def revealed(choice: list[str] | None = None, **k: Any) -> str:
    """A figure shown as the result of a prediction."""
    import matplotlib.pyplot as plt

    asked = {"slider": (0, 6, 1)} if choice is None else {"choice": choice}
    t.predict("public", "What?", **asked)  # type: ignore[arg-type]
    return t.reveal("public", plt.subplots(figsize=(2, 2))[0], **k)._repr_html_()


PICTURES = np.zeros((2, 3, 4, 5), np.uint8)
CALLS: dict[str, Call] = {
    **{f"GAN.build {n}": (t.GAN.build, partial(options, n, device="cpu")) for n in networks.NETWORKS},
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
    "GAN.save": (lambda **k: gan().save(**k), lambda: {"path": "saved", "half": False}),
    "GAN.load": (kept, lambda: {"path": "kept", "device": "cpu"}),
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
    "Distance.sampled": (method(digits, "sampled"), lambda: {"gan": gan()}),
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
            "controls": False,
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
            "curve": {"x": [1.0, 2.0, 3.0]},
            "along": "b",
            "log": True,
            "compare": {"b": 1},
        },
    ),
    "predict": (
        lambda **k: t.predict(**k)._repr_html_(),
        lambda: {"name": "x", "question": "How many?", "slider": (0, 6, 1), "unit": "px", "ends": ("a", "b")},
    ),
    "predict choice": (
        lambda **k: t.predict(**k)._repr_html_(),
        lambda: {"name": "x", "question": "Which?", "choice": ["a", "b"]},
    ),
    "predict order": (
        lambda **k: t.predict(**k)._repr_html_(),
        lambda: {"name": "x", "question": "Which first?", "order": ["a", "b"], "ends": ("a", "b")},
    ),
    "reveal": (
        revealed,
        lambda: {
            "answer": 5.0,
            "alt": "words",
            "caption": "words",
            "ax": None,
            "on": "y",
            "places": {},
            "digits": 1,
            "near": 0.5,
        },
    ),
    "reveal choice": (
        partial(revealed, choice=["a", "b"]),
        lambda: {"answer": "a", "alt": "words", "places": {"a": 0.2, "b": 0.8}},
    ),
    "Compare": (
        lambda **k: t.Compare(**k)._repr_html_(),
        lambda: {
            "axes": {"a": ["0", "1"], "b": ["0", "1", "2"]},
            "measures": {"x": np.ones((2, 3, 4)), "y": np.ones((2, 3))},
            "alt": "words",
            "x": "x",
            "y": "y",
            "better": {"x": "less"},
            "log": ("x",),
            "samples": PICTURES,
            "start": {"b": 1},
            "chosen": ("0", "1"),
            "fit": True,
        },
    ),
    "grids": (t.grids, lambda: {"batches": [floats(), floats()], "columns": 2}),
    "check": (
        lambda **given: t.check(**given),
        lambda: {"exercise": "update_ema", "answer": lambda *a: None},
    ),
    "results": (t.results, lambda: {"name": "clinic"}),
    "glue": (t.glue, lambda: {"name": "x", "value": 0.5}),
    "budget": (t.budget, lambda: {"smoke": 1, "cpu": 2, "gpu": 3}),
    "zoo.names": (zoo.names, lambda: {"former": False}),
    "zoo.load": (zoo.load, lambda: {"name": zoo.names()[0], "device": "cpu"}),
    "zoo.card": (zoo.card, lambda: {"name": zoo.names()[0]}),
    "zoo.write": (zoo.write, lambda: {"path": "m.safetensors", "gan": gan(), "described": {"name": "m"}}),
}
