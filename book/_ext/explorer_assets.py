"""Gives the built site what its latent explorers need: their code, and the weights of the models they show.

All of it goes to _static/explorer/, as scripts that also load from a file:// address. Pages hold only still
twins (see tgan_lib.widgets.explorer.twin); a page's loader fetches the rest when a twin comes into view.

A page that is no notebook gets its twin by the directive `explorer`, whose argument is a model of the zoo:

    ```{explorer} peeps-64
    :seed: 2
    ```
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tgan_lib import zoo
from tgan_lib.widgets.explorer import LatentExplorer, assets, pack

logger = logging.getLogger(__name__)
TWIN = re.compile(r'data-explorer="([^"]*)"')


class Explorer(SphinxDirective):
    """The still twin of a shipped model's explorer, with the samples of a seed."""

    required_arguments = 1
    option_spec = {"seed": directives.nonnegative_int}  # noqa: RUF012  (docutils reads it from the class)

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in zoo.names():
            raise self.error(f"{name} is not in the zoo; it has {', '.join(zoo.names())}")
        explorer = LatentExplorer(zoo.load(name, device="cpu"), seed=self.options.get("seed", 0), name=name)
        return [nodes.raw("", explorer.twin(), format="html")]


def twins(folder: Path) -> list[tuple[str, str, str]]:
    """(page, model, hash) of every twin in the built pages."""
    found = []
    for page in sorted(folder.rglob("*.html")):
        for text in TWIN.findall(page.read_text(encoding="utf-8")):
            state = json.loads(html.unescape(text))
            found.append((page.relative_to(folder).as_posix(), state["name"], state["sha256"]))
    return found


def write_assets(app: Sphinx, error: Exception | None) -> None:
    """Writes _static/explorer/, and warns of every twin that the site could not move."""
    if error is not None or app.builder.format != "html":
        return
    models: dict[str, tuple[str, bytes]] = {}
    for page, name, sha256 in twins(Path(app.outdir)):
        if name not in zoo.names():
            logger.warning("%s explores %s, which is not in the zoo", page, name)
        elif sha256 != zoo.card(name)["sha256"]:
            logger.warning("%s explores an old %s; execute its notebook again", page, name)
        elif name not in models:
            models[name] = (sha256, pack(zoo.load(name, device="cpu").ema))
    assets.write_site(Path(app.outdir) / "_static" / "explorer", models)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("explorer", Explorer)
    app.add_js_file("explorer/loader.js", loading_method="defer")
    app.connect("build-finished", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
