"""`train`: step after step of D, of G, of the running average, and a record now and then.

It is the loop of chapter 3 with the waste taken out. A step is in `step`, what watches over the steps in `loop`.
Nothing is read back from the device except when a record is due. Nothing here knows about plots or files' formats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..augment.diff_augment import Augment
from ..data.images import Images
from ..errors import as_path, check_kind, shown, true_or_false
from ..gan import GAN
from ..interrupts import finish_step_on_interrupt, import_compiler
from ..losses import Loss
from .averaging import Averages, forget_after
from .checkpoint import load_run
from .divergence import follow_advice
from .folder import opened
from .history import History
from .loop import Loop, Metric
from .settings import Schedule, Settings, pick_precision
from .state import begin, load_state_dict
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
    loss: str | Loss = "non_saturating",
    penalties: Mapping[str, float] | None = None,
    penalty_every: int = 1,
    penalty_at: str = "augmented",
    clip: float | None = None,
    augment: Augment | None = None,
    terms: Sequence[Term] = (),
    d_steps: int = 1,
    steps: int = 1000,
    seconds: float | None = None,
    batch_size: int = 64,
    learning_rate: float | tuple[float, float] = 2e-4,
    rate_decay: tuple[int, int] | None = None,
    betas: tuple[float, float] = (0.5, 0.999),
    ema_half_life: float = 5000,
    mirror: bool = False,
    precision: str = "auto",
    capture: bool = False,
    seed: int = 0,
    metric: Metric | None = None,
    metric_every: int | None = 500,
    target: float | None = None,
    samples_every: int | None = None,
    averages_every: int | None = None,
    log_every: int | None = 50,
    run_dir: str | Path | None = None,
    save_every: int | None = 500,
    progress: bool = True,
) -> History:
    """Train `gan` on `images` in place and return its history.

    What is computed. loss: a name in `losses.LOSSES`, or a `losses.Loss` of your own. penalties: weights of
    `penalties.PENALTIES` by name, as in {"r1": 0.1}, taken every `penalty_every` steps of G. penalty_at: with an
    augmentation T, whether penalties take D's gradients in the pixels of the "augmented" image T(x), or in those
    of x, "before" it, as a function D(T(x)) of x. The second is the form of StyleGAN2-ADA's authors (Karras et al.
    2020) and of R3GAN's (Huang et al. 2024); the first departs from theirs, and its R1 is another number. clip:
    D's weights are clipped to [-clip, clip]. augment: `augment.DiffAugment` or `augment.ADA`. terms: what transfer
    methods add to a loss (`transfer.L2SP`, ...). d_steps: updates of D for each of G. learning_rate: one number, or
    (G's, D's). rate_decay: a pair of steps; from the first on both rates fall in a line, and are 0 from the second
    on. betas: Adam's; DCGAN's by default. ema_half_life: in images; 0 for no averaging. mirror: half of the images
    left to right. precision: "auto", "fp32", "bf16" or "fp16". capture: replay each step as one CUDA graph.
    Parameters that do not require gradients stay as they are (`transfer.freeze_discriminator`, ...).

    For how long. steps: G's step to reach, counted from the run's beginning. seconds: stop earlier, after this
    much training time (measuring and saving are not counted). target: stop at a measurement of this or less; a run
    that has reached it is over, and the same call trains it no further.

    What is kept. metric: called with the GAN every `metric_every` steps and at the end, recorded as "distance".
    samples_every: steps between grids of 64 samples from fixed latents. run_dir: where to keep checkpoint.pt and
    history.jsonl (it may be on a mounted drive), every `save_every` steps and at the end; if it holds this run
    already, training goes on from there, and says so. averages_every: steps between stored averages, from which
    `averaging.averaged` makes one of any length afterwards; they need a run_dir, and are kept from its first step.
    A period of None means at the end alone; of samples and averages, never.

    Ctrl-C finishes the step (and a measurement), saves, and returns what there is; a second one cuts a measurement
    short, and anything else with a KeyboardInterrupt. A number that is no longer one stops the run with a
    FloatingPointError that says at which step, and the last good checkpoint is kept: the same call with a lower
    learning_rate (after "fp16", with another precision) then goes on from there. Too little memory raises a
    MemoryError that names a batch that fits, and what could not train a ValueError or TypeError of one sentence.
    """
    check_given(gan, images, augment, terms, metric)
    for word, flag in {"capture": capture, "progress": progress}.items():
        true_or_false(word, flag)
    schedule = Schedule(
        steps, seconds, target, metric_every, samples_every, averages_every, log_every, save_every
    )
    if averages_every is not None and run_dir is None:
        raise ValueError(
            f"averages_every is {averages_every} and there is no run_dir to store averages in; give one"
        )
    if target is not None and metric is None:
        raise ValueError(
            f"target is {target} and nothing is measured; give a metric, such as Distance(images)"
        )
    rates = learning_rate if isinstance(learning_rate, (tuple, list)) else (learning_rate, learning_rate)
    settings = Settings(
        loss=loss,
        penalties={} if penalties is None else penalties,
        penalty_every=penalty_every,
        penalty_at=penalty_at,
        clip=clip,
        d_steps=d_steps,
        batch_size=batch_size,
        learning_rates=rates,
        rate_decay=rate_decay,
        betas=betas,
        ema_half_life=ema_half_life,
        mirror=mirror,
        precision=pick_precision(precision, gan.device),
        seed=seed,
    )
    with finish_step_on_interrupt() as stop, own_random_state(gan, settings.seed):
        import_compiler()
        run, history = Run(gan, images, settings, augment, terms, capture), History()
        if averages_every is not None:
            run.averages = Averages(gan.generator)
        change, changes = "", []
        folder = None if run_dir is None else as_path("run_dir", run_dir)
        with opened(folder, run.world) as refusal:
            saved = None if folder is None else load_run(folder)
            if folder is not None and saved is None:
                begin(run)
            if folder is not None and saved is not None:
                saved, change = follow_advice(saved, settings, folder)
                history = load_state_dict(run, saved, str(folder))
                changes = saved.get("changes", []) + [f"from step {run.step} on {change}"] * bool(change)
            loop = Loop(run, history, folder, metric, progress)
            loop.changes = changes
            over = loop.over(schedule)
            if refusal is not None and not over:
                raise refusal
            if run.step:
                if refusal is None:  # a kill may have come between a checkpoint and its history
                    loop.write_history()
                if over:
                    run.world.say(f"The run in {folder} is over at step {run.step}: {over}.")
                else:
                    said = f", {change}" if change else ""
                    run.world.say(f"Going on from step {run.step} of the run in {folder}{said}.")
            if folder is not None and not over and run.world.rank == 0:
                forget_after(folder, run.step)
            loop.go(schedule, stop)
    history.notes = {"steps": run.step, "seconds": run.seconds, "precision": settings.precision}
    if changes:
        history.notes["changes"] = changes
    return history


def check_given(gan: Any, images: Any, augment: Any, terms: Any, metric: Any) -> None:
    """TypeError or ValueError, in one sentence, for what is of another kind than `train` takes, or does not fit."""
    check_kind("gan", gan, GAN, "a GAN, as GAN.build or zoo.load gives one,")
    check_kind("images", images, Images, "an Images, as load(...) or Images(a uint8 tensor) gives one,")
    if augment is not None:
        check_kind("augment", augment, Augment, "an augmentation, as DiffAugment(...) or ADA(...),")
    check_kind("terms", terms, Sequence, "a list of terms, as [transfer.L2SP(...)],")
    for term in terms:
        check_kind("a term", term, Term, "a training.terms.Term, as transfer.L2SP(...),")
    if metric is not None and not callable(metric):
        raise TypeError(
            f"metric is {shown(metric)}; a function of the GAN, such as Distance(images), is right"
        )
    check_fit(gan, images)


def check_fit(gan: GAN, images: Images) -> None:
    """ValueError, in one sentence, for images that this GAN's discriminator cannot take."""
    if not len(images):
        raise ValueError("there are no images to train on; one or more is right")
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
