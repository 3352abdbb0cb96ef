"""Writes notebooks/NN_name.ipynb, each chapter in plain Markdown, for Colab, Kaggle, JupyterLab and VS Code.

    python book/tools/plain.py      (or make notebooks)

The code cells are the chapter's, to the letter, and so are their outputs, less what only the site can show. What
a page folds is folded by the metadata that JupyterLab and Colab know. Nobody edits these files: change the
chapter and write them anew.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from notebooks import ROOT, caption, code_cells, code_sha256, is_image, markdown, read, tags
from PIL import Image
from plain_links import FOLDER, Index, extension
from plain_markdown import Page, cell

from tgan_lib.plots import INK
from tgan_lib.widgets.inline import without_tails

SOLUTION = "**Solution.** In the next cell, folded: click its three dots, or *Show code* in Colab."
NO_INPUT = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
NO_OUTPUT = {"hide-output", "hide-cell", "remove-output", "remove-cell"}
FOLDING = extension("folding")
PREFIX = "application/papermill.record/"  # before the MIME type of a glued value
SVG = re.compile(r'<svg [^>]*aria-label="(?P<alt>[^"]*)"[^>]*>.*?</svg>', re.DOTALL)
SHEET = re.compile(
    r' data-sheet="[^"]*"'
)  # all samples of a comparison; two of its pictures are seen without
FRAMES = re.compile(
    r'<div class="(?:tgan-box )?tgan-frames" data-frames="\w+" data-about="[^"]*">'
    r'<div role="img" aria-label="(?P<alt>[^"]*)" style="width:min\(100%,(?P<width>\d+)px\)'
    r".*?url\(data:image/png;base64,(?P<png>[\w+/=]+)\) "
    r'(?P<x>[\d.e-]+)% (?P<y>[\d.e-]+)%/(?P<columns>\d+)% (?P<rows>\d+)% no-repeat"></div>'
    r'.*?<div aria-live="polite"[^>]*>(?P<caption>.*?)</div>(?:<script>.*?</script>)?</div>',
    re.DOTALL,
)


def chapters(root: Path = ROOT) -> list[Path]:
    """The notebooks of the book, in order."""
    return sorted((root / "book").glob("*/[0-9][0-9]_*.ipynb"), key=lambda path: path.name)


def plain_path(chapter: Path, root: Path = ROOT) -> Path:
    """Where a chapter's plain notebook is."""
    return root / FOLDER / chapter.name


def plain_notebook(path: Path, index: Index) -> Any:
    """The plain notebook of the chapter at `path`."""
    source = read(path)
    record = source.metadata.get("tgan")
    page = Page.of(markdown(source), path, index, glued=glued_values(source), record=record)
    cells = list[Any]()
    for old in source.cells:
        if old.cell_type == "code":
            if "solution" in tags(old):
                cells.append(nbformat.v4.new_markdown_cell(SOLUTION, id=f"{old.id[:50]}-folded"))
            cells.append(plain_code(old))
            if words := caption(old):  # an output has no place for it
                text = f"*{cell(words, page)}*"
                cells.append(nbformat.v4.new_markdown_cell(text, id=f"{old.id[:50]}-caption"))
        else:
            cells.append(nbformat.v4.new_markdown_cell(cell(old.source, page), id=old.id))
    cells[0].source = introduced(cells[0].source, path, index)
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata = nbformat.from_dict(
        {
            "colab": {"name": path.name, "provenance": [], "toc_visible": True},
            "kernelspec": source.metadata.get("kernelspec", {}),
            "language_info": {"name": "python"},
            "tgan": {
                **(record or {}),
                "code_sha256": code_sha256(source),
                "source": path.relative_to(index.root).as_posix(),
            },
        }
    )
    return made


def introduced(text: str, path: Path, index: Index) -> str:
    """A first cell with a line under its title that says what this notebook is, and where its page is."""
    title, _, rest = text.partition("\n")
    page = index.page(path)
    where = f"[on the book's site]({page})" if index.site else "on the book's site, which `make book` builds"
    line = (
        f"*Chapter {int(path.name[:2])} of **GANs That Transfer** as a notebook to run. "
        f"The same chapter, with figures that move before anything is run, is {where}.*"
    )
    return f"{title}\n\n{line}\n{rest}"


