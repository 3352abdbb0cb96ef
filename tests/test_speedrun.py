"""The speedrun holds to its rules: the clock stands while it measures, one reading ends a run, claims are tested."""

from __future__ import annotations

import json
from dataclasses import replace
from math import atan, pi, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from extensions import extension
from scipy import stats

from tgan_lib.bench import __main__ as command
from tgan_lib.bench import speedrun, speedrun_records
from tgan_lib.bench.speedrun import ENTRANTS, Entrant, Readings, Rules
from tgan_lib.bench.speedrun_records import first_at, p_below, ratio_of_means, ratios, records
from tgan_lib.data import Images, load
from tgan_lib.gan import GAN

STORED = Path(__file__).resolve().parents[1] / "book" / "results" / "speedrun.json"
# A level that the first reading is under, and one that none is.
EASY, NEVER = Rules(level=1e9, samples=40), Rules(level=-1.0, samples=40)


def tiny(entrant: Entrant) -> Entrant:
    """The entrant with a small network and batch, two readings of two steps."""
    small = {"latent_dim": 8, "width": 4}
    return replace(
        entrant, gan=entrant.gan | small, train=entrant.train | {"batch_size": 8}, every=2, steps=4
    )


TINY = {name: tiny(entrant) for name, entrant in ENTRANTS.items()}


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=64, device="cpu")


def content_of(
    seconds: dict[str, list[float | None]], level: float = 10.0, devices: tuple[str, ...] = ("CPU",)
) -> dict[str, Any]:
    """What a file holds, of runs with these seconds (None: not reached), the devices in turns."""
    origin = {"date": "2026-01-02", "commit": "abc"}
    return {
        "rules": {"level": level, "seeds": 3, "p": 0.01},
        "entrants": {name: {"who": name, "claim": 50.0} for name in seconds},
        "provenance": [origin | {"device": device} for device in devices],
        "runs": [
            {
                "entrant": name,
                "seed": seed,
                "provenance": seed % len(devices),
                "curve": [[5, 1.0, 2.0, level + 1]]
                + ([] if took is None else [[10, took, 2 * took, level - 1]]),
            }
            for name, all_seconds in seconds.items()
            for seed, took in enumerate(all_seconds)
        ],
    }


def test_the_first_reading_at_or_below_the_level_ends_a_run() -> None:
    curve = [[1, 0.1, 0.1, 30.0], [2, 0.2, 0.2, 10.0], [3, 0.3, 0.3, 20.0], [4, 0.4, 0.4, 5.0]]
    assert first_at(curve, 10.0) == curve[1]
    assert first_at(curve, 9.9) == curve[3]
    assert first_at(curve, 4.9) is None
    assert first_at([], 10.0) is None


def test_the_p_value_is_that_of_students_test() -> None:
    # two numbers: one degree of freedom, whose distribution is Cauchy's
    at = (3.0 - 5.0) / (sqrt(2.0) / sqrt(2))
    assert p_below([2.0, 4.0], 5.0) == pytest.approx(0.5 + atan(at) / pi)
    many = [9.1, 8.7, 10.2, 9.9, 8.8]
    assert p_below(many, 10.0) == pytest.approx(stats.ttest_1samp(many, 10.0, alternative="less").pvalue)
    assert p_below(many, 8.0) > 0.9
    assert p_below([3.0, 3.0], 3.5) == 0.0
    assert p_below([3.0, 3.0], 3.0) == 1.0


def test_the_ratios_interval_ends_where_fieller_says() -> None:
    slow, quick = [80.0, 95.0, 100.0, 88.0], [9.0, 11.0, 10.5, 8.5]
    ratio, low, high = ratio_of_means(slow, quick)
    assert ratio == pytest.approx(sum(slow) / sum(quick))
    assert low < ratio < high
    at = stats.t.ppf(0.975, 3)
    for end in (low, high):
        differences = sum(slow) / 4 - end * sum(quick) / 4
        error = sqrt(stats.tvar(slow) / 4 + end**2 * stats.tvar(quick) / 4)
        assert abs(differences) == pytest.approx(at * error)
    assert ratio_of_means(slow, [1.0, 100.0])[1:] == (0.0, float("inf"))


