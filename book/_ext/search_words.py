"""Search that finds parts of Chinese words, lists a page once, and ranks pages by what they say.

Sphinx's English search takes a run of Chinese characters for one word and finds only the whole of it. Here a run is
known by its characters and by its pairs of neighbours, and a query is cut the same way. Sphinx's index knows which
pages have a word, but not how much of it; so we count the words of each page's prose (code and formulas aside) and
write their weights to a script of their own, which only the search page loads (search_once.js uses them).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search import SearchLanguage
from sphinx.search.en import SearchEnglish

WORDS = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")
QUESTIONS = (
    "can did do does how i my our we what when where which who why you your"  # they tell no page from another
)
NO_PROSE = (nodes.literal_block, nodes.math, nodes.math_block, nodes.comment, nodes.raw)
WEIGHTS = "search_weights.js"


class EnglishAndChinese(SearchEnglish):
    """English words with their stems; Chinese by character and by pair."""

    lang = "en-zh"
    stopwords = SearchEnglish.stopwords | set(QUESTIONS.split())
    js_splitter_code = r"""
var splitQuery = (query) => (query.match(/[\u3400-\u9fff]+|(?:(?![\u3400-\u9fff])[\p{Letter}\p{Number}_])+/gu) || [])
  .flatMap((word) => /^[\u3400-\u9fff]{2,}$/.test(word)
    ? [...word].slice(1).map((second, i) => word[i] + second) : [word]);
"""

    def split(self, input: str) -> list[str]:
        found = []
        for word in WORDS.findall(input):
            if "\u3400" <= word[0] <= "\u9fff":
                found += [*word, *(word[i : i + 2] for i in range(len(word) - 1))]
            else:
                found.append(word)
        return found


def prose(node: nodes.Node) -> Iterator[str]:
    """The texts below a node, without those of code and formulas."""
    if isinstance(node, nodes.Text):
        yield node.astext()
    elif not isinstance(node, NO_PROSE):
        for child in node.children:
            yield from prose(child)


def weigh(page: nodes.Node, language: SearchLanguage) -> dict[str, int]:
    """How much a page has to say of each stem, 1 to 17: up to 10 for how often it stands in its prose (a section's
    title counts as four times), and 7 if it stands in the page's title.
    """

    def stems(node: nodes.Node) -> list[str]:
        words = (word.lower() for text in prose(node) for word in language.split(text))
        return [language.stem(word) for word in words if language.word_filter(word)]

    count = Counter(stems(page))
    title, *sections = [stems(node) for node in page.findall(nodes.title)] or [[]]
    for section in sections:
        count.update(3 * section)
    return {stem: round(10 * n / (n + 3)) + 7 * (stem in title) for stem, n in count.items()}


def keep(app: Sphinx, doctree: nodes.document) -> None:
    app.env.metadata[app.env.docname]["words"] = weigh(doctree, EnglishAndChinese({}))


def script(pages: dict[str, dict[str, int]]) -> str:
    """The weights of all pages as a script: for each stem, the numbers of its pages and its weights there by turns."""
    names, words = sorted(pages), dict[str, list[int]]()
    for number, name in enumerate(names):
        for stem, weight in pages[name].items():
            words.setdefault(stem, []).extend((number, weight))
    found = {"pages": names, "words": dict(sorted(words.items()))}
    return f"var searchWeights = {json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n"


def write(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        pages = {name: about["words"] for name, about in app.env.metadata.items() if "words" in about}
        (Path(app.outdir) / "_static" / WEIGHTS).write_text(script(pages), encoding="utf-8")


def choose(app: Sphinx, config: Config) -> None:
    config.html_search_language = EnglishAndChinese.lang


def load(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if pagename == "search":
        app.add_js_file(WEIGHTS, priority=890)
        app.add_js_file("search_once.js", priority=900)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_search_language(EnglishAndChinese)
    app.connect("config-inited", choose)
    app.connect("doctree-read", keep)
    app.connect("html-page-context", load)
    app.connect("build-finished", write)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
