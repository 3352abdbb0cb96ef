"""The training loop: one step of D, one step of G, a running average of G, a record.

It is the loop of chapter 3 with the waste taken out. Images are bytes on the device and become floats a batch
at a time; one set of fakes serves both steps; G's step computes no gradient for D's weights; nothing is read
back from the device except when a record is due. Nothing here knows about plots or files' formats.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .checkpoint import load_checkpoint, refuse_changed, save_checkpoint
from .data import Images, Sampler, to_uint8
from .errors import unknown_name
from .gan import GAN
from .history import History
from .losses import LOSSES, Loss

Metric = Callable[[GAN], float]
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_precision(precision: str, device: torch.device) -> str:
    """What "auto" means here: fp32 on the CPU, bf16 on Ampere and later, fp16 on older GPUs.

    A T4 says that it can do bf16; it emulates it, slowly, so we ask about the hardware alone.
    """
    if precision != "auto":
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, [*PRECISIONS, "auto"])
        return precision
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def ema_decay(half_life: float, images_seen: int, batch_size: int) -> float:
    """How much of the old average one step keeps, so that a weight's share halves every `half_life` images.

    Early on the half-life is a twentieth of the images seen, so that the average does not remember the
    starting weights (the ramp of Karras et al. 2020, "Training GANs with Limited Data", appendix).
    """
    half_life = min(half_life, 0.05 * images_seen)
    return 0.0 if half_life <= 0 else 0.5 ** (batch_size / half_life)


@torch.no_grad()
def update_ema(ema: nn.Module, generator: nn.Module, decay: float) -> None:
    """ema = decay ema + (1 - decay) generator, in place. Buffers (batch norm's statistics) are copied."""
    torch._foreach_lerp_(list(ema.parameters()), list(generator.parameters()), 1 - decay)
    for old, new in zip(ema.buffers(), generator.buffers(), strict=True):
        old.copy_(new)


class Run:
    """All the state of a training run: what a checkpoint holds and what a step changes."""

    def __init__(self, gan: GAN, images: Images, settings: dict[str, Any]) -> None:
        self.gan, self.images, self.settings = gan, images, settings
        self.loss: Loss = LOSSES[settings["loss"]]
        self.batch_size: int = settings["batch_size"]
        g_rate, d_rate = settings["learning_rates"]
        betas = tuple(settings["betas"])
        # fused: one kernel for all parameters, on the CPU too
        self.g_optimiser = torch.optim.Adam(gan.generator.parameters(), g_rate, betas, fused=True)
        self.d_optimiser = torch.optim.Adam(gan.discriminator.parameters(), d_rate, betas, fused=True)
        device = gan.device
        self.dtype = PRECISIONS[settings["precision"]]
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.rng = torch.Generator(device).manual_seed(settings["seed"])
        self.sampler = Sampler(len(images), self.batch_size, seed=settings["seed"], device=device)
        self.g_parameters = list(gan.generator.parameters())
        self.step = 0
        self.seconds = 0.0

    def autocast(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.dtype is None else torch.autocast(self.gan.device.type, self.dtype)

    def one_step(self) -> dict[str, Tensor]:
        """One step of D, one of G, one of the average. Returns scalars that still live on the device."""
        generator, discriminator = self.gan.generator, self.gan.discriminator
        x = self.images.batch(self.sampler.next())
        z = torch.randn(self.batch_size, self.gan.config.latent_dim, device=x.device, generator=self.rng)

        with self.autocast():
            fake = generator(z)
            real_logits, fake_logits = discriminator(x), discriminator(fake.detach())
        d_loss = self.loss.discriminator(real_logits, fake_logits)
        self.d_optimiser.zero_grad()
        self.scaler.scale(d_loss).backward()
        self.scaler.step(self.d_optimiser)

        with self.autocast():
            judged = discriminator(fake)
            reals = discriminator(x) if self.loss.needs_real else None
        g_loss = self.loss.generator(judged, reals)
        self.g_optimiser.zero_grad()
        # only G's weights are asked for, so none of D's are computed
        self.scaler.scale(g_loss).backward(inputs=self.g_parameters)
        self.scaler.step(self.g_optimiser)
        self.scaler.update()

        self.step += 1
        decay = ema_decay(self.settings["ema_half_life"], self.step * self.batch_size, self.batch_size)
        update_ema(self.gan.ema, generator, decay)
        return {
            "d_loss": d_loss.detach(),
            "g_loss": g_loss.detach(),
            "real_logit": real_logits.detach().float().mean(),
            "fake_logit": fake_logits.detach().float().mean(),
        }

    def state_dict(self, history: History) -> dict[str, Any]:
        cuda = torch.cuda.get_rng_state_all() if self.gan.device.type == "cuda" else []
        return {
            "settings": self.settings,
            "config": self.gan.config.as_dict(),
            "networks": {name: module.state_dict() for name, module in self.gan.modules().items()},
            "optimisers": [self.g_optimiser.state_dict(), self.d_optimiser.state_dict()],
            "scaler": self.scaler.state_dict(),
            "sampler": self.sampler.state_dict(),
            "random": {"latents": self.rng.get_state(), "cpu": torch.get_rng_state(), "cuda": cuda},
            "step": self.step,
            "seconds": self.seconds,
            "records": history.records,
            "grids": history.grids,
            "versions": {"torch": str(torch.__version__)},
        }

    def load_state_dict(self, state: dict[str, Any], where: str) -> History:
        refuse_changed(state["config"], self.gan.config.as_dict(), where)
        refuse_changed(state["settings"], self.settings, where)
        for name, module in self.gan.modules().items():
            module.load_state_dict(state["networks"][name])
        self.g_optimiser.load_state_dict(state["optimisers"][0])
        self.d_optimiser.load_state_dict(state["optimisers"][1])
        self.scaler.load_state_dict(state["scaler"])
        self.sampler.load_state_dict(state["sampler"])
        self.rng.set_state(state["random"]["latents"])
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["cuda"]:
            torch.cuda.set_rng_state_all(state["random"]["cuda"])
        self.step, self.seconds = state["step"], state["seconds"]
        return History(state["records"], state["grids"])


@contextmanager
def finish_step_on_interrupt() -> Iterator[threading.Event]:
    """Inside, Ctrl-C (or a notebook's stop button) sets the event instead of cutting a step in half."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def train(
    gan: GAN,
    images: Images,
    *,
    loss: str = "non_saturating",
    steps: int = 1000,
    seconds: float | None = None,
    batch_size: int = 64,
    learning_rate: float | tuple[float, float] = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
    ema_half_life: float = 5000,
    precision: str = "auto",
    seed: int = 0,
    metric: Metric | None = None,
    metric_every: int = 500,
    samples_every: int | None = None,
    log_every: int = 50,
    run_dir: str | Path | None = None,
    save_every: int = 500,
    progress: bool = True,
) -> History:
    """Train `gan` on `images` in place and return its history.

    loss: a name in `losses.LOSSES`. steps: the step to reach, counted from the run's beginning. seconds: stop
    earlier, after this much training time (measuring and saving are not counted). learning_rate: one number,
    or (G's, D's). betas: Adam's; DCGAN's by default. ema_half_life: in images. precision: "auto", "fp32",
    "bf16" or "fp16". metric: called with the GAN every `metric_every` steps and at the end, recorded as
    "distance". samples_every: steps between grids of 64 samples from fixed latents. run_dir: where to keep
    checkpoint.pt and history.jsonl; if it holds this run already, training goes on from there, and says so.

    Ctrl-C finishes the step, saves, and returns what there is. A loss that is no longer a number stops the run
    with a FloatingPointError that says since when, and the last good checkpoint is kept.
    """
    if loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    check_fit(gan, images)
    rates = learning_rate if isinstance(learning_rate, tuple) else (learning_rate, learning_rate)
    settings = {
        "loss": loss,
        "batch_size": batch_size,
        "learning_rates": [float(r) for r in rates],
        "betas": [float(b) for b in betas],
        "ema_half_life": float(ema_half_life),
        "precision": pick_precision(precision, gan.device),
        "seed": seed,
        "images": len(images),
    }
    run, history = Run(gan, images, settings), History()
    folder = None if run_dir is None else Path(run_dir)
    if folder is not None and (folder / "checkpoint.pt").exists():
        history = run.load_state_dict(load_checkpoint(folder / "checkpoint.pt"), str(folder))
        print(f"Going on from step {run.step} of the run in {folder}.")

    def save() -> None:
        if folder is not None:
            save_checkpoint(folder / "checkpoint.pt", run.state_dict(history))
            history.write(folder / "history.jsonl")

    def record(scalars: dict[str, Tensor], with_metric: bool) -> None:
        row = {"step": run.step, "images": run.step * batch_size, "seconds": round(run.seconds, 3)}
        row |= {name: float(value) for name, value in scalars.items()}
        if not all(abs(row[name]) < float("inf") for name in scalars):
            good = history.steps()[-1] if history.steps() else 0
            raise FloatingPointError(
                f"a loss stopped being a finite number between steps {good} and {run.step}; "
                "a lower learning rate is the first thing to try"
            )
        if metric is not None and with_metric:
            row["distance"] = metric(gan)
            bar.set_postfix(distance=f"{row['distance']:.1f}")
        history.records.append(row)

    limit = float("inf") if seconds is None else seconds
    gan.generator.train()
    gan.discriminator.train()
    bar = tqdm(total=steps, initial=run.step, disable=not progress, unit="step", mininterval=1.0, leave=False)
    started = time.perf_counter() - run.seconds
    with bar, finish_step_on_interrupt() as stop:
        while run.step < steps and run.seconds < limit and not stop.is_set():
            scalars = run.one_step()
            bar.update()
            run.seconds = time.perf_counter() - started
            at_end = run.step == steps or run.seconds >= limit
            measure = at_end or run.step % metric_every == 0
            draw = samples_every is not None and (at_end or run.step % samples_every == 0)
            keep = at_end or run.step % save_every == 0
            if not (measure or draw or keep or stop.is_set() or run.step % log_every == 0):
                continue
            if gan.device.type == "cuda":  # the clock must not run ahead of the card
                torch.cuda.synchronize()
                run.seconds = time.perf_counter() - started
            record(scalars, measure)
            if draw:
                history.grids[run.step] = to_uint8(gan.sample(64, seed=seed)).cpu()
            if keep:
                save()
            started = time.perf_counter() - run.seconds  # what measuring and saving took is not training
    if stop.is_set():
        save()  # here and not above, since the interrupt may come while something is measured
        kept = (
            f"it is saved in {folder}, and the same call goes on from there"
            if folder
            else "the GAN in memory has it"
        )
        print(f"Stopped after step {run.step}; {kept}.")
    history.notes = {"steps": run.step, "seconds": run.seconds, "precision": settings["precision"]}
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
