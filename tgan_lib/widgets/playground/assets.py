"""The playground's files as a browser gets them: one ES module live, one script on the site, one still picture."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from ..explorer import assets as explorer_assets
from .choices import CHOICES, PRESETS, STRENGTH

HERE = Path(__file__).parent
FILES = ("nets.js", "game.js", "draw.js", "losses.js", "layout.js", "view.js")
STILL: dict[str, Any] = {
    "preset": "good",
    "steps": 600,
}  # what still.svg shows; book/tools/playground_still.py draws it
TESTED = (
    "makeGame, makeNormal, makeTape, drawData, countModes, DATA, surface, surfaceLines, CELLS, lossAxis, brief, "
    "briefChance"
)


def read(name: str) -> str:
    """A source file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def borrowed(file: str, function: str) -> str:
    """A function of the explorer's, which ends where a line holds nothing but its closing brace."""
    found = re.search(rf"^function {function}\(.*?^}}$", explorer_assets.read(file), re.DOTALL | re.MULTILINE)
    if found is None:
        raise LookupError(f"the explorer's {file} has no function {function}")
    return found[0]


@cache
def code() -> str:
    """The choices, what is borrowed from the explorer, and this folder's scripts one behind the other."""
    offered = {name: list(choices.items()) for name, choices in CHOICES.items()}
    constants = {"CHOICES": offered, "PRESETS": PRESETS, "STRENGTH": STRENGTH}
    parts = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    parts += [
        borrowed("engine.js", "makeNormal"),
        borrowed("parts.js", "make"),
        borrowed("parts.js", "throttled"),
    ]
    return "\n".join([*parts, *(read(name) for name in FILES)])


def module() -> str:
    """The ES module that anywidget loads: no imports, `render`, and the parts that tests use."""
    return f"{code()}\nexport {{ {TESTED} }};\nexport default {{ render }};\n"


def style() -> str:
    """The playground's CSS."""
    return read("playground.css")


def script() -> str:
    """The same code for pages opened from a file, where modules do not load, without the comments: it fills
    `globalThis.tganPlayground`.
    """
    bare = re.sub(r"^ *(//|/?\*).*\n", "", code(), flags=re.MULTILINE)
    return f"(() => {{\n{bare}\nglobalThis.tganPlayground = {{ render, {TESTED} }};\n}})();\n"


def still(address: str) -> str:
    """HTML of the still picture at this address, with what it shows in words; only browsers without scripts load it."""
    label, steps = PRESETS[STILL["preset"]]["label"], STILL["steps"]
    seen = (
        "Eight heaps of real points in a ring, and generated points along it: many on the heaps, the others between. "
        "Lines of equal D run around them."
    )
    said = f"A still of the playground: “{label}” after {steps} steps. Round points are real, triangles generated."
    return (
        f'<noscript><figure class="tgan-still"><img src="{address}" width="360" height="360" alt="{seen}">'
        f"<figcaption>{said}</figcaption></figure></noscript>"
    )


def write_site(folder: Path) -> None:
    """Write all that the site needs into `folder`: loader, code, style."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: read(name) for name in ("loader.js", "still.svg")}
    files |= {"playground.js": script(), "playground.css": style()}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
