"""Fine-tuning a classifier: what is copied, what learns at which rate, what stands still, and the penalties."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tgan_lib.chapters import fine_tuning as ft
from tgan_lib.data import Images, to_float


def thin(seed: int = 0, classes: int = 3) -> ft.ResNet18:
    return ft.ResNet18(classes, width=4, seed=seed)


def some(n: int = 12, classes: int = 3) -> Images:
    pixels = torch.randint(
        0, 256, (n, 3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    names = tuple("abcdef"[:classes])
    return Images(pixels, torch.arange(n) % classes, names)


# What is taken over


@pytest.fixture(scope="module")
def torchvisions() -> nn.Module:
    from torchvision.models import resnet18

    torch.manual_seed(3)
    return resnet18(num_classes=1000)


def test_at_full_width_it_is_torchvisions_network_by_name_shape_and_value(torchvisions: nn.Module) -> None:
    net = ft.ResNet18(1000)
    theirs = torchvisions.state_dict()
    assert {n: t.shape for n, t in net.state_dict().items()} == {n: t.shape for n, t in theirs.items()}
    net.load_state_dict(theirs)
    x = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net.eval()(x), torchvisions.eval()(x))


def test_all_but_the_head_is_copied_and_the_copy_stands_alone() -> None:
    source, net = thin(seed=1, classes=5), thin(seed=2)
    head = net.fc.weight.detach().clone()
    start = ft.take_over(net, source.state_dict())
    for name, tensor in net.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(tensor, source.state_dict()[name])
    assert torch.equal(net.fc.weight, head)
    assert not any(name.startswith("fc.") for name in start)
    with torch.no_grad():
        net.conv1.weight.zero_()
    assert start["conv1.weight"].abs().sum() > 0
    assert source.conv1.weight.abs().sum() > 0


def test_weights_of_another_network_are_refused_and_nothing_is_copied() -> None:
    net = thin()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"'conv1.weight' has shape \(8, 3, 7, 7\), ours \(4, 3, 7, 7\); a network"
    ):
        ft.take_over(net, ft.ResNet18(3, width=8).state_dict())
    with pytest.raises(ValueError, match=r"have no 'conv1\.weight'; they are not those of a ResNet-18"):
        ft.take_over(net, {"features.0.weight": torch.zeros(1)})
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_imagenets_weights_are_read_from_torchs_cache_without_a_network(
    torchvisions: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    before = socket.getdefaulttimeout()
    folder = tmp_path / "hub" / "checkpoints"
    with pytest.raises(RuntimeError, match=r"ImageNet's weights could not be had \(.*no route"):
        ft.imagenet_state()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "resnet18-f37072fd.pth"
    saved = {n: t for n, t in torchvisions.state_dict().items() if "num_batches" not in n}  # as in old files
    torch.save(saved, file)
    found = ft.imagenet_state()
    assert found.keys() == saved.keys()
    net = ft.ResNet18(5)
    ft.take_over(net, found)
    assert torch.equal(net.layer4[1].conv2.weight, torchvisions.get_parameter("layer4.1.conv2.weight"))
    file.write_bytes(b"<html>a filter's page</html>")
    with pytest.raises(RuntimeError, match="ImageNet's weights could not be had") as seen:
        ft.imagenet_state()
    assert "\n" not in str(seen.value)
    assert socket.getdefaulttimeout() == before


def refuse(*args: Any, **kwargs: Any) -> Any:
    assert socket.getdefaulttimeout() == ft.TIMEOUT
    raise urllib.error.URLError("no route to host")


# Rates, penalties, steps


def test_rates_fall_by_the_factor_from_the_head_to_the_pixels_and_each_parameter_is_in_one_group() -> None:
    net = thin()
    groups = ft.parameter_groups(net, 0.8, factor=2.0)
    assert [group["lr"] for group in groups] == [0.8, 0.4, 0.2, 0.1, 0.05, 0.025]
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in net.parameters())
    names = {id(p): name for name, p in net.named_parameters()}
    assert [names[id(group["params"][0])] for group in groups] == [
        "fc.weight", "layer4.0.conv1.weight", "layer3.0.conv1.weight", "layer2.0.conv1.weight",
        "layer1.0.conv1.weight", "conv1.weight",
    ]  # fmt: skip
    net.requires_grad_(False)
    net.fc.requires_grad_(True)
    frozen = ft.parameter_groups(net, 0.8, factor=2.0)
    assert [(len(group["params"]), group["lr"]) for group in frozen] == [(2, 0.8)]


def test_the_penalty_and_its_gradient_are_those_of_the_paper() -> None:
    net = thin()
    start = {name: torch.zeros_like(p) + 0.5 for name, p in net.named_parameters() if "fc" not in name}
    alpha, beta = 0.4, 0.06
    value = ft.shared_and_new(net, start, alpha, beta)
    shared = sum(
        float((p.detach() - start[n]).square().sum()) for n, p in net.named_parameters() if n in start
    )
    new = sum(float(p.detach().square().sum()) for n, p in net.named_parameters() if n not in start)
    assert value.item() == pytest.approx(alpha / 2 * shared + beta / 2 * new, rel=1e-5)
    value.backward()
    for name, p in net.named_parameters():
        wanted = alpha * (p - start[name]) if name in start else beta * p
        assert p.grad is not None
        torch.testing.assert_close(p.grad, wanted.detach())


def test_without_a_start_the_penalty_is_l2_and_at_the_start_only_the_head_is_held() -> None:
    net = thin()
    everything = sum(float(p.detach().square().sum()) for p in net.parameters())
    assert ft.shared_and_new(net, None, 0.3, 0.3).item() == pytest.approx(0.15 * everything, rel=1e-5)
    start = {name: p.detach().clone() for name, p in net.named_parameters()}
    head = sum(float(p.detach().square().sum()) for p in net.fc.parameters())
    assert ft.shared_and_new(net, start, 9.0, 0.3).item() == pytest.approx(0.15 * head, rel=1e-5)


def test_for_plain_sgd_l2_in_the_loss_and_decay_beside_it_are_one_step_and_for_adam_they_are_not() -> None:
    w0, slope, rate, alpha = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0]), 0.1, 0.2

    def stepped(make: Any, in_loss: bool) -> Tensor:
        w = nn.Parameter(w0.clone())
        optimiser = make([w], lr=rate)
        loss = (slope * w).sum() + (alpha / 2 * w.square().sum() if in_loss else 0)
        loss.backward()
        decay = 1.0 if in_loss else 1 - rate * alpha
        with torch.no_grad():
            w.mul_(decay)
        optimiser.step()
        return w.detach()

    closed = w0 - rate * (slope + alpha * w0)
    torch.testing.assert_close(stepped(torch.optim.SGD, True), closed)
    torch.testing.assert_close(stepped(torch.optim.SGD, False), closed)
    assert not torch.allclose(stepped(torch.optim.Adam, True), stepped(torch.optim.Adam, False))


def test_one_step_of_fit_is_one_step_of_gradient_descent_and_it_reports_each() -> None:
    head = nn.Linear(2, 2)
    w = head.weight.detach().clone()
    x, labels = torch.tensor([[1.0, -2.0]]), torch.tensor([1])
    seen: list[int] = []
    with torch.no_grad():
        error = head(x).softmax(1) - torch.tensor([[0.0, 1.0]])
    pull = lambda: 0.5 * head.weight.square().sum()  # noqa: E731
    ft.fit(head, lambda: (x, labels), [{"params": head.parameters(), "lr": 0.3}], 1, pull, after=seen.append)
    torch.testing.assert_close(head.weight.detach(), w - 0.3 * (error.T @ x + w))
    assert seen == [1]


def test_rates_rise_to_their_value_and_fall_to_nothing() -> None:
    w = nn.Linear(1, 2, bias=False)
    seen: list[float] = []
    before = w.weight.detach().clone()

    def record(step: int) -> None:
        nonlocal before
        seen.append(float((w.weight.detach() - before).abs().max()))
        before = w.weight.detach().clone()

    ft.fit(
        w, lambda: (torch.ones(4, 1), torch.zeros(4, dtype=torch.long)), ft_groups(w, 0.01), 40, after=record
    )
    assert seen[0] < max(seen) / 3
    assert seen[-1] < max(seen) / 3


def ft_groups(net: nn.Module, rate: float) -> list[dict[str, Any]]:
    return [{"params": list(net.parameters()), "lr": rate}]


# What is frozen, and what is drawn


def test_what_is_frozen_is_in_eval_mode_and_its_statistics_stand_still() -> None:
    net = thin().requires_grad_(False)
    net.fc.requires_grad_(True)
    net.layer4.requires_grad_(True)
    ft.training_mode(net)
    assert not net.bn1.training
    assert not net.layer2[0].downsample[1].training
    assert net.layer4[1].bn2.training
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net(torch.randn(4, 3, 32, 32))
    moved = {
        name.split(".")[0]
        for name, tensor in net.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert moved == {"layer4"}
    net.requires_grad_(True)
    assert ft.training_mode(net).bn1.training


def test_shifted_images_are_crops_of_the_mirrored_frame_each_with_its_own_shift() -> None:
    x = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    got = ft.shifted(x, torch.Generator().manual_seed(1), most=2)
    wide = nn.functional.pad(x, [2] * 4, mode="reflect")
    crops = {(i, j): wide[:, :, i : i + 8, j : j + 8] for i in range(5) for j in range(5)}
    found = set()
    for n in range(len(x)):
        fits = [
            (place, flip)
            for place, crop in crops.items()
            for flip in (False, True)
            if torch.equal(got[n], crop[n].flip(2) if flip else crop[n])
        ]
        assert len(fits) == 1
        found |= set(fits)
    assert len(found) > 20
    still = ft.shifted(x, torch.Generator().manual_seed(1), most=0)
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(still, x, strict=True))


def test_batches_have_their_labels_and_repeat_with_the_seed() -> None:
    images = some()
    assert images.labels is not None
    again = [ft.batches(images, 4, seed=5)() for _ in range(2)]
    assert torch.equal(again[0][0], again[1][0])
    assert len(again[0][1]) == 4
    rows = torch.arange(24.0).reshape(12, 2)
    x, y = ft.batches((rows, images.labels), 12, seed=0)()
    assert torch.equal(images.labels[(x[:, 0] / 2).long()], y)
    with pytest.raises(ValueError, match="batches needs labels"):
        ft.batches(Images(images.data), 4, seed=0)


def test_only_classes_renumbers_in_the_order_asked_for() -> None:
    images = some(classes=4)
    chosen = ft.only_classes(images, ("d", "b"))
    assert images.labels is not None
    assert chosen.class_names == ("d", "b")
    assert torch.equal(chosen.labels, torch.tensor([1, 0] * 3))
    assert torch.equal(chosen.data, images.data[(images.labels == 1) | (images.labels == 3)])
    with pytest.raises(ValueError, match="there is no class named 'truck'; known: a, b, c, d"):
        ft.only_classes(images, ("truck",))
    with pytest.raises(ValueError, match="only_classes needs labels"):
        ft.only_classes(Images(images.data), ("a",))


def test_accuracy_counts_in_eval_mode_and_leaves_the_mode() -> None:
    net, images = thin().train(), some()
    assert images.labels is not None
    with torch.no_grad():
        net.fc.weight.zero_()
        net.fc.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    assert ft.accuracy(net, images.data, images.labels) == pytest.approx(1 / 3)
    assert net.training
    assert net.bn1.training
    assert torch.equal(net.bn1.running_mean, torch.zeros(4))
    expected = net.eval()(to_float(images.data))
    torch.testing.assert_close(ft.outputs(net, images.data, batch_size=5), expected.detach())
