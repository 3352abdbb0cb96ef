"""What can be wrong with chapter 7's training: faults, near relatives, and choices of which a training dies."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """In the source of each part that `swaps` names, the first words of a pair stand as the second.

    `critic`: in the training with WGAN-GP. `images`: how many there are to train on; None for all.
    """

    swaps: dict[str, dict[str, str]] = field(default_factory=dict)
    critic: bool = False
    images: int | None = None


BUFFERS = """\
    for buffer, latest in zip(ema.buffers(), G.buffers(), strict=True):
        buffer.copy_(latest)
"""
LINEAR = "nn.Linear(32 * 8 * 8, 64), "
CLEAR = {"    g_adam.zero_grad()\n": "", "    d_adam.zero_grad()\n": ""}
FAULTS: dict[str, Fault] = {
    "same labels": Fault({"step": {"(fake_logits, zeros)": "(fake_logits, ones)"}}),
    "out of reach": Fault({"build": {"nn.Tanh()": "nn.Sigmoid()"}}),
    "wrong optimiser": Fault({"optimisers": {"g_adam = Adam(G.": "g_adam = Adam(D."}}),
    "two sigmoids": Fault({"build": {"nn.Linear(64, 1), ": "nn.Linear(64, 1), nn.Sigmoid(), "}}),
    "no detach": Fault(
        {"step": {"fake.detach()": "fake", "r1).backward(": "r1).backward(retain_graph=True"}}
    ),
    "same noise": Fault({"latents": {"generator=rng": "generator=rng.manual_seed(0)"}}),
    "left in eval": Fault({"draw": {"    G.train()\n": ""}}),
    "norm over an axis": Fault({"critic_step": {"slopes.flatten(1).norm": "slopes.norm"}}, critic=True),
    "batch norm": Fault({"build": {LINEAR: LINEAR + "nn.BatchNorm1d(64), "}}, critic=True),
    "no buffers": Fault({"average": {BUFFERS: ""}}),
    # no patients with a number: the open question's, and a sister of the second
    "no zero_grad": Fault({"step": CLEAR}),
    "noise for data": Fault({"real_images": {"pixels.float() / 127.5 - 1": "torch.randn(pixels.shape)"}}),
}
# Near relatives of a fault, measured to be compared with it.
TWINS: dict[str, Fault] = {
    "other range": Fault({"real_images": {" / 127.5 - 1": " / 255"}}),
    "norm over all": Fault({"critic_step": {"slopes.flatten(1).norm(dim=1)": "slopes.norm()"}}, critic=True),
}
HALF: dict[str, dict[str, str]] = {
    "build": {"return G, D": "return G.half(), D.half()"},
    "real_images": {"- 1": "- 1).half()", "return ": "return ("},
    "latents": {"rng)": "rng).half()"},
}
G_RATE, FREE = "Adam(G.parameters(), lr=3e-3", {"(d_loss + 0.05 * r1)": "d_loss"}
# No line of these is a mistake: a choice is, and the training dies of it.
DYNAMICS: dict[str, Fault] = {
    "fast G": Fault({"optimisers": {G_RATE: "Adam(G.parameters(), lr=1.0"}}),
    "free D": Fault({"optimisers": {G_RATE: "Adam(G.parameters(), lr=1e-4"}, "step": FREE}),
    "few images": Fault(images=100),
    "half": Fault(HALF),
}
# One step back from a death, or a mend.
MENDS: dict[str, Fault] = {
    "G ten times as fast": Fault({"optimisers": {G_RATE: "Adam(G.parameters(), lr=3e-2"}}),
    "G thirty times as fast": Fault({"optimisers": {G_RATE: "Adam(G.parameters(), lr=1e-1"}}),
    "G a hundred times as fast": Fault({"optimisers": {G_RATE: "Adam(G.parameters(), lr=3e-1"}}),
    "no penalty": Fault({"step": FREE}),
    "few images, moved": Fault({"step": {"fake = G(z)": "x, fake = moved(x), moved(G(z))"}}, images=100),
}
EVERY = FAULTS | TWINS | DYNAMICS | MENDS
