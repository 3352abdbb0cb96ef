"""Checks of the chapter "The clinic"."""

from __future__ import annotations

from .core import Check

CHECKS: dict[str, Check] = {}
