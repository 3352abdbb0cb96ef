"""Checks of the chapter "An atlas of losses"."""

from __future__ import annotations

from .core import Check

CHECKS: dict[str, Check] = {}
