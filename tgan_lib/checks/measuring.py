"""Checks of the chapter "Measuring"."""

from __future__ import annotations

from .core import Check

CHECKS: dict[str, Check] = {}
