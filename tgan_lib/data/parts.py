"""Which images of a folder or zip belong to the part that was asked for, and which class each is of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ..errors import unknown_name

SPLITS = ("train", "val", "test")
_SPELLINGS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def part_name(split: Any) -> str:
    """ "train", "val" or "test" for any of their usual spellings, in any letter case; ValueError for another word."""
    found = _SPELLINGS.get(split.lower()) if isinstance(split, str) else None
    if found is None:
        raise unknown_name("split", split, SPLITS)
    return found


def pick_part(
    names: list[str], split: str | None, where: str | os.PathLike[str]
) -> tuple[dict[str, str], list[str]]:
    """The class of each image of a part, by name and in order, and the names of all classes.

    A class is an image's folder below the one that holds all images ("." for that one). Where the folders at the
    top are parts (train, val or valid, test; in any letter case), `split` picks one, and classes are numbered over
    all parts, so that a class that one of them lacks shifts no number. What lies beside two parts or more is passed
    over; one part beside other folders or images is a class like them. Images that are not divided are all "train",
    and none of them is ever given out as another part: ValueError.
    """
    folders = {name: PurePosixPath(name).parent.parts for name in names}
    shared = 0
    for level in zip(*folders.values(), strict=False):  # how many folders all names have in common
        if len(set(level)) > 1 or (split is not None and level[0].lower() in _SPELLINGS):
            break
        shared += 1
    below = {name: parts[shared:] for name, parts in folders.items()}
    tops = {parts[0] if parts else "" for parts in below.values()}  # "": images beside the folders
    parts_here = {_SPELLINGS[top.lower()] for top in tops if top.lower() in _SPELLINGS}
    others = any(top.lower() not in _SPELLINGS for top in tops)
    if split is None or not parts_here or (len(parts_here) == 1 and others):
        if split not in (None, "train"):
            raise ValueError(
                f"{where} is not divided into train and test folders, so it has no {split!r} part; hold some images "
                "out of it with split(load(...), 0.9)"
            )
        classes_of = {name: "/".join(parts) or "." for name, parts in below.items()}
        return classes_of, sorted(set(classes_of.values()))
    if split not in parts_here:
        raise ValueError(
            f"{where} has no {split!r} part; it holds {' and '.join(p for p in SPLITS if p in parts_here)}"
        )
    every: dict[str, dict[str, str]] = {}
    for name, (top, *rest) in ((name, parts) for name, parts in below.items() if parts):
        if (part := _SPELLINGS.get(top.lower())) is not None:
            every.setdefault(part, {})[name] = "/".join(rest) or "."
    return every[split], _classes(every, split)


def _classes(every: Mapping[str, Mapping[str, str]], split: str) -> list[str]:
    """All parts' classes; a part whose images lie in one folder has none, and adds none to the others'."""
    if set(every[split].values()) == {"."}:
        return ["."]
    return sorted({c for part in every.values() if set(part.values()) != {"."} for c in part.values()})
