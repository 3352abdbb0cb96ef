"""Chapter 7's stored trainings, read back and drawn: `Ward` knows them by name, `chart` draws one beside its twin."""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .. import plots
from ..results import Results
from .clinic import CURVES, EVERY, SIZE

LEAST = 1e-4  # gradients below are drawn at the foot of their panel, which says so
PANELS = {
    "losses": {"d_loss": "D", "g_loss": "G"},
    "D's output": {"real": "reals", "fake": "fakes"},
    "gradients": {"d_grad": "in D", "g_grad": "in G"},
}
UNSEEN = {"real": "reals", "fake": "fakes", "held": "unseen reals"}
PICTURES = {"shown": "as reported", "samples": "from new latents"}


class Ward:
    """The courses that book/studies/clinic.py has stored, read back by the name of the fault.

    Healthy groups are "healthy", "healthy critic", and "healthy again", which has other seeds.
    """

    def __init__(self, study: Results) -> None:
        self.study, self.settings = study, study.settings

    def of_each_seed(self, name: str, key: str = "distance") -> list[Any]:
        """What was stored for each seed of a group, in order."""
        seeds = self.settings["other_seeds" if name == "healthy again" else "seeds"]
        return [self.study.cell(patient=name, seed=seed)[key] for seed in seeds]

    def curves(self, name: str, curve: str) -> Tensor:
        """One of CURVES for each seed: (seeds, readings); NaN where a training had died."""
        runs = [found[curve] for found in self.of_each_seed(name, "curves")]
        return torch.tensor([[np.nan if value is None else value for value in run] for run in runs])

    def apart(self, name: str, curve: str, other: str) -> float:
        """The share of readings at which two groups do not overlap: all runs of one lie above all of the other.

        A run whose numbers are none overlaps with nothing.
        """
        a, b = self.curves(name, curve), self.curves(other, curve)
        return float(((a.amin(0) > b.amax(0)) | (a.amax(0) < b.amin(0)) | a.isnan().any(0)).float().mean())

    def signs(self, name: str) -> dict[str, float]:
        """The first seed's vital signs: D's mean outputs over the last quarter, and the spread of the new samples.

        The spread is how far the 16 samples differ from each other at a pixel, the healthy twin's being 1.
        """
        quarter = self.settings["readings"] // 4
        found = {key: self.curves(name, key)[0, -quarter:].mean().item() for key in ("real", "fake", "held")}
        own, healthy = (self.samples(who, "samples").float().std(0).mean() for who in (name, self.twin(name)))
        return found | {"spread": float(own / healthy)}

    def twin(self, name: str) -> str:
        """The healthy group that a patient is held against."""
        critic = name == "healthy critic" or (name in EVERY and EVERY[name].critic)
        return "healthy critic" if critic else "healthy"

    def samples(self, name: str, which: str) -> Tensor:
        """The 16 stored samples of the first seed, "shown" or "samples", uint8 (16, 1, 16, 16)."""
        first = self.study.cell(patient=name, seed=self.settings["seeds"][0])
        png = io.BytesIO(base64.b64decode(first[which]))
        sheet = torch.from_numpy(np.array(Image.open(png)))  # 8 to a row
        return sheet.reshape(2, SIZE, 8, SIZE).transpose(1, 2).reshape(16, 1, SIZE, SIZE)


def chart(ward: Ward, name: str, *, unseen: bool = False) -> Figure:
    """A training over its seeds, the healthy one in grey behind it, and 16 samples of the first seed, twice.

    unseen: with D's output for real images that training never sees.
    """
    figure = plt.figure(figsize=(7.8, 4.0))
    over = [figure.add_axes((0.06 + 0.33 * i, 0.36, 0.26, 0.42)) for i in range(len(PANELS))]
    under = [figure.add_axes((0.01 + 0.5 * i, 0.01, 0.47, 0.24)) for i in range(len(PICTURES))]
    for ax, (title, curves) in zip(over, PANELS.items(), strict=True):
        draw_curves(ax, ward, name, UNSEEN if unseen and title == "D's output" else curves)
        ax.legend(
            title=title, alignment="left", ncols=2, fontsize=9, title_fontsize=11, handlelength=1.7,
            columnspacing=1.0, borderaxespad=0, borderpad=0.2, loc="lower left", bbox_to_anchor=(0, 1.02),
        )  # fmt: skip
        if title == "gradients":
            powers_of_ten(ax)
    for ax, (which, title) in zip(under, PICTURES.items(), strict=True):
        plots.show_images(ward.samples(name, which), columns=8, ax=ax).set_title(
            title, fontsize=11, loc="left"
        )
    return figure


def draw_curves(ax: Axes, ward: Ward, name: str, curves: dict[str, str]) -> None:
    """Means over seeds with a band from the smallest to the largest."""
    twin = ward.twin(name)
    whole = ward.settings["steps"] // (1 + (twin == "healthy critic"))
    x = np.linspace(0, whole, ward.settings["readings"] + 1)[1:]
    groups = [(name, 0.25)] if name == twin else [(twin, 0.35), (name, 0.25)]
    for who, alpha in groups:
        for (curve, label), colour, style in zip(curves.items(), plots.COLOURS, plots.STYLES, strict=False):
            runs = ward.curves(who, curve).clamp(min=LEAST if "grad" in curve else None, max=1e9)
            ink = colour if who == name else plots.INK
            ax.fill_between(x, runs.amin(0), runs.amax(0), color=ink, alpha=alpha, linewidth=0)
            text = label if who == name else None
            ax.plot(x, runs.mean(0), color=ink, linestyle=style, linewidth=1.4, label=text)
    if ward.curves(name, "d_loss").isnan().all():
        words = "no finite number,\nat any reading"
        ax.text(0.5, 0.5, words, ha="center", va="center", color=plots.COLOURS[1], transform=ax.transAxes)
    ax.set_xlim(0, whole)
    ax.set_xticks([0, whole // 2, whole])


def powers_of_ten(ax: Axes) -> None:
    """A logarithmic axis with whole powers of ten, at most five of them; the lowest says "below" where it is LEAST."""
    low, high = ax.dataLim.y0, ax.dataLim.y1
    first, last = int(np.floor(np.log10(low) + 1e-6)), int(np.ceil(np.log10(high)))
    ticks = np.arange(first, last + 1, max(1, -(-(last - first) // 4)))
    ax.set_yscale("log")
    ax.minorticks_off()
    words = [f"{10.0**tick:g}" if abs(tick) < 4 else f"$10^{{{tick}}}$" for tick in ticks]
    if 10.0**first <= LEAST:
        words[0] = "below"
    ax.set_yticks(10.0**ticks, words)
    ax.set_ylim(10.0 ** (first - 0.05 * (last - first)), 10.0**last)


def alt(ward: Ward, name: str, samples: str) -> str:
    """What is to be seen in a chart, in words; `samples` says what the two grids show."""
    ends = {curve: ward.curves(name, curve).mean(0)[[0, -1]].tolist() for curve in CURVES}
    if np.isnan(ends["d_loss"]).any():
        return f"Three charts in which the healthy training is drawn in grey and this one not at all. Below, {samples}."
    said = {curve: f"from {first:.2g} to {last:.2g}" for curve, (first, last) in ends.items()}
    return (
        f"Three charts over the steps. Losses: D's goes {said['d_loss']}, G's {said['g_loss']}. D's mean output: for "
        f"reals {said['real']}, for fakes {said['fake']}. Gradients: in D {said['d_grad']}, in G {said['g_grad']}. "
        f"Below, {samples}."
    )
