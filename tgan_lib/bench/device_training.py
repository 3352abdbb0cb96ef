"""What the device kit trains in the time that is left: portraits at 64 px, and CIFAR-10 where its files are."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from ..data.images import Images
from ..data.loading import load
from ..features.load import feature_networks
from ..files import write_whole
from ..gan import GAN
from ..metrics.distances import Distance
from ..training.checkpoint import load_run
from ..training.settings import pick_precision
from ..training.train import train
from .device_checks import Result
from .device_kit import Kit, guarded

TRAINED = 0.85  # of what is left to a training; the rest is for its pictures and its distance
RATES: dict[str, Any] = {"learning_rate": 5e-4, "betas": (0.5, 0.99), "ema_half_life": 20_000}
# What is trained: what `load`, `GAN.build` and `train` are given, and the judge.
TRAININGS: dict[str, dict[str, Any]] = {
    "peeps-64": {
        "data": {"name": "portraits:peeps"},
        "gan": {
            **{"network": "conv", "size": 64, "channels": 3, "latent_dim": 64, "width": 32},
            "minibatch_std": 4,
        },
        "train": RATES
        | {"loss": "relativistic", "penalties": {"r1": 2.0}, "penalty_every": 4}
        | {"batch_size": 32, "steps": 30_000},
        "features": "portraits-v1",
    },
    "cifar10": {
        "data": {"name": "cifar10", "download": False},
        "gan": {"network": "conv", "size": 32, "channels": 3, "latent_dim": 64, "width": 64},
        "train": RATES
        | {"penalties": {"r1": 0.1}, "penalty_every": 4, "batch_size": 64, "mirror": True, "steps": 100_000},
        "features": "cifar10-v1",
    },
}


def images_of(kit: Kit, name: str) -> Images | None:
    """A training's images, None where their files are not here."""
    limit: dict[str, Any] = {"limit": 64} if kit.tiny else {}
    try:
        images = load(**TRAININGS[name]["data"], **limit, device=kit.device)
    except FileNotFoundError:
        return None
    return None if images.name.startswith("glyphs") else images  # a smoke run's, in their place


def train_one(kit: Kit, name: str, images: Images, seconds: float) -> Result:
    """Train on, for about so many seconds; grids of samples as PNG, a distance where its judge is here."""
    plan, folder = TRAININGS[name], kit.folder / name
    settings, built = dict(plan["train"]), dict(plan["gan"])
    every: dict[str, Any] = {
        "save_every": 1000,
        "samples_every": 1000,
        "log_every": 200,
        "averages_every": 1000,
    }
    if kit.tiny:
        settings |= {"batch_size": 4, "steps": 6}
        built["width"] = 4
        every = dict.fromkeys(every, 2)
    ends = time.perf_counter() + seconds
    before = load_run(folder)
    gone = 0.0 if before is None else before["seconds"]
    check = f"graph equals eager, {pick_precision('auto', kit.device)}"
    capture = kit.stored("checks").get(check, {}).get("passed") is True
    gan = GAN.build(**built, device=kit.device)
    history = train(
        gan,
        images,
        run_dir=folder,
        seconds=gone + TRAINED * seconds,
        capture=capture,
        progress=False,
        **settings,
        **every,
    )
    for step, grid in history.grids.items():
        write_png(kit.folder / "samples" / f"{name}-{step:06d}.png", grid)
    result: Result = {
        **{key: history.notes[key] for key in ("steps", "seconds", "precision")},
        "captured": capture,
        "plan": plan["gan"] | plan["train"],
        "over": history.notes["steps"] >= settings["steps"],
    }
    if plan["features"] in feature_networks() and time.perf_counter() < ends and not kit.tiny:
        distance = Distance(images, features=plan["features"])
        result |= {"distance": round(distance(gan), 2), "features": plan["features"], "samples": distance.n}
    measured = f", distance {result['distance']}" if "distance" in result else ""
    return result | {"said": f"{result['steps']} steps in {result['seconds']:.0f} s{measured}"}


def write_png(path: Path, grid: Tensor) -> None:
    """Eight to a row: uint8 (N, C, H, W) as a picture."""
    from PIL import Image
    from torchvision.utils import make_grid

    picture = make_grid(grid, nrow=8, padding=2, pad_value=255)  # grey becomes three channels
    held = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(held, "PNG")
    path.parent.mkdir(exist_ok=True)
    write_whole(path, held.getvalue())


def trainings(kit: Kit) -> None:
    """Every training whose images are here and which is not over, the first with most of the time."""
    sets = {name: images_of(kit, name) for name in TRAININGS}
    for name, images in sets.items():
        if images is None:
            kit.left_out.append(f"training: {name}, whose images are not here")
    going = [name for name in sets if sets[name] and not kit.stored("training").get(name, {}).get("over")]
    for i, name in enumerate(going):
        images, seconds = sets[name], kit.left() * (0.6 if i + 1 < len(going) else 1.0)
        if images is None or seconds <= 0:
            kit.left_out.append(f"training: {name}")
            continue
        result = guarded(lambda name=name, images=images, s=seconds: train_one(kit, name, images, s))  # type: ignore[misc]
        kit.keep("training", name, result)
        print(f"training: {name}: {result['said']}", flush=True)
