"""The book's own Sphinx extensions, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[1] / "book" / "_ext"
sys.path.append(str(FOLDER))  # they import each other by name


def extension(name: str) -> ModuleType:
    """book/_ext/NAME.py, imported under a name that no installed package has."""
    spec = importlib.util.spec_from_file_location(f"book_{name}", FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module
