"""What the landing page shows first: portraits that turn into another style under a slider.

    ```{turning} ink
    ```

Pictures and readings are those that `book/studies/front_door.py` stored.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tgan_lib.widgets.frames import Frames

BOOK = Path(__file__).resolve().parents[1]
RESULTS = BOOK / "results" / "front_door.json"
COLUMNS, QUALITY = 8, 45
STEPS = (0, 50, 100, 200, 300, 500)  # of those stored; the landing page is to weigh little


def frames(style: str, content: dict[str, Any], sheet: np.ndarray) -> Frames:
    """The sheet (readings * H, shown * W, 3) as one picture for each reading, its samples in rows of eight."""
    steps, shown = content["settings"]["steps"], content["settings"]["shown"]
    found = next(cell["found"] for cell in content["cells"] if cell["at"]["style"] == style)
    side = sheet.shape[0] // len(steps)
    pictures = sheet.reshape(len(steps), side, shown // COLUMNS, COLUMNS * side, 3)
    pictures = pictures.transpose(0, 2, 1, 3, 4).reshape(len(steps), -1, COLUMNS * side, 3)
    at = [i for i, step in enumerate(steps) if step in STEPS]
    said = [
        f"{steps[i]} steps on a hundred portraits: {found['distance'][i]:.0f} from those held out" for i in at
    ]
    said[0] = f"The source, before a step: {found['distance'][0]:.0f} from the other hand's portraits"
    return Frames(
        pictures[at],
        {"steps": [str(steps[i]) for i in at]},
        alt=f"{shown} portraits in {shown // COLUMNS} rows. As the slider moves they change from peeps, drawn in thick "
        f"lines and pale colours, into the style {style}.",
        captions=said,
        quality=QUALITY,
        width=2 * COLUMNS * side,
    )


class Turning(SphinxDirective):
    """The slider from peeps into the style that it is given."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        style = self.arguments[0]
        path = BOOK / "_static" / "front" / f"{style}.webp"
        for used in (RESULTS, path):
            self.env.note_dependency(str(used))
        if not path.is_file():
            raise self.error(f"{path.relative_to(BOOK)} is missing; book/studies/front_door.py draws it")
        sheet = np.asarray(Image.open(path).convert("RGB"))
        shown = frames(style, json.loads(RESULTS.read_text()), sheet)
        return [nodes.raw("", shown._repr_html_(), format="html")]


def wait_with_cards(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Cards' pictures are fetched when a reader comes near them."""
    if "body" in context:
        context["body"] = re.sub(
            r'<img (?=[^>]*class="sd-card-img-top)', '<img loading="lazy" ', context["body"]
        )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("turning", Turning)
    app.connect("html-page-context", wait_with_cards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
