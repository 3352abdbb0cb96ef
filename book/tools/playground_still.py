"""Draws the playground's still picture, which a page shows where no scripts run. Needs Node.js.

    python book/tools/playground_still.py

It plays the game with the playground's own engine and writes tgan_lib/widgets/playground/still.svg.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgan_lib.widgets.playground import PRESETS, assets

SIDE = 300  # the picture's own units; the plane from -1.5 to 1.5
SHOWN = 200  # points of each kind
REAL, FAKE, LINE = "#2f86b0", "#bb5a24", "#808890"  # at least 3:1 on a light page and on a dark one
PROGRAM = """
import { makeGame, makeTape, surface, surfaceLines, CELLS } from "./module.mjs";
const { settings, steps } = QUESTION, game = makeGame(settings);
while (game.steps < steps) game.step();
const lines = surfaceLines(surface(game, settings.loss, makeTape(game.discriminator, CELLS * CELLS)));
console.log(JSON.stringify({ real: [...game.shownReal], fake: [...game.shownFake()], lines, cells: CELLS - 1 }));
"""


def played() -> dict[str, Any]:
    """Points (x, y, x, y, ...), D's contour lines, and how many cells these are drawn in."""
    settings = PRESETS[assets.STILL["preset"]]["settings"] | {"seed": 0}
    question = json.dumps({"settings": settings, "steps": assets.STILL["steps"]})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "module.mjs").write_text(assets.module(), encoding="utf-8")
        (Path(folder) / "program.mjs").write_text(PROGRAM.replace("QUESTION", question), encoding="utf-8")
        done = subprocess.run(["node", "program.mjs"], cwd=folder, check=True, capture_output=True, text=True)
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def places(numbers: list[float]) -> Iterator[str]:
    """The first points, in the picture's units, as "x y"."""
    for x, y in zip(numbers[: 2 * SHOWN : 2], numbers[1 : 2 * SHOWN : 2], strict=True):
        yield f"{SIDE * (x + 1.5) / 3:.0f} {SIDE * (1.5 - y) / 3:.0f}"


def path(d: str, colour: str, width: float, *more: str) -> str:
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width}" {" ".join(more)}/>'


def picture() -> str:
    """The SVG's text."""
    state = played()
    scale = SIDE / state["cells"]
    parts = [
        path(
            "".join(
                f"M{x * scale:.0f} {y * scale:.0f}L{u * scale:.0f} {v * scale:.0f}" for x, y, u, v in line
            ),
            LINE,
            1.6 if at == 2 else 0.6,
        )
        for at, line in enumerate(state["lines"])
    ]
    parts.append(path("".join(f"M{p}h0" for p in places(state["real"])), REAL, 5, 'stroke-linecap="round"'))
    parts.append(path("".join(f"M{p}l2.6 5h-5.2z" for p in places(state["fake"])), FAKE, 1.6))
    view = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" height="{SIDE}"'
    return f"<svg {view}>\n" + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    target = assets.HERE / "still.svg"
    target.write_text(picture(), encoding="utf-8")
    print(f"{target.relative_to(Path.cwd())}: {target.stat().st_size} bytes")
