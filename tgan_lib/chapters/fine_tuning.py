"""Fine-tuning a classifier: what is taken over of another, which parts learn and at which rate, what holds them.

    parameter_groups   Howard and Ruder (2018), "Universal Language Model Fine-tuning for Text Classification"
    shared_and_new     Li, Grandvalet and Davoine (2018), "Explicit Inductive Bias for Transfer Learning with
                       Convolutional Networks"

The networks are ResNet-18s, the library's thin one or torchvision's `resnet18`: their parts have the same names.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from ..data.images import Images
from ..data.pixels import to_float
from ..data.sampling import Sampler
from ..device import device_of, evaluating
from ..device import training_mode as training_mode  # a part of what chapter 8 uses
from ..errors import check_kind, check_tensor, one_of, real_number, seed_number, whole_number
from ..interrupts import import_compiler
from ..networks.resnet18 import ResNet18 as ResNet18  # likewise

PARTS = ("stem", "layer1", "layer2", "layer3", "layer4", "fc")  # from the pixels to the head
HEAD = "fc"
TIMEOUT = 10.0  # seconds without a byte from the server of ImageNet's weights


def take_over(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy a source's weights and statistics into `net`, all but the head's; return what was copied, a copy.

    Batch norm's counts of batches are left, which older files lack. ValueError, and `net` is as it was, where a name
    is missing or has another shape.
    """
    check_kind("net", net, nn.Module, "a ResNet18")
    check_kind("state", state, Mapping, "a state dict: name -> tensor")
    own = {n: t for n, t in net.state_dict().items() if part_of(n) != HEAD and "num_batches" not in n}
    for name, tensor in own.items():
        if name not in state:
            raise ValueError(f"the source's weights have no {name!r}; they are not those of a ResNet-18")
        check_tensor(f"the source's {name!r}", state[name], dtypes="any")
        if state[name].shape != tensor.shape:
            raise ValueError(
                f"the source's {name!r} has shape {tuple(state[name].shape)}, ours {tuple(tensor.shape)}; "
                "a network of the same width is right"
            )
    start = {name: state[name].detach().clone().to(device_of(net)) for name in own}
    net.load_state_dict(start, strict=False)
    return start


def imagenet_state() -> dict[str, Tensor]:
    """ImageNet's weights for a ResNet-18, downloaded once (45 MB); RuntimeError where they cannot be had."""
    from torchvision.models import ResNet18_Weights  # importing it takes seconds

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # they would name a local folder
            state: dict[str, Tensor] = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(
                progress=False, check_hash=True, weights_only=True
            )
    except Exception as error:  # no network, a filter's page in place of the file, a broken file, a full disk
        cause = getattr(error, "reason", error)
        reason = (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).splitlines()[0]
        raise RuntimeError(f"ImageNet's weights could not be had ({reason})") from error
    finally:
        socket.setdefaulttimeout(before)
    return state


def part_of(name: str) -> str:
    """Which of PARTS a parameter belongs to, by its name."""
    return first if (first := name.split(".")[0]) in PARTS else "stem"


def parameter_groups(net: nn.Module, rate: float, factor: float = 1.0) -> list[dict[str, Any]]:
    """The trainable parameters for an optimiser: `rate` for the head, divided by `factor` once more a part below."""
    check_kind("net", net, nn.Module, "a ResNet18")
    rate, factor = real_number("rate", rate, above=0), real_number("factor", factor, above=0)
    groups = []
    for depth, part in enumerate(reversed(PARTS)):
        mine = [p for name, p in net.named_parameters() if part_of(name) == part and p.requires_grad]
        if mine:
            groups.append({"params": mine, "lr": rate / factor**depth})
    return groups


def shared_and_new(net: nn.Module, start: Mapping[str, Tensor] | None, alpha: float, beta: float) -> Tensor:
    """alpha/2 |w - w0|^2 over the body plus beta/2 |w|^2 over the head; w0 is `start` (L2-SP), or 0 for None (L2)."""
    check_kind("net", net, nn.Module, "a ResNet18")
    check_kind("start", start, (Mapping, type(None)), "what take_over gave, or None,")
    alpha, beta = real_number("alpha", alpha, 0), real_number("beta", beta, 0)
    shared = new = torch.zeros((), device=device_of(net))
    for name, w in net.named_parameters():
        if part_of(name) == HEAD:
            new = new + w.square().sum()
        elif w.requires_grad:
            shared = shared + (w if start is None else w - start[name]).square().sum()
    return alpha / 2 * shared + beta / 2 * new