def test_a_claim_needs_its_seeds_and_all_of_them_at_the_level() -> None:
    good = [20.0, 21.0, 19.0]
    (row,) = records(content_of({"a": good}))
    assert row["holds"]
    assert (row["n"], row["reached"], row["seconds"]) == (3, 3, [20.0, 1.0])
    assert (row["wall"], row["steps"], row["commits"]) == ([40.0, 2.0], [10, 0.0], ["abc"])
    assert row["p"] == pytest.approx(stats.ttest_1samp(good, 50.0, alternative="less").pvalue)
    assert not records(content_of({"a": good[:2]}))[0]["holds"]  # two of three seeds
    assert not records(content_of({"a": [49.0, 51.0, 49.5]}))[0][
        "holds"
    ]  # under the claim, by chance perhaps
    (row,) = records(content_of({"a": [*good, None]}))
    assert (row["n"], row["reached"], row["p"], row["holds"]) == (4, 3, None, False)
    assert "seconds" not in row


def test_runs_of_two_devices_are_two_records_and_no_ratio_mixes_them() -> None:
    content = content_of({"a": [80.0, 10.0, 90.0, 20.0], "b": [8.0, 4.0, 9.0, 5.0]}, devices=("CPU", "other"))
    assert [(r["entrant"], r["device"], r["n"]) for r in records(content)] == [
        (name, device, 2) for name in "ab" for device in ("CPU", "other")
    ]
    assert [(r["entrant"], r["over"], r["ratio"]) for r in ratios(content)] == [
        ("b", "a", 10.0),
        ("b", "a", 3.33),
    ]
    assert ratios(content_of({"a": [80.0, None], "b": [8.0, 9.0]})) == []
    (wide,) = ratios(content_of({"a": [80.0, 90.0], "b": [1.0, 100.0]}))
    assert (wide["low"], wide["high"]) == (0.0, None)


def test_the_clock_stands_while_something_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    for name, rate in {"process_time": 1.0, "perf_counter": 3.0}.items():
        monkeypatch.setattr(speedrun.time, name, lambda rate=rate: rate * now[0])
    distances = iter([7.00049, 3.0])

    def metric(gan: GAN) -> float:
        now[0] += 100.0
        return next(distances)

    readings = Readings(metric, every=20)
    now[0] = 50.0
    readings.start()  # what came before is not counted
    for _ in range(2):
        now[0] += 2.0
        readings(GAN.build("mlp", size=28, width=4, device="cpu"))
    assert readings.curve == [[20, 2.0, 6.0, 7.0], [40, 4.0, 12.0, 3.0]]


@pytest.mark.parametrize("name", TINY)
def test_a_run_ends_at_the_level_or_when_it_is_given_up(name: str, digits: Images, tmp_path: Path) -> None:
    for rules, steps in ((EASY, [2]), (NEVER, [2, 4])):
        out = tmp_path / f"{rules.level}.json"
        content = speedrun.run(out, rules, TINY, [name], 1, digits)
        (run,) = content["runs"]
        assert [reading[0] for reading in run["curve"]] == steps
        assert run["curve"][0][1] > 0


def test_what_is_judged_is_the_classic_generator_itself(
    digits: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def metric(gan: GAN) -> float:
        pairs = zip(gan.ema.state_dict().values(), gan.generator.state_dict().values(), strict=True)
        seen.append(all(torch.equal(a, b) for a, b in pairs))
        return 1.0

    for name, entrant in TINY.items():
        speedrun.WAYS[entrant.way](entrant, digits, Readings(metric, 2), 0.0, 0)
        assert seen == [name == "classic"] * 2
        seen.clear()


def test_it_goes_on_with_the_runs_that_are_missing(
    digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ran = tmp_path / "speedrun.json", []
    ways = dict(speedrun.WAYS)

    def noted(entrant: Entrant, images: Images, readings: Readings, level: float, seed: int) -> None:
        ran.append((entrant.way, seed))
        if (entrant.way, seed) == ("train", 1) and len(ran) < 5:
            raise KeyboardInterrupt
        ways[entrant.way](entrant, images, readings, level, seed)

    monkeypatch.setattr(speedrun, "WAYS", dict.fromkeys(ways, noted))
    with pytest.raises(KeyboardInterrupt):
        speedrun.run(out, EASY, TINY, list(TINY), 2, digits)
    assert ran == [("classic", 0), ("train", 0), ("classic", 1), ("train", 1)]  # they take turns
    before = json.loads(out.read_text())
    assert len(before["runs"]) == 3
    speedrun.run(out, EASY, TINY, list(TINY), 2, digits)
    assert ran[4:] == [("train", 1)]
    after = json.loads(out.read_text())
    assert after["runs"][:3] == before["runs"]
    assert [(r["entrant"], r["seed"]) for r in after["runs"]] == [(n, s) for s in (0, 1) for n in TINY]
    assert after["records"] == records(after)
    assert {"device", "versions", "date", "threads", "commit", "script", "library"} <= after["provenance"][
        0
    ].keys()


def test_runs_by_other_rules_or_with_other_settings_are_refused(digits: Images, tmp_path: Path) -> None:
    out = tmp_path / "speedrun.json"
    speedrun.run(out, EASY, TINY, ["ours"], 1, digits)
    with pytest.raises(SystemExit, match="was run by the rules"):
        speedrun.opened(out, NEVER, TINY)
    slower = replace(TINY["ours"], claim=99.0)
    with pytest.raises(SystemExit, match="'ours' with other settings"):
        speedrun.opened(out, EASY, TINY | {"ours": slower})
    joined = speedrun.opened(out, EASY, TINY | {"yours": slower, "classic": slower})
    assert list(joined["entrants"]) == [*TINY, "yours"]  # a newcomer, and one that has not run, are welcome


def test_the_command_refuses_what_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for words, said in ((["--entrant", "our"], "our"), (["--seeds", "0"], "--seeds is 0")):
        monkeypatch.setattr("sys.argv", ["bench", "speedrun", "--out", str(tmp_path / "x.json"), *words])
        with pytest.raises(SystemExit):
            command.main()
        assert said in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()


def test_what_is_stored_was_run_by_the_rules_that_the_page_states() -> None:
    content = json.loads(STORED.read_text())
    assert content["rules"] == vars(Rules())
    assert content["entrants"].keys() >= ENTRANTS.keys()
    assert content["records"] == json.loads(json.dumps(records(content)))
    assert content["ratios"] == ratios(content)
    for run in content["runs"]:
        entrant = content["entrants"][run["entrant"]]
        steps = [reading[0] for reading in run["curve"]]
        assert steps == [entrant["every"] * (i + 1) for i in range(len(steps))]
        assert all(reading[3] > content["rules"]["level"] for reading in run["curve"][:-1])
    assert speedrun_records.runs_of(content, "nobody", "CPU") == []


def test_the_page_shows_what_was_stored() -> None:
    page = extension("speedrun")
    content = content_of({"classic": [80.0, 90.0], "ours": [8.0, 9.0]})
    for name, entrant in content["entrants"].items():
        entrant |= {"gan": {"network": name}, "train": {"betas": [0.5, 0.9]}, "every": 5}
    content["provenance"][0]["threads"] = 1
    content |= {"records": records(content), "ratios": ratios(content)}
    head, body = page.records_table(content)
    assert {len(row) for row in body} == {len(head)}
    assert body[1][1:9] == [
        "ours",
        "ours",
        "CPU; 1 thread",
        "8.5 ± 0.7",
        "17.0 ± 1.4",
        "10",
        "under 50 s",
        "2 of 3",
    ]
    assert body[1][10] == "not yet"  # three seeds are needed, however small the p
    assert "ours arrives 10.0 times as soon as classic" in page.said("ratios", content)
    assert "2 seeds" in page.said("ratios", content)
    assert "a claim needs 3" in page.said("ratios", content)
    assert page.said("level", content) == "10"
    assert page.settings_table(content)[1][1] == ["ours", "network ours", "betas [0.5, 0.9]", "5"]
    lines = page.curves_figure(content).axes[0].lines
    assert [len(line.get_xdata()) for line in lines] == [2, 2, 2, 2, 2]
    missed = content_of({"classic": [80.0, 90.0, None]})
    missed["provenance"][0]["threads"] = 1
    row = page.records_table(missed | {"records": records(missed)})[1][0]
    assert row[4:7] == ["not yet"] * 3
    assert row[8:11] == ["3, 1 not at the level", "none", "no"]


def test_small_probabilities_are_powers_of_ten() -> None:
    said = extension("speedrun").probability
    assert [said(p) for p in (0.2, 0.004, 0.0004, 3e-9, 0.0, None)] == [
        "0.200",
        "0.004",
        "under 10^-3",
        "under 10^-8",
        "under 10^-12",
        "none",
    ]
