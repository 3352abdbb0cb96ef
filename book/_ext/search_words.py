"""Search that finds parts of Chinese words and lists a page once.

Sphinx's English search takes a run of Chinese characters for one word and finds only the whole of it. Here a run is
known by its characters and by its pairs of neighbours, and a query is cut the same way (search_once.js has the rest).
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.en import SearchEnglish

WORDS = re.compile(r"[\u3400-\u9fff]+|[^\W\u3400-\u9fff]+")


class EnglishAndChinese(SearchEnglish):
    """English words with their stems; Chinese by character and by pair."""

    lang = "en-zh"
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


def choose(app: Sphinx, config: Config) -> None:
    config.html_search_language = EnglishAndChinese.lang


def list_once(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if pagename == "search":
        app.add_js_file("search_once.js", priority=900)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(EnglishAndChinese)
    app.connect("config-inited", choose)
    app.connect("html-page-context", list_once)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
