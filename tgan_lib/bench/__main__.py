"""`make bench`, or `python -m tgan_lib.bench [PART ...] [--quick] [--out FILE]`; two more have their own.

`... bench gpu` is the device kit, `... bench speedrun` the speedrun.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from ..provenance import provenance
from . import costs, gpu, quality, speedrun, steps

PARTS = ("steps", "costs", "quality")


def kept(stored: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    """What was stored, if this machine and these versions made it: one page must not mix two."""
    if all(stored.get(key) == here[key] for key in ("device", "threads", "versions")):
        return stored
    print(f"what is stored came from {stored.get('device')} {stored.get('versions')}; it is left out")
    return {}


def main() -> None:
    if sys.argv[1:2] == ["gpu"]:
        return gpu.main(sys.argv[2:])
    if sys.argv[1:2] == ["speedrun"]:
        return speedrun.main(sys.argv[2:])
    parser = argparse.ArgumentParser(
        prog="python -m tgan_lib.bench",
        description="Speed, cost and time to quality, side by side in one run.",
    )
    parser.add_argument(
        "parts", nargs="*", default=PARTS, help=f"any of {', '.join(PARTS)}; all of them by default"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each loop")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the time to quality")
    parser.add_argument(
        "--limit", type=float, default=900, help="seconds after which the classic recipe is stopped"
    )
    parser.add_argument("--quick", action="store_true", help="a few rows, to see that it works")
    parser.add_argument("--out", type=Path, help="JSON file to write; parts that it holds already are kept")
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in PARTS:
            parser.error(f"no part named {part!r}; there are {', '.join(PARTS)}")
    here = provenance() | {"threads": torch.get_num_threads()}
    found: dict[str, Any] = {}
    if arguments.out and arguments.out.exists():
        found = kept(json.loads(arguments.out.read_text()), here)
    found |= {"script": "tgan_lib/bench/__main__.py"} | here
    if "steps" in arguments.parts:
        found["rounds"] = arguments.rounds
    print(f"{found['device']}, {found['threads']} threads, {found['versions']}", flush=True)
    for part in arguments.parts:
        if part == "steps":
            found[part] = steps.run(arguments.rounds, arguments.quick)
        elif part == "costs":
            found[part] = costs.run(arguments.quick)
        else:
            found[part] = quality.run(arguments.seeds, arguments.limit, arguments.quick)
        if arguments.out:
            beside = arguments.out.with_name(arguments.out.name + ".part")
            beside.write_text(json.dumps(found, indent=1) + "\n")
            os.replace(beside, arguments.out)


if __name__ == "__main__":
    main()
