"""Scripts and styles that travel in an output: whole in a notebook, one file for each kind on the built site.

An output ends with its style and its script, so that it works wherever a notebook is opened, without a kernel.
The site puts `_static/outputs/KIND.js` and `.css` in the place of the first of a kind on a page, and of the
others a call.
"""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KINDS = ("predict", "frames", "compare")
STYLE = re.compile(r'<style data-tgan="(\w+)">.*?</style>', re.DOTALL)
OLD_FRAMES = re.compile(
    r"""<script>\s*for \(const box of document\.querySelectorAll\('\[data-frames="\w+"\].*?</script>""",
    re.DOTALL,
)
CALL = re.compile(r"<script data-tgan-call>.*?</script>", re.DOTALL)
SCRIPT = re.compile(r'<script data-tgan="(\w+)">.*?</script>', re.DOTALL)


@cache
def code(kind: str) -> str:
    """The script of a kind: it sets going all boxes of its kind, now and whenever `tganOutputs.KIND()` is called."""
    paths = [HERE / "common.js", *sorted((HERE / kind).glob("*.js"))]
    parts = "".join(path.read_text(encoding="utf-8") for path in paths)
    return squeezed(f"(() => {{\n{parts}((globalThis.tganOutputs ??= {{}}).{kind} = going)();\n}})();")


@cache
def style(kind: str) -> str:
    """The style of a kind, with what all kinds share."""
    paths = [HERE / "common.css", *(HERE / kind).glob("*.css")]
    return squeezed("".join(path.read_text(encoding="utf-8") for path in paths))


def squeezed(text: str) -> str:
    """Without indents, blank lines, and comments that fill their lines."""
    text = re.sub(r"^\s*/\*.*?\*/\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def tail(kind: str) -> str:
    """What an output of a kind ends with."""
    return f'<style data-tgan="{kind}">{style(kind)}</style><script data-tgan="{kind}">{code(kind)}</script>'


def call(kind: str) -> str:
    """What an output ends with that stands on a page with another of its kind, which brings the script."""
    return f"<script data-tgan-call>globalThis.tganOutputs?.{kind}?.()</script>"


def attribute(about: Any) -> str:
    """Plain data as the value of an attribute in double quotes."""
    return html.escape(json.dumps(about, ensure_ascii=False, separators=(",", ":")))


def without_tails(text: str) -> str:
    """An output as a program shows it that runs no script of a page: its words and pictures."""
    return CALL.sub("", SCRIPT.sub("", STYLE.sub("", text)))


def linked(text: str, folder: str) -> str:
    """A page whose outputs take style and script from `folder`, an address that ends with a slash."""
    # frames that were stored when each had a short script of its own
    text = OLD_FRAMES.sub('<style data-tgan="frames"></style><script data-tgan="frames"></script>', text)
    first: set[str] = set()

    def style_of(found: re.Match[str]) -> str:
        kind = found[1]
        if kind in first:
            return ""
        first.add(kind)
        return f'<link rel="stylesheet" href="{folder}{kind}.css">'

    text = STYLE.sub(style_of, text)
    first.clear()

    def script_of(found: re.Match[str]) -> str:
        kind = found[1]
        if kind in first:
            return f"<script>tganOutputs.{kind}()</script>"
        first.add(kind)
        return f'<script src="{folder}{kind}.js"></script>'

    return SCRIPT.sub(script_of, text)


def write_site(folder: Path) -> None:
    """Write the files that `linked` pages ask for."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / f"{kind}.js").write_text(code(kind), encoding="utf-8")
        (folder / f"{kind}.css").write_text(style(kind), encoding="utf-8")