def glued_values(nb: Any) -> dict[str, dict[str, str]]:
    """What the stored run has glued: name -> MIME type -> data."""
    return {
        output.metadata["scrapbook"]["name"]: {
            mime.removeprefix(PREFIX): data for mime, data in output.data.items()
        }
        for code in code_cells(nb)
        for output in code.outputs
        if "scrapbook" in output.get("metadata", {})
    }


def plain_code(old: Any) -> Any:
    """A code cell with its source as it is, folded as on the page, and outputs that need no site."""
    new = nbformat.v4.new_code_cell(old.source, id=old.id, execution_count=old.execution_count)
    alt = old.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    new.outputs = list(plain_outputs(old.outputs, alt))
    marks, folded = set(tags(old)), dict[str, bool]()
    if marks & NO_INPUT or FOLDING.fold(old.source, marks):  # as the page does
        folded["source_hidden"] = True
        new.metadata["cellView"] = "form"  # Colab's word for it
    if marks & NO_OUTPUT:
        folded["outputs_hidden"] = True
        new.metadata["collapsed"] = True  # the same, for older programs
    if folded:
        new.metadata["jupyter"] = folded
    if marks:
        new.metadata["tags"] = sorted(marks)
    return new


def plain_outputs(outputs: list[Any], alt: str) -> Iterator[Any]:
    """The outputs without glued values, whose type VS Code would complain of; their text has them already."""
    for old in outputs:
        output = nbformat.from_dict(old)
        if "data" in output:
            if all(mime.startswith(PREFIX) for mime in output.data):
                continue
            if "text/html" in output.data:
                output.data["text/html"] = without_scripts(output.data["text/html"])
            output.metadata.pop("needs_background", None)  # our figures can be read on light and on dark
            if alt:
                output.metadata |= {mime: {"alt": alt} for mime in output.data if is_image(mime)}
        yield output


def without_scripts(text: str) -> str:
    """What moves on the site as Jupyter shows it before a cell is run: words, and pictures as pictures."""
    if "tgan-" not in text:
        return text
    return SHEET.sub("", SVG.sub(as_image, without_tails(FRAMES.sub(still, text))))


def as_image(svg: re.Match[str]) -> str:
    """An SVG in a page as an image, since Jupyter takes SVG out of what nobody has run."""
    drawing = svg[0].replace("currentColor", INK).encode()
    return f'<img src="data:image/svg+xml;base64,{base64.b64encode(drawing).decode()}" alt="{svg["alt"]}">'


def still(frames: re.Match[str]) -> str:
    """The picture at which `tgan_lib`'s Frames start, without their script, which Jupyter keeps from running."""
    sheet = Image.open(io.BytesIO(base64.b64decode(frames["png"])))
    columns, rows = int(frames["columns"]) // 100, int(frames["rows"]) // 100
    width, height = sheet.width // columns, sheet.height // rows
    column = round(float(frames["x"]) / 100 * (columns - 1))
    row = round(float(frames["y"]) / 100 * (rows - 1))
    tile = sheet.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
    file = io.BytesIO()
    tile.save(file, "PNG", optimize=True)
    caption = f"{frames['caption']}. " if frames["caption"] else ""
    return (
        f'<div><img src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}" alt="{frames["alt"]}" '
        f'width="{frames["width"]}" style="max-width: 100%; image-rendering: pixelated">'
        f"<p>{caption}A still picture: run this cell, and it moves.</p></div>"
    )


def write_all(root: Path = ROOT) -> list[Path]:
    """Write the plain notebook of every chapter, and take away those of chapters that are gone."""
    paths = chapters(root)
    if not paths:
        return []
    index = Index.read(root)
    (root / FOLDER).mkdir(exist_ok=True)
    for path in paths:
        text = nbformat.writes(plain_notebook(path, index)) + "\n"
        plain_path(path, root).write_text(text, encoding="utf-8")
    kept = {path.name for path in paths}
    for path in (root / FOLDER).glob("*.ipynb"):
        if path.name not in kept:
            path.unlink()
    return [plain_path(path, root) for path in paths]


if __name__ == "__main__":
    argparse.ArgumentParser(description="Write every chapter's plain notebook into notebooks/.").parse_args()
    print(f"{len(write_all())} plain notebooks in {FOLDER}/")
