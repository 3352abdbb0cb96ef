"""What the runs of a speedrun say: records, and how many times sooner one entrant arrives than another.

Plain functions of what `speedrun` stores: {"rules", "entrants", "provenance", "runs"}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from statistics import mean, stdev
from typing import Any

Reading = list[float]  # step, processor seconds, wall seconds, distance


def first_at(curve: Sequence[Reading], level: float) -> Reading | None:
    """The reading that ends a run: the first at or below the level. None if there is none."""
    return next((reading for reading in curve if reading[3] <= level), None)


def p_below(seconds: Sequence[float], claim: float) -> float:
    """One-sided t-test: how likely a mean this far below the claim is, were the true mean the claim."""
    from scipy.stats import t  # importing it takes a second

    spread = stdev(seconds) / sqrt(len(seconds))
    if spread == 0:
        return float(mean(seconds) >= claim)
    return float(t.cdf((mean(seconds) - claim) / spread, len(seconds) - 1))


def ratio_of_means(
    slow: Sequence[float], quick: Sequence[float], share: float = 0.95
) -> tuple[float, float, float]:
    """How many times `quick` fits into `slow`: the ratio of means, and Fieller's interval that holds `share`.

    The interval has the ratios r at which mean(slow) - r mean(quick) lies within t standard errors of 0 (Fieller
    1954), with the degrees of freedom of the smaller sample. It has no upper end where quick's mean may be 0.
    """
    from scipy.stats import t

    a, b = mean(slow), mean(quick)
    va, vb = stdev(slow) ** 2 / len(slow), stdev(quick) ** 2 / len(quick)
    at = float(t.ppf((1 + share) / 2, min(len(slow), len(quick)) - 1))
    g = at**2 * vb / b**2
    if g >= 1:
        return a / b, 0.0, float("inf")
    half = at / b * sqrt((1 - g) * va + (a / b) ** 2 * vb)
    return a / b, (a / b - half) / (1 - g), (a / b + half) / (1 - g)


def runs_of(content: Mapping[str, Any], name: str, device: str) -> list[dict[str, Any]]:
    """The runs of an entrant on a device."""
    return [
        run
        for run in content["runs"]
        if run["entrant"] == name and content["provenance"][run["provenance"]]["device"] == device
    ]


def records(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One record for each entrant and device that have runs: mean, standard deviation, n, p, whether the claim holds.

    A claim needs `Rules.seeds` runs that all reached the level, and a p below `Rules.p`.
    """
    rules, found = content["rules"], []
    for name, entrant in content["entrants"].items():
        for device in dict.fromkeys(p["device"] for p in content["provenance"]):
            runs = runs_of(content, name, device)
            if not runs:
                continue
            origins = [content["provenance"][run["provenance"]] for run in runs]
            ends = [end for run in runs if (end := first_at(run["curve"], rules["level"]))]
            row: dict[str, Any] = {
                "entrant": name,
                "who": entrant["who"],
                "device": device,
                "date": max(origin["date"] for origin in origins),
                "commits": list(dict.fromkeys(origin["commit"] for origin in origins)),
                "n": len(runs),
                "reached": len(ends),
                "claim": entrant["claim"],
                "p": None,
            }
            if len(ends) == len(runs) >= 2:
                for key, at in {"seconds": 1, "wall": 2, "steps": 0}.items():
                    row[key] = [round(of([end[at] for end in ends]), 2) for of in (mean, stdev)]
                row["p"] = p_below([end[1] for end in ends], entrant["claim"])
            row["holds"] = row["n"] >= rules["seeds"] and row["p"] is not None and row["p"] < rules["p"]
            found.append(row)
    return found


def ratios(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How many times sooner than the first entrant each other one arrives, where both ran on one device.

    "high" is None where the interval has no upper end.
    """
    first, *others = content["entrants"]
    found = []
    for row in records(content):
        if row["entrant"] in others and row["p"] is not None:
            slow, quick = (seconds(content, name, row["device"]) for name in (first, row["entrant"]))
            if slow:
                ratio, low, high = (round(r, 2) for r in ratio_of_means(slow, quick))
                named = {"entrant": row["entrant"], "over": first, "device": row["device"]}
                found.append(named | {"ratio": ratio, "low": low, "high": high if isfinite(high) else None})
    return found


def seconds(content: Mapping[str, Any], name: str, device: str) -> list[float]:
    """An entrant's seconds on a device; none unless two runs or more are there, and all reached the level."""
    ends = [first_at(run["curve"], content["rules"]["level"]) for run in runs_of(content, name, device)]
    return [end[1] for end in ends if end] if len(ends) >= 2 and all(ends) else []
