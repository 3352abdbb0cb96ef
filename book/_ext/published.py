"""Whether the book has an address, and which: what book/tools/address.py says, for the extensions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).resolve().parents[1] / "tools" / "address.py"


def site(url: str) -> str | None:
    """Where the pages of the repository at `url` are published; None for the placeholder."""
    spec = importlib.util.spec_from_file_location("book_address_tool", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    found: str | None = tool.site(url.rstrip("/"))
    return found
