"""Results of the book's studies: runs too long for a notebook, stored with the seeds and the machine they had.

They are made by the scripts in book/studies and kept in book/results; an installed library carries a copy, so
that a chapter opened alone (on Colab, say) finds them too.

    freezing = results("freezing")
    freezing.array("distance", run="D 1", n=100)  # (seeds, readings)
    freezing.cell(part="costs")["D 1"]["ms"]
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import one_of, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

_BUILT = Path(__file__).parent / "_results"  # a copy that setup.py puts into an installed library
FOLDER = (
    _BUILT if _BUILT.is_dir() else Path(__file__).parents[1] / "book" / "results"
)  # in a checkout, the original
NO_STUDIES = ("bench", "speedrun")  # files of other kinds, which have pages of their own


@dataclass(frozen=True)
class Cell:
    """One run of a study: where it stands on the study's axes, what it found, and where and when it ran.

    part: which of the study's experiments it belongs to, "" for the main one.
    """

    at: dict[str, Any]
    found: dict[str, Any]
    provenance: dict[str, Any]
    part: str = ""

    def __str__(self) -> str:
        where = ", ".join(f"{axis} {value}" for axis, value in self.at.items())
        return ": ".join(words for words in (self.part, where) if words)


@dataclass(frozen=True)
class Results:
    """What a study found: its settings, and its cells, which `array` and `cell` read by their place on the axes."""

    name: str
    script: str
    settings: dict[str, Any]
    cells: list[Cell]

    @classmethod
    def of(cls, name: str, stored: Mapping[str, Any]) -> Results:
        """From the content of a study's file, where every cell names its provenance by number."""
        cells = [
            Cell(c["at"], c["found"], stored["provenance"][c["provenance"]], c.get("part", ""))
            for c in stored["cells"]
        ]
        return cls(name, stored["script"], stored["settings"], cells)

    def __iter__(self) -> Iterator[str]:
        """The names of its axes, those of the main part, in the study's order."""
        return iter(next((cell.at for cell in self.cells if not cell.part), {}))

    @property
    def origin(self) -> str:
        """Script, date, device and version of torch in a line; of all machines, if there were several."""
        machines = {
            f"{p['date']}, {p['device']}, torch {p['versions']['torch']}": None
            for p in (cell.provenance for cell in self.cells)
        }
        return ", ".join([self.script, "; ".join(machines)])

    def array(self, *path: str | int, part: str = "", **at: Any) -> NDArray[Any]:
        """One stored number of all cells that stand at `at`, or an array of them, as an array.

        path: the number's name in what a cell found, and where it is nested the names on the way ("judged",
        "mnist-v1", "recall"). The result's axes are those that `at` does not name, in the study's order, the
        seeds last, and then those of what is stored. ValueError for an unknown name or value, where a cell
        is missing, and where cells hold arrays of different lengths.
        """
        chosen = self._at(part, at)
        free = {
            axis: list(dict.fromkeys(cell.at[axis] for cell in chosen))
            for axis in chosen[0].at
            if axis not in at
        }
        by_place = {tuple(cell.at[axis] for axis in free): cell for cell in chosen}
        values = []
        for place in product(*free.values()):
            if place not in by_place:
                where = ", ".join(f"{a} {v!r}" for a, v in (at | dict(zip(free, place, strict=True))).items())
                raise ValueError(f"the study {self.name} has no cell at {where}; name one value of an axis")
            values.append(np.asarray(self._follow(by_place[place], path)))
        if len(shapes := {value.shape for value in values}) > 1:
            raise ValueError(
                f"{'/'.join(map(str, path))!r} has different shapes in different cells of the study {self.name}: "
                f"{', '.join(map(str, sorted(shapes)))}; name one value of an axis"
            )
        return np.stack(values).reshape((*map(len, free.values()), *values[0].shape))

    def cell(self, part: str = "", **at: Any) -> dict[str, Any]:
        """All that the one cell at `at` found. ValueError if there is none, or more than one."""
        chosen = self._at(part, at)
        if len(chosen) > 1:
            free = [axis for axis in chosen[0].at if axis not in at]
            raise ValueError(
                f"{len(chosen)} cells of the study {self.name} stand there; say {', '.join(free)} too"
            )
        return chosen[0].found

    def _at(self, part: str, at: Mapping[str, Any]) -> list[Cell]:
        """The cells of a part that stand at `at`; at least one."""
        chosen = [cell for cell in self.cells if cell.part == part]
        if not chosen:
            raise unknown_name(
                f"part of the study {self.name}", part, {cell.part for cell in self.cells if cell.part}
            )
        for axis, value in at.items():
            if axis not in chosen[0].at:
                raise unknown_name(f"axis of the study {self.name}", axis, chosen[0].at)
            known = list(dict.fromkeys(cell.at[axis] for cell in chosen))
            chosen = [cell for cell in chosen if cell.at[axis] == value]
            if not chosen:
                raise unknown_name(f"{axis} in the study {self.name}", value, map(str, known))
        return chosen

    def _follow(self, cell: Cell, path: tuple[str | int, ...]) -> Any:
        found: Any = cell.found
        for name in path:
            if isinstance(found, dict) and name not in found:
                raise unknown_name(f"number in the study {self.name} at {cell}", name, map(str, found))
            found = found[name]
        return found


def results(name: str) -> Results:
    """What the study `name` found. ValueError for an unknown name."""
    known = [path.stem for path in FOLDER.glob("*.json") if path.stem not in NO_STUDIES]
    one_of("stored study", name, known)
    return Results.of(name, json.loads((FOLDER / f"{name}.json").read_text()))


def picture(name: str) -> NDArray[np.uint8]:
    """The picture that the study `name` stored beside its numbers: uint8 (H, W), or (H, W, 3) in colour."""
    known = [path.stem for path in FOLDER.glob("*.png")]
    one_of("stored picture", name, known)
    from PIL import Image

    return np.asarray(Image.open(FOLDER / f"{name}.png"))


def samples_of(stored: str) -> Tensor:
    """Square samples that a study's cell keeps, a PNG in base64 with one below the other: uint8 (N, C, s, s)."""
    import torch
    from PIL import Image

    sheet = np.array(Image.open(io.BytesIO(base64.b64decode(stored))))
    side = sheet.shape[1]
    return torch.from_numpy(sheet).reshape(len(sheet) // side, side, side, -1).permute(0, 3, 1, 2)
