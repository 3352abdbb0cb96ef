"""Averages of any length after the fact (Karras et al. 2024, "Analyzing and Improving the Training Dynamics of
Diffusion Models", section 3 and appendix C).

How far back an average of G's weights should reach is best known when training is over. So `train(averages_every=k)`
keeps two averages of known lengths, stores both now and then, and `averaged` mixes what was stored into the average of
any other length. An average at step t weighs the weights of step s by a power function,

    p_t(s) = (gamma + 1) s^gamma / t^(gamma + 1),   0 <= s <= t,

whose width grows with t: sigma_rel, its standard deviation divided by t, stays. Its update at step t keeps the share
(1 - 1/t)^(gamma + 1) of what it was, so that the starting weights never count. The mixture whose profile is nearest
to the one wanted is a least-squares problem in the inner products of power functions, which have a closed form.

Departures: time is counted in G's steps, which is the same in batches of one size; what is stored is in full
precision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import as_path, real_number, whole_number
from ..gan import GAN, fit_weights
from .checkpoint import CheckpointError, load_checkpoint, save_checkpoint

SIGMAS = (0.05, 0.10)  # the lengths of the two averages that are kept, as in the paper
LONGEST = 1 / sqrt(12)  # sigma_rel of the mean of all steps, gamma = 0
WORST = 0.05  # the squared error, as a share of the profile's own square, beyond which a mixture is refused
FOLDER = "averages"


def gamma_of_sigma(sigma_rel: float) -> float:
    """The exponent of the power function with a relative standard deviation: 0.05 -> 16.97, 0.10 -> 6.94.

    It is the largest root of sigma_rel^2 (gamma + 2)^2 (gamma + 3) = gamma + 1. ValueError beyond (0, 1/sqrt(12)].
    """
    sigma_rel = real_number("sigma_rel", sigma_rel, above=0)
    if sigma_rel > LONGEST + 1e-9:
        raise ValueError(
            f"sigma_rel is {sigma_rel:g}; a number above 0 and up to {LONGEST:.4f}, the mean of all steps, is right"
        )
    variance = np.polymul([1, 4, 4], [1, 3])  # (gamma + 2)^2 (gamma + 3)
    roots = np.roots(np.polysub(sigma_rel**2 * variance, [1, 1]))
    return max(0.0, float(roots.real.max()))


def power_decay(gamma: float, step: int) -> float:
    """How much of the old average the update of `step` (from 1) keeps."""
    return float((1 - 1 / step) ** (gamma + 1))


def p_dot_p(t_a: Tensor, gamma_a: Tensor, t_b: Tensor, gamma_b: Tensor) -> Tensor:
    """The integral of p_a(s) p_b(s) over s, for power functions up to t_a and t_b; shapes broadcast."""
    first, last = torch.minimum(t_a, t_b), torch.maximum(t_a, t_b)
    gamma_of_last = torch.where(t_a > t_b, gamma_a, gamma_b)
    scale = (gamma_a + 1) * (gamma_b + 1) / (gamma_a + gamma_b + 1)
    return scale * (first / last) ** gamma_of_last / last


def solve_weights(
    steps: Sequence[int], gammas: Sequence[float], step: int, gamma: float
) -> tuple[Tensor, float]:
    """(weights, misfit): the mixture of power functions that is nearest to another.

    steps, gammas: of the K averages at hand. weights: (K,), float64, their sum 1; they are least squares', divided
    by their sum, as the authors do. misfit: the integral of (mixture - profile)^2, over that of profile^2.
    """
    t, g = torch.tensor(steps, dtype=torch.float64), torch.tensor(gammas, dtype=torch.float64)
    to, of = torch.tensor(float(step)).double(), torch.tensor(gamma, dtype=torch.float64)
    among = p_dot_p(t[:, None], g[:, None], t, g)
    along = p_dot_p(t, g, to, of)
    weights = torch.linalg.lstsq(among, along[:, None], driver="gelsd").solution[:, 0]
    weights = weights / weights.sum()
    own = p_dot_p(to, of, to, of)
    apart = float((weights @ among @ weights - 2 * weights @ along + own) / own)
    return weights, max(0.0, apart)  # rounding may take it below


class Averages:
    """The averages of a generator's parameters that a run keeps, one for each of `sigmas`, by name."""

    def __init__(self, generator: nn.Module, sigmas: Sequence[float] = SIGMAS) -> None:
        self.sigmas = tuple(float(sigma) for sigma in sigmas)
        self.gammas = tuple(gamma_of_sigma(sigma) for sigma in self.sigmas)
        self.kept = [{n: p.detach().clone() for n, p in generator.named_parameters()} for _ in self.sigmas]

    @torch.no_grad()
    def update(self, generator: nn.Module, step: int) -> None:
        """Take in the weights that G has after `step` steps."""
        new: list[Tensor] = list(generator.parameters())
        for gamma, kept in zip(self.gammas, self.kept, strict=True):
            torch._foreach_lerp_(list(kept.values()), new, 1 - power_decay(gamma, step))

    def state_dict(self) -> dict[str, Any]:
        return {"sigmas": list(self.sigmas), "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """KeyError or ValueError for a state of other averages, before anything is changed."""
        if list(state["sigmas"]) != list(self.sigmas):
            raise ValueError(f"its averages are of sigma_rel {state['sigmas']}, not of {list(self.sigmas)}")
        for kept, saved in zip(self.kept, state["kept"], strict=True):
            for name, tensor in kept.items():
                if saved[name].shape != tensor.shape:
                    raise ValueError(f"its average of {name} has shape {tuple(saved[name].shape)}")
        for kept, saved in zip(self.kept, state["kept"], strict=True):
            for name, tensor in kept.items():
                tensor.copy_(saved[name])


def write_snapshot(run_dir: Path, averages: Averages, generator: nn.Module, step: int) -> Path:
    """Store the averages of `step`, with G's buffers, whole or not at all. CheckpointError when the disk refuses."""
    path = run_dir / FOLDER / f"step-{step:08d}.pt"
    buffers = dict(generator.named_buffers())
    save_checkpoint(path, averages.state_dict() | {"step": step, "buffers": buffers})
    return path


def snapshots(run_dir: Path) -> dict[int, Path]:
    """The files of a run's stored averages by step, in order."""
    found = {}
    with suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(run_dir / FOLDER):
            if number := re.fullmatch(r"step-(\d+)\.pt", name):
                found[int(number[1])] = run_dir / FOLDER / name
    return dict(sorted(found.items()))


def forget_after(run_dir: Path, step: int) -> None:
    """Delete what was stored after `step`, at which a run is taken up: it will come to those steps again."""
    for later, path in snapshots(run_dir).items():
        if later > step:
            with suppress(OSError):
                path.unlink()


def averaged(
    run_dir: str | os.PathLike[str],
    *,
    sigma_rel: float,
    step: int | None = None,
    device: torch.device | str | None = None,
) -> GAN:
    """The GAN of a run, its average (`ema`) in the place of which stands the one of length `sigma_rel` at `step`.

    run_dir: of a `train(..., averages_every=k)`; it is only read. sigma_rel: the average's standard deviation as a
    share of the run up to `step`, from about half the shorter one stored (0.05) up to 0.28, the mean of all steps.
    step: one at which averages were stored; the last by default. Those stored up to then are mixed, and buffers are
    as they were at `step`. The generator and the discriminator are those of the run's last checkpoint. The card says
    how it was made ("averaged"), with the misfit that `solve_weights` gives.

    ValueError, in one sentence, for a length that what is stored cannot give, and for a step without stored averages;
    FileNotFoundError where a folder has no run, or none with averages; CheckpointError for a damaged file.
    """
    gamma = gamma_of_sigma(sigma_rel)
    folder = as_path("run_dir", run_dir)
    gan = GAN.load(folder, device=device)
    stored = snapshots(folder)
    if not stored:
        raise FileNotFoundError(
            f"{folder} holds a run without stored averages; train(..., averages_every=100) stores them"
        )
    step = max(stored) if step is None else whole_number("step", step)
    if step not in stored:
        near = min(stored, key=lambda known: abs(known - step))
        raise ValueError(
            f"step is {step}, at which no averages were stored; one of {len(stored)} from {min(stored)} to "
            f"{max(stored)} is right, such as {near}"
        )
    chosen = [known for known in stored if known <= step]
    states = {known: read_snapshot(stored[known]) for known in chosen}
    profiles = [(known, sigma) for known in chosen for sigma in states[known]["sigmas"]]
    steps, sigmas = [known for known, _ in profiles], [sigma for _, sigma in profiles]
    weights, misfit = solve_weights(steps, [gamma_of_sigma(sigma) for sigma in sigmas], step, gamma)
    if misfit > WORST:
        raise ValueError(
            f"sigma_rel is {sigma_rel:g}, and the {len(chosen)} averages stored up to step {step} come no nearer to "
            f"its profile than {100 * misfit:.0f}% of it; a length nearer to {SIGMAS[0]} to {SIGMAS[-1]} is right, or "
            "averages stored more often"
        )
    kept = [average for known in chosen for average in states[known]["kept"]]
    mixed: dict[str, Tensor] = {
        name: sum(
            (w * average[name].double() for w, average in zip(weights, kept, strict=True)), torch.zeros(())
        )
        for name in kept[0]
    }
    weights_by_name = {name: tensor.to(kept[0][name].dtype) for name, tensor in mixed.items()} | states[step][
        "buffers"
    ]
    full = gan.ema.state_dict()
    fit_weights(gan.ema, {n: t for n, t in weights_by_name.items() if n in full}, "average", str(folder))
    gan.card["averaged"] = {
        "sigma_rel": float(sigma_rel),
        "step": step,
        "snapshots": len(chosen),
        "misfit": misfit,
    }
    return gan


def read_snapshot(path: Path) -> dict[str, Any]:
    """What `write_snapshot` stored. CheckpointError for any other file."""
    state = load_checkpoint(path)
    if not all(name in state for name in ("sigmas", "kept", "step", "buffers")):
        raise CheckpointError(f"{path} is a whole file, but holds no averages; delete it")
    return state
