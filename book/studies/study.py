"""What a study is: axes in, one cell for each combination of their values out, with where each came from.

    study = Study("halves", {"run": ["a", "b"], "seed": [0, 1, 2]}, settings={"steps": 500}, compute=compute)
    study.run(path)      # calls compute(run="a", seed=0) and so on, storing each cell as soon as it is done

Started again, a study goes on with the cells that are missing. A stored file whose settings differ is refused, so
that one table never mixes two studies; its cells may come from several machines, which each of them names. A study of
several experiments has parts, which stand before or after the main one. `results(name).array` reads what is stored.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from tgan_lib.errors import unknown_name
from tgan_lib.provenance import provenance
from tgan_lib.results import Results

RESULTS = Path(__file__).resolve().parents[1] / "results"
CACHE = Path.home() / ".cache" / "tgan_lib"  # for what a study trains once and keeps


@dataclass(frozen=True)
class Part:
    """One experiment: a cell for each combination of the axes' values, computed by compute(axis=value, ...).

    name: "" for a study's main part. only: says of a combination whether it exists (all do, if there is none); it is
    asked when the part's turn comes, so that it may look at what was found before.
    """

    name: str
    axes: Mapping[str, Sequence[Any]]
    compute: Callable[..., dict[str, Any]]
    only: Callable[..., bool] | None = None

    def places(self, smallest: Mapping[str, Sequence[Any]] | None = None) -> list[dict[str, Any]]:
        """Where the cells stand, the last axis outermost: it is the seeds, and should a study be stopped, everything
        has been run equally often. smallest: the values to use instead of all; one value of each axis not named."""
        axes = self.axes
        if smallest is not None:
            axes = {
                axis: [v for v in values if v in smallest[axis]] if axis in smallest else values[:1]
                for axis, values in axes.items()
            }
        names = list(axes)
        order = [*names[-1:], *names[:-1]]
        combinations = (
            dict(zip(order, values, strict=True)) for values in product(*(axes[axis] for axis in order))
        )
        places = [{axis: values[axis] for axis in names} for values in combinations]
        return [place for place in places if self.only is None or self.only(**place)]


class Study:
    """A study by its name, its axes (the seeds last), its settings, and what computes a cell; see `Part`.

    settings: all that decides the numbers, as JSON can hold it. before, after: the other parts, in their order.
    smallest: the values of some axes that a quick run uses; None for a whole run. `found` is what is known while it
    runs, for parts that rest on others.
    """

    def __init__(
        self,
        name: str,
        axes: Mapping[str, Sequence[Any]],
        settings: Mapping[str, Any],
        compute: Callable[..., dict[str, Any]],
        *,
        only: Callable[..., bool] | None = None,
        before: Sequence[Part] = (),
        after: Sequence[Part] = (),
        smallest: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.name, self.settings = name, json.loads(json.dumps(settings))  # tuples are lists, as when read
        self.parts = [*before, Part("", axes, compute, only), *after]
        self.smallest = smallest
        self.content = self._empty()

    @property
    def found(self) -> Results:
        """What is known so far."""
        return Results.of(self.name, self.content)

    def run(self, path: Path, only: Mapping[str, str] | None = None) -> Results:
        """Compute the cells that `path` does not hold yet, storing each. only: axis -> the one value to do now.

        SystemExit where the file holds results of other settings, which are named.
        """
        self.content = json.loads(path.read_text()) if path.exists() else self._empty()
        if difference := differing(self.content["settings"], self.settings):
            raise SystemExit(
                f"{path} holds the results of other settings: {difference}; move it away to start afresh"
            )
        axes = {axis for part in self.parts for axis in part.axes}
        for axis in only or {}:
            if axis not in axes:
                raise SystemExit(str(unknown_name(f"axis of the study {self.name}", axis, axes)))
        done = {key_of(cell.get("part", ""), cell["at"]) for cell in self.content["cells"]}
        for part in self.parts:
            for at in part.places(self.smallest):
                left_out = any(str(at[axis]) != value for axis, value in (only or {}).items() if axis in at)
                if left_out or key_of(part.name, at) in done:
                    continue
                print(f"{part.name} {json.dumps(at, ensure_ascii=False)} ...".strip(), flush=True)
                self._add(part, at, json.loads(json.dumps(part.compute(**at))))
                write(path, self.content)
        return self.found

    def _empty(self) -> dict[str, Any]:
        script = f"book/studies/{self.name}.py"
        return {"script": script, "settings": self.settings, "provenance": [], "cells": []}

    def _add(self, part: Part, at: dict[str, Any], found: dict[str, Any]) -> None:
        here = provenance()
        if here not in self.content["provenance"]:
            self.content["provenance"].append(here)
        named = {"part": part.name} if part.name else {}
        number = self.content["provenance"].index(here)
        self.content["cells"].append(named | {"at": at, "found": found, "provenance": number})


def key_of(part: str, at: dict[str, Any]) -> str:
    """What tells a cell from all others; 1 and 1.0 are one value."""
    plain = {a: int(v) if isinstance(v, float) and v.is_integer() else v for a, v in at.items()}
    return json.dumps([part, plain], sort_keys=True)


def differing(stored: Any, given: Any, where: str = "") -> str:
    """The first field of two settings that differs, with both values, in words; "" if none does."""
    if isinstance(stored, dict) and isinstance(given, dict):
        for name in [*stored, *(name for name in given if name not in stored)]:
            inner = f"{where}/{name}" if where else name
            if name not in stored or name not in given:
                return f"{inner} is only {'here' if name not in stored else 'there'}"
            if found := differing(stored[name], given[name], inner):
                return found
        return ""
    return "" if stored == given else f"{where} is {stored!r} there and {given!r} here"


def write(path: Path, content: dict[str, Any]) -> None:
    """JSON, written beside and renamed over."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(beside, path)


def command_line(make: Callable[[bool], Study]) -> None:
    """A script's command line: `make` gives its study, or, given True, one that takes seconds."""
    parser = argparse.ArgumentParser(
        description=(inspect.getdoc(sys.modules[make.__module__]) or "").split("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="the smallest run, of seconds, on drawn images")
    parser.add_argument(
        "--only", action="append", default=[], metavar="AXIS=VALUE", help="do these cells for now"
    )
    parser.add_argument(
        "--out", type=Path, help="where results go; those of a quick run are not kept otherwise"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        os.environ["TGAN_BUDGET"] = "smoke"
    study = make(arguments.quick)
    only = dict(pair.split("=", 1) for pair in arguments.only)
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out or (Path(folder) if arguments.quick else RESULTS) / f"{study.name}.json"
        print(f"{len(study.run(out, only).cells)} cells in {out}")
