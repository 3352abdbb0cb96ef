"""Pictures behind sliders that need no kernel: every picture is made beforehand and travels in the page.

    Frames(grids, {"step": ["0", "100", "500"]}, alt="Samples while G learns letters.")

All pictures are tiles of one file, and a script moves it behind a window. It plays, keeps one picture to
compare, and may have a curve beside it. It works in a notebook, on the built page and from a file, by mouse and
by keyboard; without scripts one picture is seen.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...errors import check_kind, one_of, shown, true_or_false, whole_number
from ...plots import tile
from ..inline import attribute, tail


class Frames:
    """A figure with one control for each axis; shown where it is the last thing in a cell.

    pictures: uint8 (a, b, ..., H, W) or (a, b, ..., H, W, 2, 3 or 4), one leading axis for each of `axes`;
    `grids` makes them of samples. axes: name -> the words for each of its places, in order. An axis named in
    `choose` is a list to choose from, the others are sliders. alt: what is to be seen, at any place. captions:
    a line for each picture, flat in the pictures' order. start: where each control stands at first, 0 by
    default: take a state that shows something. width: of the still picture where no script runs; else it is as
    wide as its column.

    curve: name -> what was measured at each picture, an array of the axes' lengths, or of the slider's alone;
    NaN where nothing was; it is drawn over the slider's places, on a logarithmic axis with `log`. along: the
    axis of the curve and of the play button, by default the last slider. compare: where the controls stand for
    a picture that is kept beside from the start. ValueError where numbers of pictures, words and values differ.
    """

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        axes: Mapping[str, Sequence[str]],
        *,
        alt: str,
        choose: Collection[str] = (),
        captions: Sequence[str] = (),
        start: Mapping[str, int] | None = None,
        width: int = 480,
        curve: Mapping[str, Any] | None = None,
        along: str | None = None,
        log: bool = False,
        compare: Mapping[str, int] | None = None,
        quality: int | None = None,
    ) -> None:
        shape = check_axes(axes)
        check_kind("pictures", pictures, np.ndarray, "a uint8 array, such as `grids` makes,")
        rest = pictures.shape[len(shape) :]
        if (
            pictures.dtype != np.uint8
            or pictures.shape[: len(shape)] != shape
            or 0 in rest
            or not (len(rest) == 2 or (len(rest) == 3 and rest[2] in (2, 3, 4)))
        ):
            raise ValueError(
                f"pictures are {pictures.dtype} of shape {pictures.shape}, the axes have {shape} places; uint8 with "
                "those leading axes, then (H, W) or (H, W, 2 to 4), is right"
            )
        check_kind("alt", alt, str, "a line of words")
        check_kind("choose", choose, (list, tuple, set, frozenset), "a list of names of axes")
        check_kind("captions", captions, (list, tuple), "a list of lines of words")
        for caption in captions:
            check_kind("a caption", caption, str, "a line of words")
        if captions and len(captions) != prod(shape):
            raise ValueError(
                f"there are {len(captions)} captions for {prod(shape)} pictures; one each is right"
            )
        for name in choose:
            one_of("axis", name, axes)
        sliders = [name for name in axes if name not in choose]
        if along is not None:
            one_of("axis", along, axes)
        self.along = along if along is not None else sliders[-1] if sliders else None
        self.curves = {
            name: values_at(f"the curve {name!r}", values, axes, self.along)
            for name, values in check_curve(curve).items()
        }
        self.log = true_or_false("log", log)
        if self.log and any((values <= 0).any() for values in self.curves.values()):
            raise ValueError("a curve has values of 0 or less, which have no place on a logarithmic axis")
        self.compare = None if compare is None else places("compare", compare, axes)
        self.flat = pictures.reshape(-1, *pictures.shape[len(shape) :])
        self.axes = {name: [str(label) for label in labels] for name, labels in axes.items()}
        self.alt, self.choose, self.captions = alt, set(choose), list(captions)
        self.start = places("start", start, axes)
        self.width = whole_number("width", width)
        self.quality = None if quality is None else whole_number("quality", quality, 1, 100)

    def __repr__(self) -> str:
        return f"Frames({len(self.flat)} pictures by {', '.join(self.axes)})"

    def _repr_html_(self) -> str:
        sheet, columns, rows = tiles(self.flat, self.quality)
        kind = "png" if self.quality is None else "webp"
        height, width = self.flat.shape[1:3]
        name = hashlib.sha256(sheet + self.alt.encode()).hexdigest()[:12]
        about: dict[str, Any] = {
            "sides": [columns, rows],
            "labels": list(self.axes.values()),
            "names": list(self.axes),
            "choose": [axis in self.choose for axis in self.axes],
            "start": list(self.start.values()),
            "along": list(self.axes).index(self.along) if self.along is not None else -1,
            "captions": self.captions,
            "curves": {name: self.drawn(values) for name, values in self.curves.items()},
        }
        if self.compare is not None:
            about["kept"] = list(self.compare.values())
        at = 0
        for axis, labels in self.axes.items():
            at = at * len(labels) + self.start[axis]
        place = [
            f"{100 * i / (n - 1) if n > 1 else 0:.4g}%"
            for i, n in ((at % columns, columns), (at // columns, rows))
        ]
        style = (
            f"width:min(100%,{self.width}px);aspect-ratio:{width}/{height};image-rendering:pixelated;"
            f"background:url(data:image/{kind};base64,{base64.b64encode(sheet).decode()}) {place[0]} {place[1]}"
            f"/{100 * columns}% {100 * rows}% no-repeat"
        )
        return (
            f'<div class="tgan-box tgan-frames" data-frames="{name}" data-about="{attribute(about)}">'
            f'<div role="img" aria-label="{html.escape(self.alt)}" style="{style}"></div>'
            f'<div aria-live="polite">{html.escape(self.captions[at]) if self.captions else ""}</div></div>'
            f"{tail('frames')}"
        )

    def drawn(self, values: NDArray[np.float64]) -> dict[str, Any]:
        """A curve as the script draws it, with as many digits as tell its values apart."""
        spread = float(np.nanmax(np.abs(values), initial=0))
        digits = 0 if spread >= 100 or (values == values.round()).all() else 1 if spread >= 10 else 3
        flat = [None if np.isnan(v) else round(float(v), 5) for v in values.ravel()]
        return {"values": flat, "log": self.log, "digits": digits}


def check_curve(curve: Any) -> Mapping[str, Any]:
    check_kind("curve", curve, (Mapping, type(None)), "a dictionary such as {'distance': values}")
    for name in curve or {}:
        check_kind("the name of a curve", name, str, "a word")
    return curve or {}


def values_at(name: str, values: Any, axes: Mapping[str, Any], along: str | None) -> NDArray[np.float64]:
    """A number for each picture; one for each place of the axis `along` is the same for all others."""
    shape = tuple(len(labels) for labels in axes.values())
    check_kind(name, values, (list, tuple, np.ndarray), "an array of numbers")
    if along is None:
        raise ValueError(f"{name} has no slider to run along; name its axis with `along`")
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {shown(values)}; an array of numbers is right") from None
    if array.shape == (len(axes[along]),):
        at = list(axes).index(along)
        array = np.broadcast_to(array.reshape([-1 if i == at else 1 for i in range(len(shape))]), shape)
    if array.shape != shape or np.isinf(array).any() or np.isnan(array).all():
        raise ValueError(
            f"{name} is {shown(array)} of shape {array.shape}; finite numbers of shape {shape} are right"
        )
    return array


def places(name: str, given: Any, axes: Mapping[str, Any]) -> dict[str, int]:
    """Where each control stands: as `given` says, else at 0."""
    check_kind(name, given, (Mapping, type(None)), "a dictionary such as {'step': 0}")
    for axis in given or {}:
        one_of("axis", axis, axes)
    found = {
        axis: whole_number(f"the {name} of {axis!r}", at, 0, len(axes[axis]) - 1)
        for axis, at in (given or {}).items()
    }
    return {axis: found.get(axis, 0) for axis in axes}


def check_axes(axes: Any) -> tuple[int, ...]:
    """How many places each axis has; TypeError or ValueError for axes without names or words."""
    check_kind("axes", axes, Mapping, "a dictionary such as {'step': ['0', '100']}")
    for name, labels in axes.items():
        check_kind("the name of an axis", name, str, "a word")
        check_kind(f"the axis {name!r}", labels, (list, tuple, range), "a list of words")
        if not labels:
            raise ValueError(f"the axis {name!r} is {shown(labels)}; one word or more is right")
    if not axes:
        raise ValueError("axes is {}; one axis or more is right")
    return tuple(len(labels) for labels in axes.values())


def tiles(pictures: NDArray[np.uint8], quality: int | None = None) -> tuple[bytes, int, int]:
    """Pictures (n, H, W) or (n, H, W, colours) as one PNG, or a WebP of a quality, and how many columns and rows of
    them it has."""
    n, height, width = pictures.shape[:3]
    columns = min(n, 8)
    rows = -(-n // columns)
    sheet = np.zeros((rows * height, columns * width, *pictures.shape[3:]), np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * height, i % columns * width
        sheet[y : y + height, x : x + width] = picture
    if quality is None:
        return png(sheet), columns, rows
    file, whole = io.BytesIO(), Image.fromarray(sheet)
    whole.convert("RGBA" if "A" in whole.mode else "RGB").save(file, "WebP", quality=quality, method=6)
    return file.getvalue(), columns, rows


def png(sheet: NDArray[np.uint8]) -> bytes:
    """A picture (H, W) or (H, W, 2 to 4) as a PNG, without loss: with a palette where its colours are few."""
    if sheet.shape[2:] in ((3,), (4,)) and (sheet[..., :1] == sheet[..., 1:3]).all():
        sheet = sheet[..., [0, 3][: sheet.shape[2] - 2]]  # grey
    if sheet.shape[2:] in ((2,), (4,)) and (sheet[..., -1] == 255).all():
        sheet = sheet[..., :-1]  # nothing is transparent
    if sheet.shape[2:] == (1,):
        sheet = sheet[..., 0]
    whole = Image.fromarray(sheet)
    made = [whole]
    if sheet.ndim == 3:
        colours, index = np.unique(sheet.reshape(-1, sheet.shape[2]), axis=0, return_inverse=True)
        if len(colours) <= 256:
            few = Image.fromarray(index.reshape(sheet.shape[:2]).astype(np.uint8), "P")
            rgb = colours[:, :3] if sheet.shape[2] >= 3 else colours[:, [0, 0, 0]]
            few.putpalette(rgb.tobytes())
            if sheet.shape[2] != 3:
                few.info["transparency"] = colours[:, -1].tobytes()
            made.append(few)
    files = []
    for image in made:
        file = io.BytesIO()
        image.save(file, "PNG", optimize=True)
        files.append(file.getvalue())
    return min(files, key=len)


def grids(batches: Sequence[Tensor], columns: int = 8) -> NDArray[np.uint8]:
    """Batches of samples, each (N, C, H, W) in [-1, 1] or uint8, as pictures (len(batches), H', W', 4)."""
    if not isinstance(batches, (list, tuple)) or not batches:
        raise ValueError(f"batches is {shown(batches)}; a list of one batch of samples or more is right")
    found = [tile(batch, columns) for batch in batches]
    if odd := [sheet.shape for sheet in found if sheet.shape != found[0].shape]:
        raise ValueError(
            f"the batches make pictures of shapes {found[0].shape} and {odd[0]}; one shape is right"
        )
    return np.stack(found)
