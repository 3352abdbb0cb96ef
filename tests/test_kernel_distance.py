"""Kernel distance against its definition, its expectation and torch-fidelity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tgan_lib.data import load
from tgan_lib.features import extract, load_features
from tgan_lib.metrics import kernel_distance


def glyph_features(domain: str, n: int) -> Tensor:
    return extract(
        load_features("mnist-v1", "cpu"), load(f"glyphs:{domain}", size=28, limit=n, device="cpu").data
    )[0]


def squared_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """One pair at a time, from the definition."""

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    aa = np.mean([k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    bb = np.mean([k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    return float(aa + bb - 2 * np.mean([k(x, y) for x in a for y in b]))


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 12),
    d=st.integers(1, 8),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=25, deadline=None)
def test_kernel_distance_is_its_definition(seed: int, n: int, d: int, dtype: torch.dtype) -> None:
    a, b = torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    found = kernel_distance(a, b + 0.5, subsets=2, subset_size=n)  # all of them, in two orders
    assert found.mean == pytest.approx(
        squared_mmd(a.double().numpy(), (b + 0.5).double().numpy()), rel=1e-9, abs=1e-9
    )
    assert found.std == pytest.approx(0, abs=1e-9)


def test_kernel_distance_agrees_with_torch_fidelity_on_the_same_features() -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    a, b = glyph_features("digits", 300).double(), glyph_features("letters", 300).double()
    options: dict[str, Any] = {"kid_subsets": 1, "kid_subset_size": 300, "verbose": False}
    theirs = kid_features_to_metric(a, b, **options)
    ours = kernel_distance(a.float(), b.float(), subsets=1, subset_size=300)
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6, abs=1e-4)
    options |= {"kid_subsets": 200, "kid_subset_size": 60}
    theirs = kid_features_to_metric(a, b, **options)
    ours = kernel_distance(a, b, subsets=200, subset_size=60)
    spread = theirs["kernel_inception_distance_std"]
    assert ours.std == pytest.approx(spread, rel=0.3)
    assert ours.mean == pytest.approx(
        theirs["kernel_inception_distance_mean"], abs=5 * spread / math.sqrt(200)
    )


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_kernel_distance_has_no_bias(shift: float) -> None:
    """In one dimension (xy + 1)^3 compares the raw moments: its distance is 3 dm1^2 + 3 dm2^2 + dm3^2."""
    rng = torch.Generator().manual_seed(0)
    n, draws = 30, 3000
    found = torch.tensor(
        [
            kernel_distance(
                torch.randn(n, 1, generator=rng), torch.randn(n, 1, generator=rng) + shift,
                subsets=1, subset_size=n,
            ).mean
            for _ in range(draws)
        ]
    )  # fmt: skip
    expected = 3 * shift**2 + 3 * shift**4 + (3 * shift + shift**3) ** 2
    error = float(found.std()) / math.sqrt(draws)
    assert abs(float(found.mean()) - expected) < 4 * error
    assert error < 0.15  # a bias of 54 / n, that of counting i = j, would show
    assert (found < 0).any()  # so small sets may look nearer than they are, and it is not cut off at 0


def test_kernel_distance_depends_on_the_seed_alone_and_says_what_is_wrong() -> None:
    a, b = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0))
    first = kernel_distance(a, b, subsets=5, subset_size=20)
    assert first == kernel_distance(a, b, subsets=5, subset_size=20)
    assert first != kernel_distance(a, b, subsets=5, subset_size=20, seed=1)
    assert kernel_distance(a, b, subsets=1, subset_size=20).std == 0
    with pytest.raises(ValueError, match="100 subsets of 1000 were asked for, from 50 and 50"):
        kernel_distance(a, b)
    with pytest.raises(ValueError, match="subsets is 0"):
        kernel_distance(a, b, subsets=0, subset_size=10)
    with pytest.raises(ValueError, match=r"\(50, 3\) and \(50, 2\)"):
        kernel_distance(a, b[:, :2], subset_size=10)
    with pytest.raises(ValueError, match="NaN or infinity"):
        kernel_distance(a, b / 0, subset_size=10)
