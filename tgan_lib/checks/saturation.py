"""Checks of the chapter "Saturation"."""

from __future__ import annotations

from .core import Check

CHECKS: dict[str, Check] = {}
