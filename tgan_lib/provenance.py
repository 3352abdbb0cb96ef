"""Where a number came from: the hardware in words, the versions, the date. Every stored result carries it."""

from __future__ import annotations

import datetime
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch


def device_in_words() -> str:
    """The GPU's name, or the CPU's with the number of cores this process may use."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), flags=re.M)
        model = named[1].strip() if named else model
    return f"CPU, {cores} cores: {model}"


def provenance() -> dict[str, Any]:
    """{"device", "versions", "date"} of a run that ends now; the date is UTC's."""
    return {
        "device": device_in_words(),
        "versions": {
            "python": platform.python_version(),
            "torch": version("torch"),
            "torchvision": version("torchvision"),
            "tgan_lib": version("tgan-lib"),
        },
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }
