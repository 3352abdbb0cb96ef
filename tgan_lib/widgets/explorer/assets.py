"""The explorer's files as a browser gets them: one ES module live, scripts on the site."""

from __future__ import annotations

import base64
import json
from pathlib import Path

HERE = Path(__file__).parent
TESTED = (
    "makeGenerator, makeSimd, seededLatents, slerp"  # anywidget takes `render` from the default export alone
)


def read(name: str) -> str:
    """A source file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def code() -> str:
    """engine.js, parts.js and view.js one behind the other, and before them what engine.c became."""
    simd = base64.b64encode((HERE / "engine.wasm").read_bytes()).decode()
    files = [read(name) for name in ("engine.js", "parts.js", "view.js")]
    return "\n".join([f'const SIMD_CODE = "{simd}";', *files])


def module() -> str:
    """The ES module that anywidget loads: no imports, `render`, and the parts that tests use."""
    return f"{code()}\nexport {{ {TESTED} }};\nexport default {{ render }};\n"


def style() -> str:
    """The explorer's CSS."""
    return read("explorer.css")


def script() -> str:
    """The same code for pages opened from a file, where modules do not load: it fills
    `globalThis.tganExplorer`.
    """
    return f"(() => {{\n{code()}\nglobalThis.tganExplorer = {{ render, {TESTED}, weights: {{}} }};\n}})();\n"


def weights_script(name: str, sha256: str, packed: bytes) -> str:
    """A script that hands a model's packed weights to `globalThis.tganExplorer`."""
    entry = json.dumps({"sha256": sha256, "data": base64.b64encode(packed).decode()})
    return f"globalThis.tganExplorer.weights[{json.dumps(name)}] = {entry};\n"


def write_site(folder: Path, models: dict[str, tuple[str, bytes]]) -> None:
    """Write all that the site needs into `folder`: loader, code, style, and for each model name (sha256,
    weights).
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {"loader.js": read("loader.js"), "explorer.js": script(), "explorer.css": style()}
    files |= {f"{name}.js": weights_script(name, *model) for name, model in models.items()}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
