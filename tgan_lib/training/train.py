"""`train`: step after step of D, of G, of the running average, and a record now and then.

It is the loop of chapter 3 with the waste taken out. A step is in `run`, what watches over the steps in `loop`.
Nothing is read back from the device except when a record is due. Nothing here knows about plots or files' formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ..augment.diff_augment import Augment
from ..data.images import Images
from ..errors import unknown_name
from ..gan import GAN
from ..losses import LOSSES
from ..penalties import PENALTIES
from .checkpoint import load_checkpoint
from .history import History
from .loop import Loop, Metric
from .settings import Settings, pick_precision
from .step import Run
from .terms import Term


@contextmanager
def own_random_state(gan: GAN, seed: int) -> Iterator[None]:
    """Inside, torch's global generators (dropout draws from them) start from `seed`; outside nothing has changed."""
    devices = [gan.device] if gan.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def train(
    gan: GAN,
    images: Images,
    *,
    loss: str = "non_saturating",
    penalties: Mapping[str, float] | None = None,
    penalty_every: int = 1,
    clip: float | None = None,
    augment: Augment | None = None,
    terms: Sequence[Term] = (),
    d_steps: int = 1,
    steps: int = 1000,
    seconds: float | None = None,
    batch_size: int = 64,
    learning_rate: float | tuple[float, float] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    ema_half_life: float = 5000,
    mirror: bool = False,
    precision: str = "auto",
    capture: bool = False,
    seed: int = 0,
    metric: Metric | None = None,
    metric_every: int = 500,
    target: float | None = None,
    samples_every: int | None = None,
    log_every: int = 50,
    run_dir: str | Path | None = None,
    save_every: int = 500,
    progress: bool = True,
) -> History:
    """Train `gan` on `images` in place and return its history.

    What is computed. loss: a name in `losses.LOSSES`. penalties: weights of `penalties.PENALTIES` by name, as in
    {"r1": 0.1}, taken every `penalty_every` steps of G. clip: D's weights are clipped to [-clip, clip]. augment:
    `augment.DiffAugment` or `augment.ADA`. terms: what transfer methods add to a loss (`transfer.L2SP`, ...).
    d_steps: updates of D for each of G. learning_rate: one number, or (G's, D's). betas: Adam's; DCGAN's by
    default. ema_half_life: in images. mirror: half of the images left to right. precision: "auto", "fp32",
    "bf16" or "fp16". capture: replay each step as one CUDA graph. Parameters that do not require gradients stay
    as they are (`transfer.freeze_discriminator`, ...).

    For how long. steps: G's step to reach, counted from the run's beginning. seconds: stop earlier, after this
    much training time (measuring and saving are not counted). target: stop at a measurement of this or less.

    What is kept. metric: called with the GAN every `metric_every` steps and at the end, recorded as "distance".
    samples_every: steps between grids of 64 samples from fixed latents. run_dir: where to keep checkpoint.pt and
    history.jsonl (it may be on a mounted drive); if it holds this run already, training goes on from there, and
    says so.

    Ctrl-C finishes the step, saves, and returns what there is. A number that is no longer one stops the run with
    a FloatingPointError that says at which step, and the last good checkpoint is kept. Too little memory raises a
    MemoryError that names a batch that fits.
    """
    if loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    for name in penalties or {}:
        if name not in PENALTIES:
            raise unknown_name("penalty", name, PENALTIES)
    for word, number in {"penalty_every": penalty_every, "d_steps": d_steps, "log_every": log_every}.items():
        if number < 1:
            raise ValueError(f"{word} is {number}; 1 or more is right")
    if target is not None and metric is None:
        raise ValueError(
            f"target is {target} and nothing is measured; give a metric, such as Distance(images)"
        )
    check_fit(gan, images)
    rates = learning_rate if isinstance(learning_rate, tuple) else (learning_rate, learning_rate)
    settings = Settings(
        loss=loss,
        penalties={name: float(weight) for name, weight in (penalties or {}).items()},
        penalty_every=penalty_every,
        clip=clip,
        d_steps=d_steps,
        batch_size=batch_size,
        learning_rates=(float(rates[0]), float(rates[1])),
        betas=(float(betas[0]), float(betas[1])),
        ema_half_life=float(ema_half_life),
        mirror=mirror,
        precision=pick_precision(precision, gan.device),
        seed=seed,
    )
    with own_random_state(gan, seed):
        run, history = Run(gan, images, settings, augment, terms, capture), History()
        folder = None if run_dir is None else Path(run_dir)
        if folder is not None and (folder / "checkpoint.pt").exists():
            history = run.load_state_dict(load_checkpoint(folder / "checkpoint.pt"), str(folder))
            run.world.say(f"Going on from step {run.step} of the run in {folder}.")
        loop = Loop(run, history, folder, metric, progress)
        if run.step:  # a kill may have come between a checkpoint and its history
            loop.write_history()
        loop.go(steps, seconds, metric_every, samples_every, log_every, save_every, target)
    history.notes = {"steps": run.step, "seconds": run.seconds, "precision": settings.precision}
    return history


def check_fit(gan: GAN, images: Images) -> None:
    """ValueError, in one sentence, for images that this GAN's discriminator cannot take."""
    channels, size = images.data.shape[1], images.data.shape[2]
    config = gan.config
    if (channels, size) != (config.channels, config.size):
        raise ValueError(
            f"the images have {channels} channels and {size} px, the GAN makes {config.channels} channels and "
            f"{config.size} px; load them with size={config.size}, channels={config.channels}"
        )
    if gan.device != images.data.device:
        raise ValueError(
            f"the images are on {images.data.device}, the GAN on {gan.device}; load them with device=gan.device"
        )
