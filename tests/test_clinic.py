"""Chapter 7's patients: a fault changes the words it names and nothing else, and what is stored is of this code."""

from __future__ import annotations

import difflib

import pytest
import torch

from tgan_lib import clinic, data, stored

EVERY = clinic.FAULTS | clinic.TWINS


@pytest.fixture(scope="module")
def images() -> data.Images:
    return data.load("glyphs", size=clinic.SIZE, limit=200, device="cpu")


@pytest.mark.parametrize("name", EVERY)
def test_a_fault_changes_few_lines_of_one_part(name: str) -> None:
    fault = EVERY[name]
    healthy, broken = (clinic.source(fault.part, f).splitlines() for f in (None, fault))
    changed = [line for line in difflib.ndiff(healthy, broken) if line[0] in "+-"]
    assert 1 <= len(changed) <= 4
    found = clinic.parts(fault)
    assert [part for part in clinic.PARTS if found[part] is not clinic.PARTS[part]] == [fault.part]


@pytest.mark.parametrize("name", EVERY)
def test_every_patient_runs(name: str, images: data.Images) -> None:
    course = clinic.treat(images, EVERY[name], steps=4, seed=0, readings=2)
    assert {len(curve) for curve in course.curves.values()} == {2}
    assert course.samples.shape == course.shown.shape == (16, 1, 16, 16)


def test_a_treatment_can_be_repeated_and_leaves_the_random_state_alone(images: data.Images) -> None:
    before = torch.get_rng_state()
    one, other = (clinic.treat(images, critic=True, steps=4, seed=3, readings=2) for _ in range(2))
    assert one.curves == other.curves
    assert torch.equal(before, torch.get_rng_state())


def test_a_missing_detach_is_harmless_where_gradients_are_cleared_in_between(images: data.Images) -> None:
    swaps = clinic.FAULTS["no detach"].swaps | {"    g_loss = ": "    g_adam.zero_grad()\n    g_loss = "}
    cleared = clinic.treat(images, clinic.Fault("turn", swaps), steps=6, seed=0, readings=2)
    assert cleared.curves == clinic.treat(images, steps=6, seed=0, readings=2).curves


def test_words_that_are_not_there_cannot_be_swapped() -> None:
    with pytest.raises(ValueError, match="does not stand in the part 'turn'"):
        clinic.source("turn", clinic.Fault("turn", {"no such words": ""}))


def test_steps_are_a_multiple_of_the_readings(images: data.Images) -> None:
    with pytest.raises(ValueError, match="steps is 30 and readings 20"):
        clinic.treat(images, steps=30, seed=0)


def test_the_stored_courses_are_of_this_code_and_complete() -> None:
    ward = clinic.Ward(stored.results("clinic"))
    assert ward.settings["code"] == clinic.fingerprint()
    for name in ("healthy", "healthy again", "healthy critic", *EVERY):
        for curve in clinic.CURVES:
            assert ward.curves(name, curve).shape == (3, ward.settings["readings"])
        if name != "healthy again":
            assert ward.samples(name, "shown").shape == (16, 1, 16, 16)
    assert ward.apart("healthy", "d_loss", "healthy") == 0
    assert ward.apart("same labels", "d_loss", "healthy") == 1
