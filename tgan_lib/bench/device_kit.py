"""The device kit's folder and clock: results stored as soon as they are known, and a report of what there is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..files import write_whole
from .device_checks import Result
from .device_report import markdown

STAGES = ("machine", "checks", "graphs", "table", "training")
UNTIL = {
    "machine": 0.05,
    "checks": 0.2,
    "graphs": 0.32,
    "table": 0.5,
}  # shares of the time, from its beginning


class Kit:
    """A folder of results, a device, and the time there is."""

    def __init__(self, folder: Path, device: torch.device, seconds: float) -> None:
        self.folder, self.device, self.seconds = folder, device, seconds
        self.begun = time.perf_counter()
        self.tiny = device.type != "cuda"
        self.left_out: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def left(self, share: float = 1.0) -> float:
        """Seconds until that share of the time is over."""
        return self.begun + share * self.seconds - time.perf_counter()

    def stored(self, stage: str) -> dict[str, Any]:
        """What is known of a stage, by name."""
        path = self.folder / f"{stage}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return found

    def keep(self, stage: str, name: str, result: Result) -> None:
        """Store a result, and the report with it."""
        found = self.stored(stage) | {name: result}
        write_whole(self.folder / f"{stage}.json", (json.dumps(found, indent=1) + "\n").encode())
        self.report()

    def go_through(self, stage: str, results: Mapping[str, Callable[[], Result]]) -> None:
        """Each result that is not stored yet, while the stage's time lasts."""
        for name, find in results.items():
            if name in self.stored(stage):
                continue
            if self.left(UNTIL[stage]) <= 0:
                self.left_out.append(f"{stage}: {name}")
                continue
            started = time.perf_counter()
            result = guarded(find)
            self.keep(stage, name, result | {"took": round(time.perf_counter() - started, 2)})
            print(f"{stage}: {name}: {result.get('said', 'done')}", flush=True)

    def report(self) -> None:
        """report.json and report.md of what is known by now."""
        found: dict[str, Any] = {stage: self.stored(stage) for stage in STAGES} | {"left_out": self.left_out}
        write_whole(self.folder / "report.json", (json.dumps(found, indent=1) + "\n").encode())
        write_whole(self.folder / "report.md", markdown(found).encode())


def guarded(find: Callable[[], Result]) -> Result:
    """A result, or what went wrong instead of one."""
    try:
        return find()
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        return {"passed": False, "said": f"{type(error).__name__}: {reason}"}
