"""The instrument for comparisons: what travels in an output, what is seen without scripts, what is refused."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tgan_lib.results import picture, results
from tgan_lib.widgets import inline
from tgan_lib.widgets.compare import Compare

AXES = {"way": ["plain", "a<b", "c"], "target": ["letters", "digits"], "images": ["10", "100"]}
RUNS = np.random.default_rng(0).uniform(
    20, 90, (3, 2, 2, 5)
)  # three ways, two targets, two numbers, five seeds
RECALL = np.arange(12.0).reshape(3, 2, 2) / 20
SAMPLES = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1, 1) * np.full((4, 6), 20, np.uint8)
BETTER = {"distance": "less", "recall": "more"}


def made(**options: Any) -> Compare:
    given = {"alt": "Ways.", "better": BETTER, "samples": SAMPLES, "log": ["distance"], **options}
    return Compare(
        given.pop("axes", AXES), given.pop("measures", {"distance": RUNS, "recall": RECALL}), **given
    )


def about(text: str) -> dict[str, Any]:
    found = re.search(r'data-about="([^"]*)"', text)
    assert found
    parsed: dict[str, Any] = json.loads(html.unescape(found[1]))
    return parsed


def image(address: str) -> np.ndarray:
    data = address.removeprefix("data:image/png;base64,")
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))


def test_each_state_has_mean_and_range_of_its_runs() -> None:
    sent = about(made()._repr_html_())["measures"]
    np.testing.assert_allclose(sent["distance"]["mean"], RUNS.mean(-1).ravel(), rtol=1e-4)
    np.testing.assert_allclose(sent["distance"]["low"], RUNS.min(-1).ravel(), rtol=1e-4)
    np.testing.assert_allclose(sent["distance"]["high"], RUNS.max(-1).ravel(), rtol=1e-4)
    assert (
        sent["recall"]["low"] == sent["recall"]["mean"] == sent["recall"]["high"] == RECALL.ravel().tolist()
    )
    assert (sent["distance"]["log"], sent["recall"]["log"]) == (True, False)
    assert (sent["distance"]["better"], sent["recall"]["better"]) == ("less", "more")


def test_whole_numbers_stay_whole() -> None:
    chart = made(measures={"distance": RUNS, "weights": np.full((3, 2, 2), 533_889)}, better=None)
    assert set(about(chart._repr_html_())["measures"]["weights"]["mean"]) == {533_889}
    assert "<td>533,889</td>" in chart.still()


def test_what_was_not_measured_is_none_and_no_number() -> None:
    some = RUNS.copy()
    some[1, 0, 1] = np.nan
    some[2, 1, 1, :4] = np.nan
    chart = made(measures={"distance": some, "recall": RECALL})
    mean = about(chart._repr_html_())["measures"]["distance"]["mean"]
    assert mean[5] is None
    assert mean[11] == pytest.approx(some[2, 1, 1, 4], rel=1e-4)
    assert chart.still().count("not measured") == 1


def test_the_samples_of_every_state_are_where_the_script_looks_for_them() -> None:
    text = made()._repr_html_()
    columns, rows = about(text)["sides"]
    [address] = re.findall(r'data-sheet="([^"]*)"', text)
    pixels = image(address)
    assert pixels.shape == (rows * 4, columns * 6)
    for i, tile in enumerate(SAMPLES.reshape(-1, 4, 6)):
        y, x = 4 * (i // columns), 6 * (i % columns)
        np.testing.assert_array_equal(pixels[y : y + 4, x : x + 6], tile)
    assert about(text)["size"] == [6, 4]


def test_without_scripts_there_are_tables_and_two_pictures() -> None:
    chart = made(start={"images": 1}, chosen=["c", "plain"])
    text = inline.without_tails(chart._repr_html_())
    assert "<script" not in text
    assert text.count("<table>") == 4
    assert text.count("<details open>") == 1
    assert "<details open><summary>target letters, images 100: mean (lowest to highest)</summary>" in text
    assert '<th scope="row">a&lt;b</th>' in text
    runs = RUNS[0, 0, 1]
    assert f"<td>{runs.mean():.1f} ({runs.min():.1f} to {runs.max():.1f})</td>" in text
    first, second = re.findall(r'<img src="([^"]*)"', text)
    np.testing.assert_array_equal(image(first), SAMPLES[2, 0, 1])
    np.testing.assert_array_equal(image(second), SAMPLES[0, 0, 1])
    assert 'alt="Samples of c, target letters, images 100"' in text


def test_the_face_off_fits_in() -> None:
    study = results("face_off")
    pairs, numbers, ways = (list(study.settings[name]) for name in ("pairs", "numbers", "ways"))

    def measured(what: str) -> np.ndarray:
        return np.array(
            [[[study.array(what, pair=p, n=n, way=w) for n in numbers] for p in pairs] for w in ways]
        )

    rows = picture("face_off").reshape(len(pairs), len(numbers), len(ways), 28, 4, 4, 28)
    samples = rows.transpose(2, 0, 1, 4, 3, 5, 6).reshape(len(ways), len(pairs), len(numbers), 112, 112)
    chart = Compare(
        {"way": ways, "pair": pairs, "images": [str(n) for n in numbers]},
        {"distance": measured("frechet"), "recall": measured("recall"), "copies": measured("copied")},
        alt="Twelve ways by distance and recall.",
        log=["distance"],
        samples=samples,
    )
    sent = about(chart._repr_html_())
    at = ways.index("ada") * len(pairs) * len(numbers) + numbers.index(100)
    found = study.array("frechet", pair=pairs[0], n=100, way="ada")
    assert sent["measures"]["distance"]["mean"][at] == pytest.approx(found.mean(), rel=1e-4)
    assert repr(chart) == "Compare(12 methods by distance, recall, copies)"
    assert len(chart._repr_html_()) < 300_000


def test_what_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(
        ValueError, match=r"recall is .* of shape \(3, 2\); finite numbers of shape \(3, 2, 2\)"
    ):
        made(measures={"distance": RUNS, "recall": np.ones((3, 2))})
    with pytest.raises(ValueError, match="1 measures of 3 methods; two of each"):
        made(measures={"distance": RUNS}, better=None)
    with pytest.raises(ValueError, match="recall has values of 0 or less"):
        made(log=["recall"])
    with pytest.raises(ValueError, match="no measure named 'recal'"):
        made(x="recal")
    with pytest.raises(ValueError, match="no method named 'd'"):
        made(chosen=["plain", "d"])
    with pytest.raises(ValueError, match="the names of two methods are right"):
        made(chosen=["plain", "plain"])
    with pytest.raises(ValueError, match="no word for what is better named 'low'"):
        made(better={"distance": "low"})
    with pytest.raises(ValueError, match=r"samples are uint8 of shape \(3, 2, 4, 6\)"):
        made(samples=SAMPLES[:, 0])
