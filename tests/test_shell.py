"""What stands round the text of a page: folded code, cards, numbers and links, formulas, shared links."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from docutils import nodes
from extensions import extension
from nbformat.v4 import new_code_cell
from plain import plain_code

import tgan_lib

ROOT = Path(__file__).resolve().parents[1]
folding, page = extension("folding"), extension("code_on_demand")

SETUP = """\
# Setup, the same in every chapter. On Colab it installs
try:
    import tgan_lib
except ModuleNotFoundError:
    %pip install -q x"""
IMPORTS = "import torch\n\nfrom tgan_lib import glue, plots"
PLOT = """\
_, ax = plt.subplots()
steps, on_batch, on_all = zip(*curve)
ax.plot(steps, on_batch, ".", color=plots.COLOURS[1])
ax.set(xlabel="step", ylim=(0.9, 1.4))
ax.legend()
plt.show()"""
PRINTS = """\
after = sum(losses[-50:]) / 50
glue("alone_end", f"{after:.2f}")
print(f"D alone: {after:.3f}")
for seed, game in zip(settings["seeds"], games):
    print(f"seed {seed}: {game['shown'][-1]:.3f}")"""
STUDY = """\
study = results("saturation")
settings = study.settings
print(study.origin)

def readings_of(state, key):
    "A row for each seed."
    return study.array(key, state=state)"""
ONE_TURN = """\
def discriminator_turn(g, d, optimiser, x, z):
    loss = minus_value(d(x), d(g(z).detach()))
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()"""
BY_HAND = """\
def frechet_by_hand(a, b):
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    roots = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt()
    return (a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * roots.sum()

print(f"by hand {frechet_by_hand(real, fake):.6f}")
glue("hand", f"{frechet_by_hand(real, fake):.2f}")"""
LAYERS = """\
generator = nn.Sequential(
    nn.Linear(64, 256), nn.LeakyReLU(0.2),
    nn.Linear(256, 784), nn.Tanh(),
)
print(tuple(generator(z).shape))"""
TRAINS = (
    "for name in changes:\n    train(gans[name], images, steps=steps)\n    print(name, distance(gans[name]))"
)


@pytest.mark.parametrize(
    ("source", "label"),
    [
        (SETUP, "Set-up, 5 lines"),
        (IMPORTS, "Imports, 2 lines"),
        (PLOT, "Code, 6 lines"),
        (PRINTS, "Code, 5 lines"),
        (STUDY, "Code, 6 lines"),
        ("Playground()", "Code, 1 line"),
        ('predict("far", "How far?", slider=(0, 3, 1))', "Code, 1 line"),
    ],
)
def test_what_is_not_the_lesson_folds(source: str, label: str) -> None:
    assert folding.fold(source).label == label


@pytest.mark.parametrize(
    "source", [ONE_TURN, BY_HAND, LAYERS, TRAINS, "my_guess = 1", "x = torch.randn(3)", "a b"]
)
def test_what_teaches_stays_open(source: str) -> None:
    assert folding.fold(source) is None


@pytest.mark.parametrize("tag", ["show-input", "exercise", "solution", "remove-input"])
def test_a_tag_goes_before_every_rule(tag: str) -> None:
    assert folding.fold(PLOT, [tag]) is None
    assert folding.fold(ONE_TURN, ["hide-input"]).label == "Code, 6 lines"


def test_a_plain_notebook_folds_the_same_cells() -> None:
    folded, kept = (plain_code(new_code_cell(source)).metadata for source in (PLOT, ONE_TURN))
    assert (folded.jupyter, folded.cellView) == ({"source_hidden": True}, "form")
    assert kept == {}


def test_a_plot_that_a_little_work_precedes_folds_and_one_that_much_precedes_does_not() -> None:
    step = "x = torch.fft.fft(x)\n"
    assert folding.fold(step * 2 + PLOT)
    assert folding.fold(step * 5 + PLOT) is None


def cell(source: str, *outputs: dict[str, Any], tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, "outputs": list(outputs)}


def printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(plain: str) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {"text/html": "<b>box</b>", "text/plain": plain},
        "metadata": {},
    }


def test_a_folded_cell_is_tagged_and_its_bar_named() -> None:
    setup, plot, open_one = page.as_page(
        {"cells": [cell(SETUP, printed("Budget: cpu\n")), cell(PLOT, shown("Figure")), cell(ONE_TURN)]}
    )["cells"]
    assert setup["metadata"]["tags"] == ["hide-cell", "set-up"]
    assert plot["metadata"]["tags"] == ["hide-input"]
    assert plot["metadata"]["mystnb"]["code_prompt_show"] == "Code, 6 lines"
    assert open_one["metadata"] == {"tags": []}


def test_an_unworked_exercise_invites_and_a_solution_keeps_its_box() -> None:
    empty = cell("...", shown("precision: not written yet."), tags=("exercise",))
    solved = cell("...", shown("precision: passed."), tags=("solution",))
    failed = cell("...", shown("precision: the sum was not taken."), tags=("exercise",))
    empty, solved, failed = page.as_page({"cells": [empty, solved, failed]})["cells"]
    assert "yours-to-write" in empty["outputs"][0]["data"]["text/html"]
    assert "not written" not in empty["outputs"][0]["data"]["text/html"]
    for kept in (solved, failed):
        assert kept["outputs"][0]["data"]["text/html"] == "<b>box</b>"


def test_a_printed_origin_becomes_a_mark_in_its_place() -> None:
    origin = "book/studies/x.py, 2026-11-21, CPU, 2 cores: <Xeon>, torch 2.15.0"
    before, mark, after = page.as_page({"cells": [cell(PRINTS, printed(f"one\n{origin}\ntwo\n"))]})["cells"][
        0
    ]["outputs"]
    assert (before["text"], after["text"]) == ("one\n", "two\n")
    assert mark["data"]["text/html"].startswith('<details class="origin"><summary>')
    assert "&lt;Xeon&gt;" in mark["data"]["text/html"]
    alone = page.as_page({"cells": [cell(PRINTS, printed(origin + "\n"))]})["cells"][0]["outputs"]
    assert [output["output_type"] for output in alone] == ["display_data"]


def test_long_lines_hang_and_columns_stay() -> None:
    body = '<div class="highlight"><pre><span></span>short\n    {}\n</pre>'.format("word " * 9)
    made = page.with_lines(body)
    assert '\n<span class="line" style="--in:4">    word' in made
    assert re.sub("<[^>]*>", "", made) == re.sub("<[^>]*>", "", body)
    columns = '<div class="output stream"><div class="highlight"><pre><span></span>{0}\n{0}\n</pre>'.format(
        "a     12.5   " * 4
    )
    assert page.with_lines(columns) == columns


def test_every_mention_of_another_chapter_is_a_link() -> None:
    linked = extension("chapters").linked
    known = {n: f"book/{n:02}_x" for n in range(1, 17)}
    assert list(linked("as chapter 6 says.", known, 3)) == ["as ", ("chapter 6", known[6]), " says."]
    several = list(linked("Chapters 9 and 12 to 15, or chapter 20", known, 12))
    assert several == ["Chapters ", ("9", known[9]), " and 12 to ", ("15", known[15]), ", or chapter 20"]
    for text in ("this is chapter 3", "chapter 3.5", "the 6 chapters", "subchapter 6"):
        assert list(linked(text, known, 3)) == [text]


def test_a_chapters_number_is_the_one_of_its_file() -> None:
    names = ("book/loss/06_measuring", "book/index", "book/reference/api_2x")
    assert [extension("chapters").number(name) for name in names] == [6, None, None]


def test_a_card_in_a_line() -> None:
    facts = extension("cards").facts
    card = [
        "You need chapter 3, or the idea of a generator.",
        "Time to run everything: 3 min 28 s on CPU, 2 cores (measured).\nTo read and do: about an hour and a half.",
        "Download MNIST, 12 MB, and Omniglot, about 9 MB, once each.",
    ]
    line = ["3 min 28 s to run", "1½ h to read", "needs chapter 3"]
    assert facts(card) == [*line, "downloads MNIST 12 MB, and Omniglot 9 MB"]
    assert facts(["You need PyTorch's basics (modules).", "Download none: all is drawn."]) == [
        "needs PyTorch's basics",
        "no download",
    ]


def test_every_chapters_card_gives_all_four_facts() -> None:
    facts = extension("cards").facts
    for path in sorted((ROOT / "book").glob("*/[0-9][0-9]_*.ipynb")):
        text = nbformat.read(path, as_version=4).cells[0].source
        text = text.replace("**", "").replace("{measured}`run`", "9 s on CPU")
        assert len(facts(text.split("\n\n"))) == 4, path.name


def test_formulas_have_mathml_where_no_script_runs() -> None:
    with_mathml = extension("formulas").with_mathml
    made = with_mathml(r'<p>if <span class="math notranslate nohighlight">\(a &lt; b\)</span>')
    assert r'nohighlight"><span class="tex">\(a &lt; b\)</span><noscript><math' in made
    assert "<mo>&#x0003C;</mo>" in made.split("<noscript>")[1]
    number = '<span class="eqno">(1)<a>#</a></span>'
    block = f'<div class="math notranslate nohighlight" id="e">\n{number}\\[\\frac{{1}}{{2}}\\]</div>'
    assert f'{number}<span class="tex">' in with_mathml(block)
    assert 'display="block"' in with_mathml(block)


@pytest.mark.parametrize(
    ("body", "address", "expected"),
    [
        ('<img alt="" src="../../_images/a.png">', None, "../../_images/a.png"),
        (
            '<img alt="" src="../../_images/a.png">',
            "https://o.github.io/n",
            "https://o.github.io/n/_images/a.png",
        ),
        ('<img src="data:x"><img src="../../_static/logo.svg">', None, "../../_static/readme.png"),
    ],
)
def test_a_shared_links_picture_is_the_pages_first(body: str, address: str | None, expected: str) -> None:
    assert extension("sharing").picture(body, "../../", "book/loss/06_x", address) == expected


def test_a_shared_links_words_are_escaped_and_not_empty() -> None:
    tags = extension("sharing").tags('A "title"', "", "p.png")
    assert 'property="og:title" content="A &quot;title&quot;"' in tags
    assert "description" not in tags


@pytest.mark.parametrize(
    ("url", "label", "words"),
    [
        ("https://github.com/-owner-/n", "run-here", "own machine"),
        ("https://github.com/someone/n", "launch-buttons", "rocket"),
    ],
)
def test_the_rocket_waits_for_an_address(url: str, label: str, words: str) -> None:
    button = {"url": "https://colab/book/loss/06_x.ipynb"}
    context = {
        "header_buttons": [{"label": "launch-buttons", "buttons": [button]}],
        "pathto": lambda name: f"../../{name}.html",
    }
    options = {"repository_url": url}
    config = SimpleNamespace(html_theme_options=options, myst_substitutions={})
    extension("launch").point_to_plain(SimpleNamespace(config=config), "book/loss/06_x", "", context, None)
    assert context["header_buttons"][0]["label"] == label  # type: ignore[index]
    if label == "run-here":
        assert context["header_buttons"][0]["text"] == "Run it on your machine"  # type: ignore[index]
        assert context["header_buttons"][0]["url"] == "../../book/start/how_to_use.html#on-your-own-machine"  # type: ignore[index]
    else:
        assert button["url"] == "https://colab/notebooks/06_x.ipynb"
    extension("address").offer(None, config)
    assert words in config.myst_substitutions["ways_to_run"]
    for name in ("use_repository_button", "use_source_button", "use_issues_button"):
        assert options[name] == (label == "launch-buttons")


def test_both_schemes_are_there_without_scripts() -> None:
    css = 'html[data-theme="light"] { --a: 1; }\nhtml[data-theme=dark] b:is(i, u), p { --a: 2; }\n.x { --a: 3; }'
    light, dark = extension("scriptless").scriptless(css).split("\n@media")
    assert "html[data-theme=auto] { --a: 1; }" in light
    assert "html[data-theme=auto] b:is(i, u) { --a: 2; }" in dark
    assert "--a: 3" not in light + dark


def docstrings() -> str:
    """All docstrings of the library, white space made even."""
    found = []
    for info in pkgutil.walk_packages(tgan_lib.__path__, "tgan_lib."):
        module = importlib.import_module(info.name)
        things = [
            module,
            *(t for _, t in inspect.getmembers(module) if inspect.isclass(t) or inspect.isfunction(t)),
        ]
        found += [doc for thing in things if (doc := inspect.getdoc(thing))]
    return " ".join(" ".join(found).split())


def test_every_formula_that_the_api_pages_set_is_in_a_docstring() -> None:
    names, written = extension("api_names"), docstrings()
    assert [ascii_one for ascii_one in names.FORMULAS if ascii_one not in written] == []
    mathml = extension("formulas").mathml
    for tex in names.FORMULAS.values():
        assert not re.search(r"\\[a-zA-Z]", mathml(rf"\[{tex}\]"))


def test_a_name_is_told_in_a_sentence() -> None:
    names = extension("api_names")
    assert names.first_sentence("tgan_lib.losses.Loss").startswith(
        "A discriminator's loss (real_logits, fake_logits)"
    )
    assert names.first_sentence("tgan_lib.losses.LOSSES") == ""
    assert isinstance(names.worded("a `b` c")[1], nodes.literal)
