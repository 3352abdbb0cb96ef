"""What a training run leaves behind: one record a line, as JSON, and the grids of samples it drew on its way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..errors import as_path, shown
from ..files import write_whole
from ..plain import plain

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

    def __iter__(self) -> Iterator[str]:
        """The names of all that was measured, so that `"distance" in history` has an answer."""
        return iter(dict.fromkeys(name for record in self.records for name in record))

    def column(self, name: str, *, of: str) -> list[float]:
        """Column `name` of the records in which both it and `of` were measured."""
        return [r[name] for r in self.records if of in r and name in r]

    def steps(self, of: str = "d_loss") -> list[int]:
        return [int(s) for s in self.column("step", of=of)]

    def last(self, name: str) -> float:
        """The latest value of `name`; ValueError if there is none."""
        return self.measured(name)[-1][name]

    def best(self, name: str = "distance") -> Record:
        """The record in which `name` was smallest; ValueError if there is none."""
        return min(self.measured(name), key=lambda r: r[name])

    def measured(self, name: str) -> list[Record]:
        """The records that have `name`; ValueError, naming what was measured, if none has."""
        found = [r for r in self.records if name in r]
        if not found:
            known = ", ".join(dict.fromkeys(key for r in self.records for key in r)) or "nothing"
            raise ValueError(f"nothing named {shown(name)} was measured in this run; {known} was")
        return found

    def write(self, path: str | os.PathLike[str]) -> None:
        """JSON lines, one record each, written beside and renamed over: the file is the old one or the new.

        ValueError for a record that JSON cannot hold, OSError when the disk refuses.
        """
        lines = [json.dumps(record) for record in plain(self.records, "records")]
        write_whole(as_path("path", path), "".join(line + "\n" for line in lines).encode())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> History:
        """The records in a file that `write` wrote. FileNotFoundError or ValueError, in one sentence, else."""
        path = as_path("path", path)
        try:
            lines = path.read_bytes().decode().splitlines()
        except OSError as error:
            raise FileNotFoundError(f"{path} could not be read ({error.strerror or error})") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path.name} is no history: it is not text") from error
        records = []
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line) if line else {}
            except ValueError as error:
                raise ValueError(f"line {number} of {path.name} is no JSON: {shown(line)}") from error
            if not isinstance(record, dict):
                raise ValueError(
                    f"line {number} of {path.name} is {shown(record)}; a record ({{...}}) is right"
                )
            records += [record] if line else []
        return cls(records)
