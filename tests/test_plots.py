"""Pictures: pixels where they belong, means and bands of the right numbers, values that the prose can quote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from tgan_lib import plots
from tgan_lib.tables import bars


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_floats_and_bytes_make_the_same_pixels() -> None:
    images = torch.tensor([-1.0, -0.5, 0.0, 1.0]).reshape(1, 1, 2, 2)
    array = plots.to_array(images)
    assert array.shape == (1, 2, 2, 3)
    assert array[0, :, :, 0].tolist() == [[0, 64], [128, 255]]
    assert np.array_equal(array, plots.to_array(torch.from_numpy(array[..., 0])[:, None]))
    assert plots.to_array(torch.full((1, 3, 2, 2), 7.0)).max() == 255  # out of range is cut, not wrapped


def test_a_grid_goes_left_to_right_and_its_gaps_are_clear() -> None:
    images = torch.arange(5, dtype=torch.uint8).reshape(5, 1, 1, 1).expand(5, 1, 2, 2) * 10
    sheet = plots.tile(images, columns=3, gap=1)
    assert sheet.shape == (5, 8, 4)
    assert [sheet[0, x, 0] for x in (0, 3, 6)] == [0, 10, 20]
    assert [sheet[3, x, 0] for x in (0, 3)] == [30, 40]
    assert (sheet[2, :, 3] == 0).all()  # the gap between rows
    assert (sheet[3:, 6:, 3] == 0).all()  # no sixth image
    assert (sheet[:2, :2, 3] == 255).all()


def test_curves_show_the_mean_and_the_whole_range() -> None:
    ax = plots.curves(
        {"a": ([1, 2], [[1.0, 4.0], [3.0, 8.0]]), "b": ([1, 2], [[5.0, 5.0]])}, xlabel="x", ylabel="y"
    )
    assert ax.lines[0].get_ydata().tolist() == [2.0, 6.0]
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 8.0)
    assert len(ax.collections) == 1  # one seed has no band
    assert [text.get_text() for text in ax.texts] == ["a", "b"]  # each at the end of its line
    assert [text.get_color() for text in ax.texts] == [line.get_color() for line in ax.lines]
    assert ax.lines[0].get_marker() != ax.lines[1].get_marker()  # told apart without colour


def test_grids_stand_side_by_side_under_their_titles() -> None:
    grids = {f"step {i}": torch.zeros(4, 1, 3, 3) for i in range(3)}
    figure = plots.show_grids(grids, columns=2, across=2)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["step 0", "step 1", "step 2", ""]


def test_mean_and_range_of_numbers_however_they_come() -> None:
    assert plots.mean_range([25.4, 25.7, 26.0]) == "25.7 (25.4 to 26.0)"
    assert (
        plots.mean_range(torch.tensor([[1000.0, 3000.0]], requires_grad=True), ",.0f")
        == "2,000 (1,000 to 3,000)"
    )
    assert plots.mean_range(np.array([1, 2]), "+.2f", unit=" %") == "+1.50 % (+1.00 to +2.00)"
    assert plots.mean_range([-1, 2], "+.1f") == "+0.5 (−1.0 to +2.0)", "a true minus"
    with pytest.raises(ValueError, match="no numbers here"):
        plots.mean_range([])


ROWS = {
    "plain": {"distance": [2.0, 4.0], "cost": 1.0, "steps": 12345},
    "a <b>": {"distance": np.array([3.0, 3.0]), "cost": 1.5, "steps": "none"},
    "other": {"distance": [5.0, 6.0], "cost": float("nan")},
}


def test_a_table_says_what_it_shows_in_html_and_in_text() -> None:
    found = plots.table(
        ROWS,
        caption="Ends",
        corner="way",
        form={"distance": ".1f"},
        units={"cost": "ms"},
        best={"distance": "least"},
    )
    assert found.cell("plain", "distance") == "3.0 (2.0 to 4.0)"
    assert found.cell("plain", "steps") == "12,345"
    assert found.cell("other", "steps") == ""
    text = repr(found).splitlines()
    assert text[0] == "Ends (*: best of its column)"
    assert text[1].split() == ["way", "distance", "cost", "(ms)", "steps"]
    assert text[2].endswith("3.0 (2.0 to 4.0) *       1.00  12,345")
    assert "3.0 (3.0 to 3.0) *" in text[3]  # its equal
    assert "*" not in text[4]
    html = found._repr_html_()
    assert html.count('scope="col"') == 4
    assert html.count('scope="row"') == 3
    assert "<caption>Ends (*: best of its column)</caption>" in html
    assert '<th scope="row">a &lt;b&gt;</th>' in html
    assert '<th scope="col">cost (ms)</th>' in html
    assert '<td>3.0 <span style="white-space: nowrap">(2.0 to 4.0) *</span><' in html, "a range on one line"


def test_a_table_refuses_what_it_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"no column of this table named 'cots' \(did you mean 'cost'\?\)"):
        plots.table(ROWS, caption="", units={"cots": "ms"})
    with pytest.raises(ValueError, match="no way to be best named 'first'"):
        plots.table(ROWS, caption="", best={"cost": "first"})
    with pytest.raises(ValueError, match="no row of this table named 'plan'"):
        plots.table(ROWS, caption="").cell("plan", "cost")
    with pytest.raises(ValueError, match="no column of this table named 'n'"):
        plots.table(ROWS, caption="").cell("plain", "n")


@pytest.mark.parametrize(
    ("value", "words"), [(12345, "'12,345'"), (0.12345, "'0.123'"), ("27 %", "'27 %'"), ("1,234", "'1,234'")]
)
def test_glued_values_are_quoted_words(monkeypatch: pytest.MonkeyPatch, value: Any, words: str) -> None:
    shown: list[tuple[dict[str, str], dict[str, Any]]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: shown.append((data, metadata)))
    assert plots.glue("n", value) == value
    prefix = "application/papermill.record/"
    assert shown == [({f"{prefix}text/plain": words}, {"scrapbook": {"name": "n", "mime_prefix": prefix}})]


def test_the_style_leaves_the_ground_clear() -> None:
    plots.use_style()
    figure, ax = plt.subplots()
    assert figure.get_facecolor()[3] == 0
    assert ax.get_facecolor()[3] == 0


def test_ranges_are_bars_in_the_range_of_their_column() -> None:
    rows = {"a": {"d": [0.0, 1.0], "n": 3, "x": [5.0, 5.0]}, "b": {"d": [2.0, 4.0], "n": 4, "x": "none"}}
    assert bars(rows) == {("a", "d"): (0.0, 0.125, 0.25), ("b", "d"): (0.5, 0.75, 1.0)}
    html = plots.table(rows, caption="")._repr_html_()
    assert html.count('class="range-bar"') == 2
    assert "left:50.0%;width:50.0%" in html
    assert "left:calc(75.0% - 1px)" in html
    assert bars({"a": {"d": [1.0, 1.0]}, "b": {"d": [1.0, 1.0]}}) == {}  # without a spread there is no place
    assert bars({"a": {"d": [1.0, float("nan")]}, "b": {"d": [1.0, 2.0]}}) == {}
