"""Checks of the chapter "Stability"."""

from __future__ import annotations

from .core import Check

CHECKS: dict[str, Check] = {}