def only_classes(images: Images, names: Sequence[str]) -> Images:
    """The images of these classes, which are numbered anew, in this order."""
    check_kind("images", images, Images, "an Images")
    check_kind("names", names, (list, tuple), "a list of names of classes")
    if images.labels is None:
        raise ValueError("only_classes needs labels and these images have none; load a set with classes")
    numbers = torch.full((len(images.class_names),), -1, device=images.device)
    for new, name in enumerate(names):
        one_of("class", name, images.class_names)
        numbers[images.class_names.index(name)] = new
    chosen = replace(images, labels=numbers[images.labels], class_names=tuple(names))
    return chosen.subset((numbers[images.labels] >= 0).nonzero()[:, 0])


def batches(
    images: Images | tuple[Tensor, Tensor], batch_size: int, seed: int
) -> Callable[[], tuple[Tensor, Tensor]]:
    """A function that draws the next batch (x, labels): of images, shifted and flipped; or of features, as they are."""
    check_kind("images", images, (Images, tuple), "an Images, or a pair (features, labels),")
    batch_size, seed = whole_number("batch_size", batch_size), seed_number(seed)
    rows, labels = (images.data, images.labels) if isinstance(images, Images) else images
    if labels is None:
        raise ValueError("batches needs labels and these images have none; load a set with classes")
    given, rng = labels, torch.Generator().manual_seed(seed)
    sampler = Sampler(len(rows), batch_size, seed=seed, device=rows.device)

    def draw() -> tuple[Tensor, Tensor]:
        index = sampler.next()
        x = rows[index]
        return (shifted(to_float(x), rng) if x.dtype == torch.uint8 else x), given[index]

    return draw


def shifted(x: Tensor, rng: torch.Generator, most: int = 4) -> Tensor:
    """Each image (N, C, H, H) moved by up to `most` pixels each way, its edge mirrored, and every other one flipped."""
    n, _, size, _ = x.shape
    wide = pad(x, [most] * 4, mode="reflect")
    down, right = torch.randint(2 * most + 1, (2, n), generator=rng).to(x.device)
    flip = (torch.rand(n, generator=rng) < 0.5).to(x.device)
    places = torch.arange(size, device=x.device)
    columns = torch.where(flip[:, None], places.flip(0), places) + right[:, None]
    rows = places + down[:, None]
    image = torch.arange(n, device=x.device)[:, None, None]
    return wide.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def fit(
    net: nn.Module,
    draw: Callable[[], tuple[Tensor, Tensor]],
    groups: list[dict[str, Any]],
    steps: int,
    penalty: Callable[[], Tensor] | None = None,
    after: Callable[[int], object] | None = None,
) -> nn.Module:
    """SGD with momentum 0.9 on the cross-entropy of batches (x, labels) from `draw`, plus `penalty()`; returns `net`.

    Rates rise over the first tenth of the steps and then fall to 0 along a cosine. Modes are the caller's, see
    `training_mode`. `after` is called with the number of steps made, after each.
    """
    check_kind("net", net, nn.Module, "a network")
    steps = whole_number("steps", steps)
    import_compiler()
    optimiser = torch.optim.SGD(groups, momentum=0.9)
    rise = max(1, steps // 10)

    def share(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * (step - rise) / max(1, steps - rise)))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
    for step in range(1, steps + 1):
        x, labels = draw()
        loss = cross_entropy(net(x), labels)
        if penalty is not None:
            loss = loss + penalty()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if after is not None:
            after(step)
    return net


@torch.no_grad()
def outputs(net: nn.Module, images: Tensor, batch_size: int = 500) -> Tensor:
    """net's outputs in eval mode for uint8 images (N, C, H, W); its mode is left as it was."""
    check_kind("net", net, nn.Module, "a network")
    check_tensor("images", images, ("N", "C", "H", "W"), dtypes="uint8")
    batch_size = whole_number("batch_size", batch_size)
    with evaluating(net):
        return torch.cat([net(to_float(part)) for part in images.split(batch_size)])


def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that `net` names rightly."""
    return float((outputs(net, images).argmax(1) == labels).float().mean())
