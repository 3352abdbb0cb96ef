"""Mutants that pass because they are right: exercise -> {what was done: why it changes nothing that is asked}."""

from __future__ import annotations

RIGHT: dict[str, dict[str, str]] = {}
