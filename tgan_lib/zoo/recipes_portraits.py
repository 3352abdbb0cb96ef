"""How the portraits' judge was made: a small network that names what each portrait was put together from.

portraits-v1 is a `features.SmallNet` with a head for every attribute of every style, and one for the style itself. It
learns from a style's images only what is known of that style. Half of the batches come at half their size, so that it
judges 32 px as it does 64; images are moved, so that it asks what is there and not exactly where.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from .. import data
from ..data.pixels import to_float
from ..data.portraits import STYLES
from ..device import default_device
from ..features.load import extract
from ..features.networks import SmallNet
from ..files import half
from ..provenance import provenance
from .recipes_features import moved, write_features

SIZE = 64
STYLE = "style"


def heads(sets: dict[str, data.Images]) -> dict[str, dict[str, list[Any]]]:
    """Where a network's outputs stand: style -> attribute -> [first output, the attribute's words].

    The first outputs are for the style itself, under the name "" with the one attribute "style".
    """
    found: dict[str, dict[str, list[Any]]] = {"": {STYLE: [0, list(sets)]}}
    first = len(sets)
    for style, images in sets.items():
        assert images.attributes is not None
        found[style] = {}
        for name, words in images.attributes.words.items():
            found[style][name] = [first, list(words)]
            first += len(words)
    return found


def outputs(layout: dict[str, dict[str, list[Any]]]) -> int:
    return sum(len(words) for named in layout.values() for _, words in named.values())


def joined(sets: dict[str, data.Images], layout: dict[str, dict[str, list[Any]]]) -> tuple[Tensor, Tensor]:
    """All styles' images (N, 3, 64, 64), and the numbers of each one's words (N, heads), -1 where nothing is known."""
    columns = [(style, name) for style, named in layout.items() for name in named]
    pixels, targets = [], []
    for number, (style, images) in enumerate(sets.items()):
        assert images.attributes is not None
        target = torch.full((len(images), len(columns)), -1, dtype=torch.long)
        for column, (owner, name) in enumerate(columns):
            if not owner:
                target[:, column] = number
            elif owner == style:
                target[:, column] = images.attributes[name]
        pixels.append(images.data)
        targets.append(target)
    return torch.cat(pixels), torch.cat(targets)


def loss_of(logits: Tensor, targets: Tensor, layout: dict[str, dict[str, list[Any]]]) -> Tensor:
    """The sum over heads of the mean cross-entropy of what is known, a batch's share of it as weight."""
    total = logits.new_zeros(())
    spots = [spot for named in layout.values() for spot in named.values()]
    for column, (first, words) in enumerate(spots):
        part = cross_entropy(
            logits[:, first : first + len(words)], targets[:, column], ignore_index=-1, reduction="sum"
        )
        total = total + part / len(logits)
    return total


def named_rightly(
    net: SmallNet, images: data.Images, style: str, layout: dict[str, Any], size: int
) -> dict[str, float]:
    """The share of a style's test images of which each attribute is named rightly, when they are shown at `size`."""
    pixels = data.resize(images.data, size)
    logits = extract(net, pixels)[1]
    assert images.attributes is not None
    return {
        name: round(
            float(
                (logits[:, first : first + len(words)].argmax(1) == images.attributes[name]).float().mean()
            ),
            4,
        )
        for name, (first, words) in layout[style].items()
    }


def build_features_portraits(
    folder: Path,
    *,
    steps: int = 4000,
    batch_size: int = 64,
    rate: float = 2e-3,
    seed: int = 0,
    limit: int | None = None,
) -> None:
    """features-portraits-v1. Goes on where it was stopped: its state is kept beside, every 200 steps."""
    started, device = time.perf_counter(), default_device()
    sets = {style: data.load(f"portraits:{style}", limit=limit, device=device) for style in STYLES}
    tests = {
        style: data.load(f"portraits:{style}", split="test", limit=limit, device=device) for style in STYLES
    }
    layout = heads(sets)
    pixels, targets = joined(sets, layout)
    torch.manual_seed(seed)
    net = SmallNet(SIZE, 3, 128, outputs(layout), 16).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    sampler = data.Sampler(len(pixels), batch_size, seed=seed, device=device)
    rng = torch.Generator(device).manual_seed(seed)
    kept, step, before = folder / "features-portraits-v1.part", 0, 0.0
    parts: dict[str, Any] = {"net": net, "optimiser": optimiser, "schedule": schedule, "sampler": sampler}
    if kept.exists():
        state = torch.load(kept, weights_only=True, map_location=device)
        step, before = state["step"], state["seconds"]
        rng.set_state(state["random"].cpu())
        for name, part in parts.items():
            part.load_state_dict(state[name])
    net.train()
    while step < steps:
        chosen = sampler.next()
        batch = to_float(moved(pixels[chosen], 2, False, rng))
        if step % 2:  # as a 32 px image would come
            small = interpolate(batch, (SIZE // 2, SIZE // 2), mode="bilinear", antialias=True)
            batch = interpolate(small, (SIZE, SIZE), mode="bilinear", antialias=True)
        loss = loss_of(net(batch), targets[chosen], layout)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        step += 1
        if step % 200 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
            seconds = before + time.perf_counter() - started
            state = {name: part.state_dict() for name, part in parts.items()}
            torch.save(state | {"step": step, "seconds": seconds, "random": rng.get_state()}, kept)
    net.load_state_dict({key: half(t).to(t.dtype) for key, t in net.state_dict().items()})
    net.eval()
    right = {
        str(size): {style: named_rightly(net, images, style, layout, size) for style, images in tests.items()}
        for size in (64, 32)
    }
    peeps = right["64"]["peeps"]
    described = {
        "title": "Names the attributes of portraits; its averaged last maps are the feature space of our distances "
        "between portraits",
        "version": 1,
        "data": f"{len(pixels)} portraits of six styles: {', '.join(STYLES)}",
        "licence": "MIT",
        "heads": layout,
        "test_accuracy": round(sum(peeps.values()) / len(peeps), 4),
        "test_accuracy_is": "the mean over the peeps' attributes, at 64 px; see named_rightly for each of every style",
        "named_rightly": right,
        "recipe": f"{steps} steps, batch {batch_size}, AdamW, one-cycle rate to {rate:g}, shifts of 2 px, every other "
        f"batch at 32 px, seed {seed}",
        "seconds": round(before + time.perf_counter() - started),
        **provenance(),
    }
    write_features(folder, "portraits-v1", net, described)
    kept.unlink(missing_ok=True)
