"""The playground's Python side: what a notebook and the site keep of it, arguments, colours."""

from __future__ import annotations

import html
import importlib
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tgan_lib.losses import LOSSES
from tgan_lib.widgets.playground import PRESETS, Playground, assets
from tgan_lib.widgets.playground.choices import CHOICES

SETTINGS = PRESETS["good"]["settings"] | {"seed": 3}


def twin_settings(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(html.unescape(re.search(r'data-playground="([^"]*)"', text)[1]))
    return found


def test_a_notebook_keeps_a_description_and_the_settings() -> None:
    playground = Playground("spiral", "hinge", (0.001, 0.02), seed=5)
    data, _ = playground._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data, "live, the widget is shown"
    text = data["text/html"]
    assert len(text) < 2000
    assert "two small networks" in text
    assert "(spiral; hinge loss)" in text
    assert "\n" not in text, "markdown must not read into it"
    settings = twin_settings(text)
    assert settings == playground.settings
    assert (settings["rate_g"], settings["rate_d"], settings["seed"], settings["preset"]) == (
        0.001,
        0.02,
        5,
        "",
    )
    for name, preset in PRESETS.items():
        assert twin_settings(Playground(preset=name).twin()) == {
            **preset["settings"],
            "seed": 0,
            "preset": name,
            "controls": False,
        }
    changed = Playground(preset="saturation", loss="non_saturating").settings
    assert (changed["preset"], changed["head_start"]) == ("", 1000)
    opened = Playground(controls=True).settings
    assert (opened["controls"], opened["preset"]) == (True, "good")


def test_what_the_browser_can_choose_is_what_python_takes() -> None:
    assert set(CHOICES["loss"]) == set(LOSSES)
    for preset in PRESETS.values():
        for key, choices in CHOICES.items():
            assert preset["settings"][key] in choices


def test_bad_input_is_answered_in_one_sentence() -> None:
    calls: list[tuple[dict[str, Any], str]] = [
        ({"data": "rings"}, r"no data named 'rings' \(did you mean 'ring'\?\)"),
        ({"loss": "wgan"}, "no loss named 'wgan'.*; known: hinge"),
        ({"preset": "colapse"}, "did you mean 'collapse'"),
        ({"penalty": "r2"}, "no penalty named 'r2'"),
        ({"optimiser": "rmsprop"}, "no optimiser named 'rmsprop'"),
        ({"learning_rates": 0.01}, r"learning_rates is 0.01; two numbers above 0 are right, G's and D's"),
        ({"learning_rates": (0.01, -1)}, r"learning_rates is \(0.01, -1\)"),
        ({"learning_rates": (0.01, float("nan"))}, "nan"),
        ({"seed": -1}, "seed is -1; a whole number from 0 to 999999 is right"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"batch": 50}, "batch is 50; one of 16, 32, 64, 128, 256 is right"),
        ({"d_steps": 0}, "d_steps is 0; a whole number from 1 to 10"),
        ({"head_start": True}, "head_start is True"),
        ({"controls": 1}, "controls is 1"),
    ]
    for arguments, said in calls:
        with pytest.raises(ValueError, match=said) as caught:
            Playground(**arguments)
        assert "\n" not in str(caught.value)


def test_the_module_stands_alone_and_stays_small() -> None:
    for text in (assets.module(), assets.script(), assets.style(), assets.read("loader.js")):
        assert not re.search(r"https?://|\bimport\s*[({*'\"]|@import|\brequire\(|\bfetch\(", text)
    assert len(assets.module()) < 60_000
    for path in (*assets.HERE.glob("*.js"), *assets.HERE.glob("*.css")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250
    with pytest.raises(LookupError, match="no function nothing"):
        assets.borrowed("engine.js", "nothing")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_colours_can_be_read_in_grey() -> None:
    found = re.findall(r'scale: \[(.*?)\], real: "(.*?)", fake: "(.*?)"', assets.read("draw.js"))
    assert len(found) == 2, "light and dark"
    for scale, *kinds in found:
        ground = [luminance(colour) for colour in re.findall(r"#\w+", scale)]
        assert ground == sorted(ground), "lighter is more real"
        for ink in map(luminance, kinds):
            for level in (ground[0], ground[-1]):
                low, high = sorted((ink, level))
                assert (high + 0.05) / (low + 0.05) > 2.9


def test_the_site_gets_what_its_twins_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "book" / "_ext")
    extension = importlib.import_module("playground_assets")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))
    extension.write_assets(app, RuntimeError())
    assert not list(tmp_path.iterdir())
    extension.write_assets(app, None)
    written = {path.name for path in (tmp_path / "_static" / "playground").iterdir()}
    assert written == {"loader.js", "playground.js", "playground.css", "still.svg"}


def test_a_twin_gets_its_still_picture_when_the_site_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "book" / "_ext")
    extension = importlib.import_module("playground_assets")
    context = {"body": f"<p>x</p>{Playground().twin()}", "pathto": lambda target, kind: f"../{target}"}
    extension.add_still(SimpleNamespace(), "page", "page.html", context, None)
    assert 'src="../_static/playground/still.svg"' in context["body"]
    assert context["body"].count("<figure") == 1
    assert context["body"].index("<figure") < context["body"].index("two small networks")
    without = {"body": "<p>x</p>"}
    extension.add_still(SimpleNamespace(), "page", "page.html", without, None)
    assert without == {"body": "<p>x</p>"}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, and none was found: install nodejs")
def test_the_still_picture_is_what_the_engine_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "book" / "tools")
    tool = importlib.import_module("playground_still")
    assert assets.read("still.svg") == tool.picture(), "run book/tools/playground_still.py"
    for colour in (tool.REAL, tool.FAKE, tool.LINE):
        for ground in ("#fdfdfb", "#12171d"):
            low, high = sorted((luminance(colour), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) > 3, (colour, ground)


def test_the_landing_page_has_a_playground_before_its_chapters() -> None:
    text = (Path(__file__).parents[1] / "book" / "index.md").read_text(encoding="utf-8")
    assert twin_settings(text)["preset"] in PRESETS
    assert text.index("data-playground") < text.index("## The chapters")
