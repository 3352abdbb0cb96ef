"""What our tools and tests know of notebooks: where they are, what a cell holds, setup cell and hash.

Pure functions of a notebook as nbformat reads it (version 4). Rules about notebooks are in hygiene.py,
exercises in exercises.py, running in execute.py.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import address
import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"

SETUP = """\
# Setup, the same in every chapter. On Colab it installs
# the book's library; elsewhere it does nothing.
try:
    import tgan_lib
except ModuleNotFoundError:
    %pip install -q "tgan-lib @ git+{url}"
    import tgan_lib
tgan_lib.setup()"""


def notebook_paths(folder: Path = BOOK) -> list[Path]:
    """Every notebook of the book, in the order of their names. Editors' copies in hidden folders are none."""
    found = folder.rglob("*.ipynb")
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def read(path: Path) -> Any:
    """A notebook as nbformat's version 4 has it."""
    return nbformat.read(path, as_version=4)


def setup_cell(url: str | None = None) -> str:
    """The source of every notebook's first code cell; the repository's address is that of _config.yml."""
    return SETUP.format(url=url or address.read(ROOT))


def is_setup_cell(source: str) -> bool:
    """Whether a cell's source is a setup cell's, perhaps an older one's."""
    return source.startswith(SETUP.split(".")[0])


def code_cells(nb: Any) -> list[Any]:
    """The notebook's code cells, in order."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def markdown(nb: Any) -> str:
    """The source of all Markdown cells, a blank line between two."""
    return "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


def caption(cell: Any) -> str:
    """What stands under a code cell's picture, in MyST; plots.show brings its own with its output."""
    return str(cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", ""))


def tags(cell: Any) -> list[str]:
    """The cell's tags."""
    return list(cell.metadata.get("tags", []))


def label(nb: Any, cell: Any) -> str:
    """How a message calls a code cell: its number among the code cells, from 1, and its first line."""
    number = next(i for i, other in enumerate(code_cells(nb), 1) if other is cell)
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    first = next((line for line in lines if line[0] not in "#@"), "empty")
    return f"code cell {number} ({first[:40]})"


# "from tgan_lib.anything import a, b as c", over one line or in brackets
OUR_IMPORT = re.compile(r"^from tgan_lib[\w.]* import (\([^)]*\)|[^\n(]*)\n?", flags=re.M)


def code_sha256(nb: Any) -> str:
    """SHA-256 (hex) of the code cells' sources.

    Blanks at the ends of lines and cells do not count, nor does the address that the setup cell installs from, nor
    which module of ours a name is imported from: a moved repository, or a moved module, makes no stored output stale.
    """
    sources = []
    for cell in code_cells(nb):
        lines = "\n".join(line.rstrip() for line in cell.source.strip().splitlines())
        sources.append(re.sub(r"git\+https://[^\s\"']+", "git+", without_origins(lines)))
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


def without_origins(source: str) -> str:
    """The source, its first line naming all that it imports from our library, whichever modules that comes from."""
    lists = [re.sub(r"#.*", "", found.strip("()")) for found in OUR_IMPORT.findall(source)]
    names = sorted(name for text in lists for part in text.split(",") if (name := " ".join(part.split())))
    return f"from tgan_lib import {', '.join(names)}\n{OUR_IMPORT.sub('', source)}" if names else source


def texts(output: Any) -> dict[str, str]:
    """What an output says in words, by MIME type: streams, tracebacks, text, HTML. Data URIs are cut out."""
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {"error": "\n".join([output.ename, output.evalue, *output.traceback])}
    found = {}
    for mime, data in output.data.items():
        if not is_image(mime) or mime.endswith("svg+xml"):
            text = data if isinstance(data, str) else str(data)
            found[mime] = re.sub(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+", "data:", text)
    return found


def shown(cell: Any) -> str:
    """All the words of a cell's outputs."""
    return "\n".join(text for output in cell.outputs for text in texts(output).values())


def is_image(mime: str) -> bool:
    """Whether a MIME type is a picture's; glued pictures have a prefix before it."""
    return re.search(r"(^|/)image/[\w+.-]+$", mime) is not None


def images(cell: Any) -> int:
    """How many pictures a cell's outputs hold. One picture in two formats is one."""
    data = [output.get("data", {}) for output in cell.outputs]
    return sum(any(is_image(mime) for mime in bundle) for bundle in data)


def glued_names(nb: Any) -> set[str]:
    """The names under which the stored run has glued values."""
    metadata = [output.get("metadata", {}) for cell in code_cells(nb) for output in cell.outputs]
    return {bundle["scrapbook"]["name"] for bundle in metadata if "scrapbook" in bundle}


def functions(nb: Any) -> Iterator[str]:
    """The names of the functions and classes that the notebook's cells define at their top level."""
    for cell in code_cells(nb):
        plain = re.sub(
            r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M
        )  # IPython's own lines are no Python
        for node in ast.parse(plain).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield node.name


def prose_words(nb: Any) -> int:
    """How many words of prose a reader meets: neither code nor formulas, options or markup.

    A box of class doubt, which stands until a chapter is run again, is not counted.
    """
    text = re.sub(
        r"^:::\{admonition\}[^\n]*\n:class: warning doubt\n.*?^:::$", " ", markdown(nb), flags=re.M | re.S
    )
    text = re.sub(r"^(`{3,})(?!\{|`).*?^\1\s*$", " ", text, flags=re.M | re.S)  # listings, not directives
    text = re.sub(r"\$\$.*?\$\$|^`{3,}\{math\}.*?^`{3,}\s*$", " ", text, flags=re.M | re.S)
    text = re.sub(r"\$[^$\n]+\$", " x ", text)
    text = re.sub(r"^\s*:[\w-]+:.*$|^\s*(?:`{3,}|:{3,})\{[\w:-]+\}", " ", text, flags=re.M)  # a directive's
    text = re.sub(r"\]\([^)]*\)|\{[\w:]+\}|<[^>]*>|https?://\S+", " ", text)
    return len(re.findall(r"[^\W_]+(?:['’.-][^\W_]+)*", text))
