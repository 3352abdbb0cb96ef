"""What must hold on a device before its times mean anything, as functions that return plain results.

Each returns {"passed": True, False or None, "said": a sentence, ...numbers}; None where a check has no meaning on this
device. Runs are small and their convolutions deterministic, so that what differs is ours. Tests cover the same on the
CPU; a card is seldom at hand, and then for minutes.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.images import Images
from ..data.loading import load
from ..gan import GAN
from ..training.settings import Settings
from ..training.step import Run
from ..training.train import train

Result = dict[str, Any]
BATCH = 16
LAZY_R1: dict[str, Any] = {"penalties": {"r1": 0.1}, "penalty_every": 4}


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """Inside, cuDNN takes the algorithms that give the same bits each time."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def digits(device: torch.device) -> Images:
    return load("glyphs:digits", size=28, limit=256, device=device)


def small(device: torch.device | str) -> GAN:
    return GAN.build("conv", size=28, latent_dim=16, width=8, device=device)


def apart(a: GAN, b: GAN) -> float:
    """The largest difference of any of two GANs' weights, as a share of the largest weight; inf if not finite."""
    ours, theirs = (
        torch.cat(
            [t.detach().double().cpu().flatten() for m in gan.modules().values() for t in m.parameters()]
        )
        for gan in (a, b)
    )
    found = float((ours - theirs).abs().max() / ours.abs().max())
    return found if found == found else float("inf")


def after_steps(device: torch.device, steps: int, precision: str, capture: bool) -> tuple[GAN, Tensor]:
    """A GAN after some steps with a lazy R1 and rates that fall, and the scalars of the last step."""
    settings = Settings(batch_size=BATCH, precision=precision, rate_decay=(steps // 2, 2 * steps), **LAZY_R1)
    gan = small(device)
    torch.manual_seed(0)
    run = Run(gan, digits(device), settings, capture=capture)
    scalars = torch.zeros(5)
    for _ in range(steps):
        scalars = run.one_step()
    return gan, scalars


def graph_equals_eager(device: torch.device, steps: int, precision: str) -> Result:
    """A captured run against a plain one, and a plain one against itself, which says what the card repeats."""
    if device.type != "cuda":
        return {"passed": None, "said": "CUDA graphs need a CUDA card"}
    with repeatable():
        plain, again, captured = (after_steps(device, steps, precision, c)[0] for c in (False, False, True))
    repeat, found = apart(plain, again), apart(plain, captured)
    return {
        "passed": found <= max(1e-5, 2 * repeat),
        "said": f"after {steps} steps in {precision} the graph is {found:.1e} from the plain step, which is "
        f"{repeat:.1e} from itself",
        "apart": found,
        "repeat": repeat,
    }


def half_is_finite(device: torch.device, steps: int, precision: str) -> Result:
    """Steps in half precision leave finite losses and weights, and are not far from those in full."""
    gan, scalars = after_steps(device, steps, precision, capture=False)
    full, _ = after_steps(device, steps, "fp32", capture=False)
    weights = all(bool(t.isfinite().all()) for m in gan.modules().values() for t in m.parameters())
    finite = weights and bool(scalars.isfinite().all())
    found = apart(full, gan)
    said = f"after {steps} steps in {precision} all is {'finite' if finite else 'NOT finite'}"
    return {"passed": finite, "said": f"{said}, {found:.1e} from full precision", "apart": found}


def trained(gan: GAN, images: Images, steps: int, run_dir: Path | None) -> GAN:
    """A GAN trained to `steps`, without a word."""
    with contextlib.redirect_stdout(io.StringIO()):
        train(
            gan,
            images,
            steps=steps,
            batch_size=BATCH,
            precision="fp32",
            run_dir=run_dir,
            progress=False,
            **LAZY_R1,
        )
    return gan


def opens_elsewhere(there: torch.device, here: torch.device, steps: int) -> Result:
    """A run begun on one device opens on another with the same bits, and goes on there."""
    with tempfile.TemporaryDirectory() as folder:
        gan = trained(small(there), digits(there), steps, Path(folder))
        opened = GAN.load(folder, device=here)
        same = apart(gan, opened) == 0.0
        on = GAN.load(folder, device=here)
        trained(on, digits(here), steps + 2, Path(folder))
        went_on = apart(opened, on) > 0 and GAN.load(folder, device="cpu").card["step"] == steps + 2
    kinds = f"from {there.type} to {here.type}"
    said = f"{'the same' if same else 'OTHER'} weights {kinds}; it {'goes' if went_on else 'does NOT go'} on there"
    return {"passed": same and went_on, "said": said}


def resume_is_exact(device: torch.device, steps: int) -> Result:
    """A run stopped half way and taken up again against one that was not, and one against itself."""
    with repeatable(), tempfile.TemporaryDirectory() as folder:
        images = digits(device)
        whole, again = (trained(small(device), images, 2 * steps, None) for _ in range(2))
        trained(small(device), images, steps, Path(folder))
        resumed = trained(small(device), images, 2 * steps, Path(folder))
    repeat, found = apart(whole, again), apart(whole, resumed)
    return {
        "passed": found <= repeat,
        "said": f"taken up at step {steps} of {2 * steps}, it is {found:.1e} from the run that was not stopped, which "
        f"is {repeat:.1e} from itself",
        "apart": found,
        "repeat": repeat,
    }


def checks(device: torch.device, steps: int) -> dict[str, Callable[[], Result]]:
    """Every check by name, in the order in which they matter."""
    cpu = torch.device("cpu")
    return {
        "graph equals eager, fp32": lambda: graph_equals_eager(device, steps, "fp32"),
        "bf16 is finite": lambda: half_is_finite(device, steps, "bf16"),
        "fp16 is finite": lambda: half_is_finite(device, steps, "fp16"),
        "a run of the card opens on the CPU": lambda: opens_elsewhere(device, cpu, steps // 10),
        "a run of the CPU opens on the card": lambda: opens_elsewhere(cpu, device, steps // 10),
        "resume is exact": lambda: resume_is_exact(device, steps // 2),
        "graph equals eager, bf16": lambda: graph_equals_eager(device, steps, "bf16"),
        "graph equals eager, fp16": lambda: graph_equals_eager(device, steps, "fp16"),
    }
