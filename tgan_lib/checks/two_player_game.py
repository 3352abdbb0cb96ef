"""Checks of the chapter "The two-player game"."""

from __future__ import annotations

from .core import Check

CHECKS: dict[str, Check] = {}
