"""What a training run leaves behind: one record a line, as JSON, and the grids of samples it drew on its way."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

Record = dict[str, float]


@dataclass
class History:
    """Records of a run, oldest first.

    Each record has `step`, `images` (real images seen), `seconds` (of training, without the time spent
    measuring), and what was measured there: `d_loss`, `g_loss`, `real_logit`, `fake_logit`, `distance`.
    `history["distance"]` is that column where it was measured; `history.steps("distance")` the steps it belongs to.
    `grids` maps a step to the uint8 samples of one fixed set of latents.
    """

    records: list[Record] = field(default_factory=list)
    grids: dict[int, Tensor] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[float]:
        return self.column(name, of=name)

    def column(self, name: str, *, of: str) -> list[float]:
        """Column `name` of the records in which `of` was measured."""
        return [r[name] for r in self.records if of in r]

    def steps(self, of: str = "d_loss") -> list[int]:
        return [int(s) for s in self.column("step", of=of)]

    def last(self, name: str) -> float:
        values = self[name]
        if not values:
            raise ValueError(f"nothing named {name!r} was measured in this run")
        return values[-1]

    def best(self, name: str = "distance") -> Record:
        """The record in which `name` was smallest."""
        return min((r for r in self.records if name in r), key=lambda r: r[name])

    def write(self, path: str | Path) -> None:
        """JSON lines, one record each, written beside and renamed over: the file is the old one or the new."""
        beside = Path(path).with_name(Path(path).name + ".part")
        beside.write_text("".join(json.dumps(r) + "\n" for r in self.records))
        os.replace(beside, path)

    @classmethod
    def read(cls, path: str | Path) -> History:
        return cls([json.loads(line) for line in Path(path).read_text().splitlines() if line])
