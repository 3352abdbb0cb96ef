"""The book's figures: one style, grids of samples, curves with their spread.

Figures have a transparent ground and mid-tone ink, so that one picture reads on a light page, on a dark one and
in grey print. Series differ in colour *and* in line style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from torch import Tensor

from .errors import check_kind, real_number, shown, true_or_false, whole_number
from .figures import COLOURS as COLOURS
from .figures import INK as INK
from .figures import Shown as Shown
from .figures import label_ends as label_ends
from .figures import show as show
from .tables import Table as Table  # part of this module's face
from .tables import mean_range as mean_range
from .tables import table as table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")
MOST_COLUMNS = 10_000
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))


def use_style() -> None:
    """Set matplotlib's defaults to the book's style, for the rest of the session."""
    plt.rcParams.update(
        {
            "figure.figsize": (5.0, 3.1),
            "figure.dpi": 110,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "savefig.transparent": True,
            "savefig.bbox": "tight",
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "axes.titlecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": INK,
            "grid.alpha": 0.25,
            "grid.linewidth": 0.6,
            "axes.axisbelow": True,  # bars stand before the grid
            "axes.titlesize": 11,
            "axes.labelsize": 11,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "font.size": 11,
            "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=STYLES),
        }
    )


def to_array(images: Tensor) -> np.ndarray:
    """(N, C, H, W), floats in [-1, 1] or uint8 -> (N, H, W, 3) uint8."""
    check_kind("images", images, Tensor, "a tensor (N, 1 or 3, H, W), such as gan.sample(16),")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; (N, 1 or 3, H, W), none of them 0, is right"
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}; floats in [-1, 1] or uint8 are right")
    if images.dtype != torch.uint8:
        images = ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    images = images.cpu()
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    return images.permute(0, 2, 3, 1).numpy()


def tile(images: Tensor, columns: int, gap: int = 1) -> np.ndarray:
    """One picture of a grid, (rows (H + gap) - gap, columns (W + gap) - gap, 4) uint8; the gaps are transparent."""
    array = to_array(images)
    columns, gap = whole_number("columns", columns, most=MOST_COLUMNS), whole_number("gap", gap, 0, most=1000)
    n, height, width, _ = array.shape
    rows = -(-n // columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for i, image in enumerate(array):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width, :3] = image
        sheet[top : top + height, left : left + width, 3] = 255
    return sheet


def show_images(
    images: Tensor, columns: int = 8, title: str = "", ax: Axes | None = None, scale: float = 0.55
) -> Axes:
    """A grid of images without axes. `scale` is inches per image when a new figure is made."""
    sheet = tile(images, columns)
    check_kind("title", title, str, "a line of words")
    if ax is None:
        scale = real_number("scale", scale, above=0, most=100)
        rows = -(-len(images) // columns)
        _, ax = plt.subplots(figsize=(columns * scale, rows * scale + (0.3 if title else 0)))
    ax.imshow(sheet, interpolation="none")  # SVG keeps the pixels as they are
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    return ax


def show_grids(grids: Mapping[str, Tensor], columns: int = 4, across: int | None = None) -> Figure:
    """Several grids side by side under their titles, `across` of them to a row (all in one row by default)."""
    check_kind("grids", grids, Mapping, "a dictionary of title: images")
    if not grids:
        raise ValueError("grids is {}; one grid of images or more is right")
    columns = whole_number("columns", columns, most=MOST_COLUMNS)
    across = len(grids) if across is None else whole_number("across", across, most=MOST_COLUMNS)
    for images in grids.values():
        to_array(images)
    down = -(-len(grids) // across)
    rows = -(-len(next(iter(grids.values()))) // columns)
    width = 8.0 / across
    figure, axes = plt.subplots(
        down, across, figsize=(8.0, down * (width * rows / columns + 0.3)), squeeze=False
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (title, images) in zip(axes.flat, grids.items(), strict=False):
        show_images(images, columns, title, ax)
    figure.tight_layout(pad=0.4)
    return figure


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[Sequence[float]]]],
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
    log_y: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Lines of a mean over seeds with a band from the smallest to the largest.

    series: name -> (x of length n, one list of n values for each seed).
    """
    check_kind("series", series, Mapping, "a dictionary of name: (x, a list for each seed)")
    check_kind("xlabel", xlabel, str, "a word")
    check_kind("ylabel", ylabel, str, "a word")
    log_x, log_y = true_or_false("log_x", log_x), true_or_false("log_y", log_y)
    for name, pair in series.items():
        check_line(name, pair)
    if ax is None:
        _, ax = plt.subplots()
    for i, (name, (x, runs)) in enumerate(series.items()):
        values = np.asarray(runs, float)
        (line,) = ax.plot(x, values.mean(0), label=name, marker="osD^vP"[i % 6], markersize=4)
        if len(values) > 1:
            ax.fill_between(x, values.min(0), values.max(0), color=line.get_color(), alpha=0.18, linewidth=0)
    ax.set(
        xlabel=xlabel, ylabel=ylabel, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear"
    )
    if len(series) > 1:
        label_ends(ax)
    return ax


def check_line(name: object, pair: Any) -> None:
    """ValueError unless `pair` is x, n numbers, and one list of n numbers or more."""
    try:
        x, runs = (np.asarray(part, float) for part in pair)
    except Exception as error:  # whatever comes of taking it for numbers
        raise ValueError(
            f"the series {shown(name)} is {shown(pair)}; (x, a list for each seed) is right"
        ) from error
    if x.ndim != 1 or runs.ndim != 2 or runs.shape[1] != len(x) or 0 in runs.shape:
        raise ValueError(
            f"the series {shown(name)} has x of shape {x.shape} and values of shape {runs.shape}; (n,) and (seeds, n) "
            "are right"
        )


class Quiet:
    """A value that a cell may end with and that is not shown for it."""

    def _ipython_display_(self) -> None:
        pass


class QuietText(Quiet, str): ...


class QuietFloat(Quiet, float): ...


class QuietInt(Quiet, int): ...


def glue(name: str, value: T) -> T:
    """Store a value of this run under `name`, for the page's prose to quote, and return it; nothing is shown here.

    Writes what myst-nb's own `glue` writes, without needing myst-nb where a notebook runs. Numbers become words
    first ("12,345", "0.123"), in quotes, since the page would read a bare 12,345 as two numbers.
    """
    from IPython.display import display

    check_kind("name", name, str, "a word")
    check_kind("value", value, (str, int, float, np.integer, np.floating), "words or a number")
    text = value if isinstance(value, str) else f"{value:,.3g}" if isinstance(value, float) else f"{value:,}"
    prefix = "application/papermill.record/"
    record = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({f"{prefix}text/plain": repr(text)}, raw=True, metadata=record)
    number = QuietInt if isinstance(value, (int, np.integer)) else QuietFloat
    quiet: Any = QuietText if isinstance(value, str) else number
    known: T = quiet(value)
    return known
