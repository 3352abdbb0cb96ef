"""Where a number came from: the hardware in words, the versions, the date. Every stored result carries it."""

from __future__ import annotations

import datetime
import os
import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch


def device_in_words() -> str:
    """The GPU's name, or the CPU's with the number of cores this process may use."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    with suppress(OSError):  # Linux has it, and not every container lets it be read
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), flags=re.M)
        model = named[1].strip() if named else model
    return f"CPU, {cores} core{'s' * (cores != 1)}: {model}"


def provenance() -> dict[str, Any]:
    """{"device", "versions", "date"} of a run that ends now; the date is UTC's."""
    return {
        "device": device_in_words(),
        "versions": {
            "python": platform.python_version(),
            "torch": installed("torch"),
            "torchvision": installed("torchvision"),
            "tgan_lib": installed("tgan-lib"),
        },
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def installed(package: str) -> str:
    """A package's version, or words for one that is used without being installed, as from a clone's folder."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
