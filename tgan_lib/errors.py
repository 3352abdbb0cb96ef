"""The one way this library words 'there is no such name'."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """A ValueError that says the name seen, the nearest known ones, and all that would be right."""
    known = sorted(known)
    near = get_close_matches(str(name), known, n=2, cutoff=0.6)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    return ValueError(f"there is no {kind} named {name!r}{hint}; known: {', '.join(known)}")
