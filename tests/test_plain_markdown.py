"""MyST Markdown made plain: each role, directive and piece of markup, and what has no plain form."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from notebooks import ROOT, read
from plain import chapters
from plain_links import Index
from plain_markdown import DIRECTIVES, ROLES, Page, cell


@pytest.fixture(scope="module")
def index() -> Index:
    """As long as the book has no address."""
    return Index.read(url="https://github.com/-owner-/book")


@pytest.fixture(scope="module")
def published() -> Index:
    """As if the book were published."""
    return Index.read(url="https://github.com/Ada/book")


def page(text: str, index: Index, **known: Any) -> Page:
    return Page.of(text, ROOT / "book" / "loss" / "03_image_gans.ipynb", index, **known)


def plain(text: str, index: Index, **known: Any) -> str:
    return cell(text, page(text, index, **known))


GLUED = {"n": {"text/plain": "'0.1234'"}, "bar": {"text/plain": "'a|b_c'"}, "drawn": {"image/png": "AAAA\n"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{glue:text}`n` and {glue:text}`n:.2f`", "0.1234 and 0.12"),
        ("{glue:text}`bar`", r"a\|b\_c"),
        (
            "```{glue:figure} drawn\nWords {glue:text}`n`.\n```",
            "![drawn](data:image/png;base64,AAAA)\n\nWords 0.1234.",
        ),
        ("{measured}`run`", "2 min on CPU"),
        ("A {term}`GAN` has {term}`logits <logit>`.", "A *GAN* has *logits*."),
        ("{cite:t}`goodfellow2014gan`", "[Goodfellow et al. (2014)](https://arxiv.org/abs/1406.2661)"),
        ("{cite:t}`maaten2008tsne`", "[van der Maaten and Hinton (2008)](../book/reference/bibliography.md)"),
        ("[measured](../reference/times.md)", "[measured](../book/reference/times.md)"),
        (
            "[](06_measuring) {doc}`06_measuring`",
            "[Measuring](06_measuring.ipynb) [Measuring](06_measuring.ipynb)",
        ),
        (
            "[budgets](#budgets) {ref}`budgets`",
            "[budgets](../book/start/how_to_use.md) [Three budgets](../book/start/how_to_use.md)",
        ),
        ("[above](#two-players)", "above"),
        ("[web](https://a.org/b_(c))", "[web](https://a.org/b_(c))"),
        ("[a $[0, 1]$ {term}`GAN`](https://a.org)", "[a $[0, 1]$ *GAN*](https://a.org)"),
        ("$a`{x}`$ and `{term}`", "$a`{x}`$ and `{term}`"),
        ("$$\nx\n$$ (one)\n\n{eq}`one`", "$$\nx \\tag{1}\n$$\n\n(1)"),
        ("```{math}\n:label: two\ny\n```\n\nsee {eq}`two`", "$$\ny \\tag{1}\n$$\n\nsee (1)"),
        ("\\begin{align}a &= b\\end{align}", "$$\\begin{aligned}\na &= b\n\\end{aligned}$$"),
        (
            "One[^a].\n\n[^a]: A note\n    on {term}`GAN`.\n",
            "One<sup>1</sup>.\n\n<sup>1</sup> A note\n    on *GAN*.",
        ),
        ("term\n: what it is", "- **term**: what it is"),
        ("(here)=\n% unseen\n{.wide}\n# Title", "# Title"),
        ("[word]{.small} `code`{l=python}", "word `code`"),
        ("Line.\n\n% unseen\n\nLine with 5 %\nof it.", "Line.\n\n\nLine with 5 %\nof it."),
        ("{{ repository }}", "an address that is not set yet"),  # as long as it is a placeholder
        ("```python\n{term}`x`\n```", "```python\n{term}`x`\n```"),
        (
            ":::{admonition} Chapter $n$\n:class: card-chapter\n\nA {term}`GAN`:\n- $a\n  b$ and\n- c\n:::",
            "> **Chapter $n$**\n>\n> A *GAN*:\n> - $a b$ and\n> - c",
        ),
        (":::{note}\nMind it.\n:::", "> **Note**\n>\n> Mind it."),
        (
            "Before.\n:::{admonition} Predict\n:class: predict\nWhat?\n:::\nAfter.",
            "Before.\n\n---\n\n**Predict**\n\nWhat?\n\n---\n\nAfter.",
        ),
        (
            ":::{admonition} Open\n:class: open-question\nWhy?\n"
            "```{admonition} A <b> & c\n:class: dropdown\nSo.\n```\n:::",
            "---\n\n**Open**\n\nWhy?\n\n<details>\n<summary>A &lt;b&gt; &amp; c</summary>\n\nSo.\n\n</details>",
        ),
    ],
)
def test_markup_made_plain(text: str, expected: str, index: Index) -> None:
    assert plain(text, index, glued=GLUED, record={"seconds": 120.0, "device": "CPU"}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{term}`Logits <logit>`",
            "[Logits](https://ada.github.io/book/book/reference/glossary.html#term-logit)",
        ),
        ("{term}`gan`", "[gan](https://ada.github.io/book/book/reference/glossary.html#term-GAN)"),
        ("[](06_measuring)", "[Measuring](https://ada.github.io/book/book/loss/06_measuring.html)"),
        ("{ref}`budgets`", "[Three budgets](https://ada.github.io/book/book/start/how_to_use.html#budgets)"),
        ("[above](#two)", "[above](https://ada.github.io/book/book/loss/03_image_gans.html#two)"),
    ],
)
def test_links_lead_to_the_site_once_there_is_one(text: str, expected: str, published: Index) -> None:
    assert plain(text, published) == expected


def test_an_image_travels_with_the_notebook(index: Index) -> None:
    made = plain("![Digits](../_static/readme.png){width=50%}", index)
    data = re.fullmatch(r'<img src="data:image/png;base64,([\w+/=]+)" alt="Digits" width="50%">', made)
    assert data
    assert base64.b64decode(data[1]) == (ROOT / "book" / "_static" / "readme.png").read_bytes()
    figure = plain("```{figure} ../_static/readme.png\n:alt: Digits\n\nSome *digits*.\n```", index)
    assert re.fullmatch(r"!\[Digits\]\(data:image/png;base64,[\w+/=]+\)\n\nSome \*digits\*\.", figure)


def test_the_stored_benchmark_is_quoted_as_on_its_page(index: Index) -> None:
    made = plain("On {bench}`machine`.\n\n```{bench} steps\n```", index).split("\n")
    assert re.match(r"On .+ \(\d+ threads; .+\)\.", made[0])
    assert made[2].startswith("| Network | Batch |")
    assert len({line.count("|") for line in made[2:]}) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{strange}`x`", "no plain form of a role named 'strange'"),
        (":::{strange}\nx\n:::", "no plain form of a directive named 'strange'"),
        ("{glue:text}`missing`", "no value glued in the run named 'missing'"),
        ("{term}`missing`", "no term named 'missing'"),
        ("{cite:t}`missing`", "no entry of references.bib named 'missing'"),
        ("{eq}`missing`", "no equation named 'missing'"),
        ("[](missing.md)", "'missing.md', which is no page of the book"),
        ("{{ missing }}", "no substitution named 'missing'"),
    ],
)
def test_what_has_no_plain_form_is_refused_by_name(text: str, message: str, index: Index) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        plain(text, index)


def test_every_role_and_directive_of_the_book_has_a_plain_form() -> None:
    texts = [code.source for path in chapters() for code in read(path).cells if code.cell_type == "markdown"]
    used = re.findall(r"^ *(?:`{3,}|:{3,})\{([\w:-]+)\}", "\n".join(texts), re.M)
    assert set(used) <= set(DIRECTIVES)
    assert set(re.findall(r"\{([\w:+.-]+)\}`[^`]", "\n".join(texts))) <= set(ROLES)
