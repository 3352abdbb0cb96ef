"""What the site's search knows of its pages."""

from __future__ import annotations

from docutils import nodes
from extensions import extension

search = extension("search_words")


def test_chinese_is_searched_by_character_and_by_pair() -> None:
    assert search.EnglishAndChinese({}).split("D, 判别器 of_x") == [
        "D",
        "判",
        "别",
        "器",
        "判别",
        "别器",
        "of_x",
    ]


def test_a_pages_weights_are_of_its_prose_and_its_title_counts() -> None:
    page = nodes.section()
    page += nodes.title("", "Few images")
    page += nodes.section("", nodes.title("", "Methods"))
    page += nodes.paragraph("", "", nodes.Text("Which image? The image."), nodes.math("", "ratio"))
    page += nodes.literal_block("", "plt.show(image)")
    weights = search.weigh(page, search.EnglishAndChinese({}))
    assert weights == {"few": 9, "imag": 12, "method": 6}


def test_weights_are_written_by_stem() -> None:
    text = search.script({"b": {"imag": 3}, "a": {"imag": 12, "few": 9}})
    assert text == 'var searchWeights = {"pages":["a","b"],"words":{"few":[0,9],"imag":[0,12,1,3]}};\n'
