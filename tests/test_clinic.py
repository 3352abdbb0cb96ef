"""Chapter 7's patients: a fault changes the words it names and nothing else, and what is stored is of this code."""

from __future__ import annotations

import dataclasses
import difflib

import pytest
import torch

from tgan_lib import data
from tgan_lib.chapters import clinic
from tgan_lib.results import results

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


def test_noise_in_place_of_data_shows_d_the_shape_of_a_batch_and_nothing_of_it(images: data.Images) -> None:
    fault = clinic.FAULTS["noise for data"]
    assert "return torch.randn(pixels.shape)" in clinic.source("real_images", fault)
    healthy, broken = (clinic.parts(f)["real_images"] for f in (None, fault))
    pixels = images.data[:32]
    assert healthy(pixels).aminmax() == (-1, 1)
    assert torch.equal(healthy(pixels), healthy(pixels))
    torch.manual_seed(0)
    one, other = broken(pixels), broken(pixels)
    assert one.shape == healthy(pixels).shape
    assert one.dtype == healthy(pixels).dtype
    assert not torch.equal(one, other)  # the same images, and other noise
    assert 0.30 < (one.abs() > 1).float().mean() < 0.34  # beyond a tanh


def test_a_training_on_noise_is_the_same_whatever_the_images(images: data.Images) -> None:
    def curves(fault: clinic.Fault | None, shown: data.Images) -> dict[str, list[float]]:
        return clinic.treat(shown, fault, steps=4, seed=0, readings=2).curves

    fault, negative = clinic.FAULTS["noise for data"], dataclasses.replace(images, data=255 - images.data)
    assert curves(fault, images) == curves(fault, negative)
    assert curves(None, images) != curves(None, negative)
    assert curves(fault, images) != curves(None, images)


def test_a_patients_number_is_its_place_and_the_sister_stands_behind_them() -> None:
    names = list(clinic.FAULTS)
    assert names[1] == "out of reach"
    assert names[10:] == ["no zero_grad", "noise for data"]  # the open question's, and the second's sister


def test_words_that_are_not_there_cannot_be_swapped() -> None:
    with pytest.raises(ValueError, match="does not stand in the part 'turn'"):
        clinic.source("turn", clinic.Fault("turn", {"no such words": ""}))


def test_steps_are_a_multiple_of_the_readings(images: data.Images) -> None:
    with pytest.raises(ValueError, match="steps is 30 and readings 20"):
        clinic.treat(images, steps=30, seed=0)


def test_the_stored_courses_are_of_this_code_and_complete() -> None:
    ward = clinic.Ward(results("clinic"))
    assert ward.settings["code"] == clinic.fingerprint()
    for name in ("healthy", "healthy again", "healthy critic", *EVERY):
        for curve in clinic.CURVES:
            assert ward.curves(name, curve).shape == (3, ward.settings["readings"])
        if name != "healthy again":
            assert ward.samples(name, "shown").shape == (16, 1, 16, 16)
    assert ward.apart("healthy", "d_loss", "healthy") == 0
    assert ward.apart("same labels", "d_loss", "healthy") == 1


def test_the_sisters_chart_is_the_second_patients_but_for_gs_gradients() -> None:
    ward = clinic.Ward(results("clinic"))
    sisters = ("out of reach", "noise for data")
    for name in sisters:
        assert ward.curves(name, "d_loss")[:, 2:].mean() < 0.05
        assert ward.curves(name, "g_loss")[:, -1].min() > 10
    dead, alive = (ward.curves(name, "g_grad")[:, -1] for name in sisters)
    assert dead.max() < 1 < alive.min()
    pattern = ward.samples("noise for data", "shown").float() / 127.5 - 1
    assert pattern.std(0).mean() < 0.2 < pattern.mean(0).std()  # 16 samples are alike, and no even grey
