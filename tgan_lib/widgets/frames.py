"""Pictures behind sliders that need no kernel: every picture is made beforehand and travels in the page.

    Frames(grids, {"step": ["0", "100", "500"]}, alt="Samples while G learns letters.")

All pictures are tiles of one PNG, and a few lines of script move it behind a window. It works in a notebook, on the
built page and from a file, by mouse and by keyboard; without scripts one picture is seen.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import check_kind, one_of, shown, whole_number
from ..plots import tile

# Outputs of a notebook may be put in after the page was loaded, and one figure may be shown twice: so each script
# looks for the boxes of its own name that nobody has set going.
SCRIPT = """
for (const box of document.querySelectorAll('[data-frames="NAME"]:not([data-going])')) {
  box.dataset.going = "";
  const { sides, labels, captions } = JSON.parse(box.dataset.about);
  const picture = box.querySelector("[role=img]"), line = box.querySelector("[aria-live]");
  const inputs = [...box.querySelectorAll("input, select")];
  const show = () => {
    const at = inputs.map((input) => (input.tagName === "SELECT" ? input.selectedIndex : +input.value));
    const frame = at.reduce((sum, i, axis) => sum * labels[axis].length + i, 0);
    const place = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0) + "%";
    picture.style.backgroundPosition =
      place(frame % sides[0], sides[0]) + " " + place(Math.floor(frame / sides[0]), sides[1]);
    inputs.forEach((input, axis) => {
      if (input.tagName === "SELECT") return;
      input.setAttribute("aria-valuetext", labels[axis][at[axis]]);
      input.nextElementSibling.textContent = labels[axis][at[axis]];
    });
    line.textContent = captions[frame] || "";
  };
  inputs.forEach((input) => { input.disabled = false; input.addEventListener("input", show); });
  show();
}
"""


class Frames:
    """A figure with one control for each axis; shown where it is the last thing in a cell.

    pictures: uint8 (a, b, ..., H, W) or (a, b, ..., H, W, 2, 3 or 4), one leading axis for each of `axes`; `grids`
    makes them of samples. axes: name -> the words for each of its places, in order. An axis named in
    `choose` is a list to choose from, the others are sliders. alt: what is to be seen, at any place. captions: a line
    for each picture, flat in the pictures' order. start: where each control stands at first, 0 by default. width: of
    the picture in CSS pixels; a narrow page shrinks it. ValueError where numbers of pictures and words differ.
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
        check_kind("start", start, (Mapping, type(None)), "a dictionary such as {'step': 0}")
        check_kind("captions", captions, (list, tuple), "a list of lines of words")
        for caption in captions:
            check_kind("a caption", caption, str, "a line of words")
        if captions and len(captions) != prod(shape):
            raise ValueError(
                f"there are {len(captions)} captions for {prod(shape)} pictures; one each is right"
            )
        for name in (*choose, *(start or {})):
            one_of("axis", name, axes)
        starts = {
            name: whole_number(f"the start of {name!r}", at, 0, len(axes[name]) - 1)
            for name, at in (start or {}).items()
        }
        self.flat = pictures.reshape(-1, *pictures.shape[len(shape) :])
        self.axes = {name: [str(label) for label in labels] for name, labels in axes.items()}
        self.alt, self.choose, self.captions = alt, set(choose), list(captions)
        self.start = {name: starts.get(name, 0) for name in axes}
        self.width = whole_number("width", width)

    def __repr__(self) -> str:
        return f"Frames({len(self.flat)} pictures by {', '.join(self.axes)})"

    def _repr_html_(self) -> str:
        sheet, columns, rows = tiles(self.flat)
        height, width = self.flat.shape[1:3]
        name = hashlib.sha256(sheet + self.alt.encode()).hexdigest()[:12]
        about = {"sides": [columns, rows], "labels": list(self.axes.values()), "captions": self.captions}
        at = 0
        for axis, labels in self.axes.items():
            at = at * len(labels) + self.start[axis]
        place = [
            f"{100 * i / (n - 1) if n > 1 else 0:.4g}%"
            for i, n in ((at % columns, columns), (at // columns, rows))
        ]
        style = (
            f"width:min(100%,{self.width}px);aspect-ratio:{width}/{height};image-rendering:pixelated;"
            f"background:url(data:image/png;base64,{base64.b64encode(sheet).decode()}) {place[0]} {place[1]}"
            f"/{100 * columns}% {100 * rows}% no-repeat"
        )
        controls = "".join(self.control(axis) for axis in self.axes)
        return (
            f'<div class="tgan-frames" data-frames="{name}" data-about="{html.escape(json.dumps(about))}">'
            f'<div role="img" aria-label="{html.escape(self.alt)}" style="{style}"></div>'
            f'<div style="display:flex;flex-wrap:wrap;gap:0.5em 1.5em;margin-top:0.5em">{controls}</div>'
            f'<div aria-live="polite" style="min-height:1.5em">'
            f"{html.escape(self.captions[at]) if self.captions else ''}</div>"
            f"<script>{SCRIPT.replace('NAME', name)}</script></div>"
        )

    def control(self, axis: str) -> str:
        labels, at = self.axes[axis], self.start[axis]
        if axis in self.choose:
            options = "".join(
                f"<option{' selected' if i == at else ''}>{html.escape(label)}</option>"
                for i, label in enumerate(labels)
            )
            field = f"<select disabled>{options}</select>"
        else:
            field = (
                f'<input type="range" min="0" max="{len(labels) - 1}" value="{at}" disabled '
                f'aria-valuetext="{html.escape(labels[at])}"><output>{html.escape(labels[at])}</output>'
            )
        style = "display:flex;align-items:center;gap:0.5em"
        return f'<label style="{style}">{html.escape(axis)} {field}</label>'


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


def tiles(pictures: NDArray[np.uint8]) -> tuple[bytes, int, int]:
    """Pictures (n, H, W) or (n, H, W, colours) as one PNG, and how many columns and rows of them it has."""
    if pictures.shape[3:] == (4,) and (pictures[..., :1] == pictures[..., 1:3]).all():
        pictures = pictures[..., [0, 3]]  # grey and transparency: half the size
    n, height, width = pictures.shape[:3]
    columns = min(n, 8)
    rows = -(-n // columns)
    sheet = np.zeros((rows * height, columns * width, *pictures.shape[3:]), np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // columns * height, i % columns * width
        sheet[y : y + height, x : x + width] = picture
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG", optimize=True)
    return file.getvalue(), columns, rows


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
