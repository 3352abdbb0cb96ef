"""The named sets: where their files lie, how these are fetched, and how they become arrays.

A set is read from a folder that has it, else fetched there once (`download.fetch`: taken up where it broke off,
checked against its MD5), and in a smoke run drawn. Archives are read as they lie and never unpacked, so no name
inside one reaches the disk. No pickle is read: CIFAR-10 comes as its binary version, a byte of label and 3072
of pixels an image.

MNIST (LeCun, Bottou, Bengio and Haffner, 1998), Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), KMNIST
(Clanuwat and others, 2018), Omniglot (Lake, Salakhutdinov and Tenenbaum, 2015), CIFAR-10 (Krizhevsky, 2009),
Flowers-102 (Nilsback and Zisserman, 2008).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import unknown_name
from .download import fetch
from .reading import DamagedError, decode, in_words, read_idx, read_images, read_tar

SPLITS = ("train", "test")  # of every named set: none is published with a third part


class Wanted(NamedTuple):
    """What of a set is asked for; `part` is what follows the colon of its name."""

    split: str
    size: int | None
    limit: int | None
    part: str


@dataclass(frozen=True)
class NamedSet:
    """A set by its `title`; paths are below the root, as torchvision lays them out where it knows the set."""

    title: str
    drawn: tuple[str, int, int | None]  # its stand-in: domain, channels, and size (None: as is asked for)
    files: dict[
        str, dict[str, str]
    ]  # split -> path -> MD5 ("": torchvision knows it); NAME.gz will do for NAME
    read: Callable[[list[Path], Wanted], tuple[Tensor, Tensor | None, Sequence[str]]]
    addresses: tuple[str, ...] = ()  # none: torchvision knows them
    classes: tuple[str, ...] = ()  # none: `read` finds them
    copies: dict[str, tuple[str, str]] = field(
        default_factory=dict
    )  # split -> a zip read in their place, its source


def fetch_set(known: NamedSet, folder: Path, split: str, mirrors: Sequence[str] | None = None) -> None:
    """Download what `split` of a set needs into `folder`, from `mirrors` or its own addresses.

    Files that are there are left alone. Raises DownloadError.
    """
    addresses, files = mirrors or known.addresses, known.files[split]
    if not known.addresses:
        from torchvision import datasets  # for its addresses and hashes only: importing it takes seconds

        source = getattr(datasets, known.title)
        hashes = dict(source.resources)
        addresses = mirrors or source.mirrors
        files = {f"{path}.gz": hashes[f"{Path(path).name}.gz"] for path in files if not lies_in(folder, path)}
    for path, md5 in files.items():
        fetch([f"{address.rstrip('/')}/{Path(path).name}" for address in addresses], folder / path, md5=md5)


def lies_in(folder: Path, path: str) -> Path | None:
    """Where `path` of a set lies below `folder`, as it is or packed (NAME.gz); None where it does not."""
    return next((file for file in (folder / path, folder / f"{path}.gz") if file.exists()), None)


def _some(n: int, limit: int | None) -> Tensor:
    """All indices below n, or `limit` of them at random, always the same; in order."""
    if limit is None or limit >= n:
        return torch.arange(n)
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:limit].sort().values


def _mnist_like(paths: list[Path], wanted: Wanted) -> tuple[Tensor, Tensor, Sequence[str]]:
    data, labels = (torch.from_numpy(read_idx(path)) for path in paths)
    if data.ndim != 3 or labels.shape != data.shape[:1] or not len(data) or labels.max() > 9:
        raise DamagedError(
            f"{paths[0]} holds images of shape {tuple(data.shape)} and {paths[1].name} labels of shape "
            f"{tuple(labels.shape)}, which do not belong together"
        )
    index = _some(len(data), wanted.limit)
    return data[index, None], labels[index].long(), ()


def _omniglot(paths: list[Path], wanted: Wanted) -> tuple[Tensor, Tensor | None, Sequence[str]]:
    """Grey, inverted: its ink is black on white, ours, as MNIST's, white on black."""

    def choose(classes: list[str]) -> list[str]:
        """The characters of the alphabets asked for; "japanese katakana" is Japanese_(katakana)."""
        alphabets = {_bare(_alphabet(name)): _alphabet(name) for name in classes}
        parts = [part.strip() for part in wanted.part.split(",")]
        for part in parts:
            if _bare(part) not in alphabets:
                raise unknown_name(f"alphabet in {paths[0].name}", part, alphabets.values())
        return [name for name in classes if _bare(_alphabet(name)) in map(_bare, parts)]

    data, labels, classes = read_images(
        paths[0], channels=1, limit=wanted.limit, choose=choose if wanted.part else None
    )
    numbers = None if labels is None else torch.from_numpy(labels)
    return torch.from_numpy(255 - data), numbers, [name.replace("/", "_") for name in classes]


def _alphabet(character: str) -> str:
    return re.sub(r"[/_]?character\d+$", "", character)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _cifar10(paths: list[Path], wanted: Wanted) -> tuple[Tensor, Tensor | None, Sequence[str]]:
    if paths[0].suffix == ".zip":  # the JPEG copy
        data, numbers, classes = read_images(paths[0], channels=3, limit=wanted.limit)
        if tuple(classes) != _CIFAR10_CLASSES:
            raise DamagedError(
                f"{paths[0]} holds the classes {', '.join(classes) or 'of no name'} and not CIFAR-10's"
            )
        return torch.from_numpy(data), None if numbers is None else torch.from_numpy(numbers), classes
    batches = ["test_batch"] if wanted.split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    members = read_tar(paths[0], [f"cifar-10-batches-bin/{batch}.bin" for batch in batches])
    raw = np.frombuffer(b"".join(members.values()), np.uint8)
    if not len(raw) or len(raw) % 3073 or raw[::3073].max() > 9:
        raise DamagedError(f"{paths[0]} is not the binary version of CIFAR-10")
    records = torch.from_numpy(raw.reshape(-1, 3073).copy())
    records = records[_some(len(records), wanted.limit)]
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long(), ()


def _flowers102(paths: list[Path], wanted: Wanted) -> tuple[Tensor, Tensor, Sequence[str]]:
    """Photographs by number; `train` is the published training and validation parts, 20 of each class."""
    from scipy.io import loadmat

    archive, labels_file, parts_file = paths
    try:
        parts = loadmat(parts_file)
        names = ("trnid", "valid") if wanted.split == "train" else ("tstid",)
        ids = torch.from_numpy(
            np.sort(np.concatenate([parts[name].ravel() for name in names]).astype(np.int64))
        )
        labels = torch.from_numpy(loadmat(labels_file)["labels"].ravel().astype(np.int64))[ids - 1] - 1
    except Exception as error:  # a damaged file makes scipy raise all kinds of errors
        raise DamagedError(
            f"{labels_file} and {parts_file.name} cannot be read as Flowers-102's ({in_words(error)})"
        ) from error
    index = _some(len(ids), wanted.limit)
    members = read_tar(archive, [f"jpg/image_{number:05d}.jpg" for number in ids[index].tolist()])
    data = decode(list(members), lambda name: BytesIO(members[name]), str(archive), wanted.size, 3)
    return torch.from_numpy(data), labels[index], ()


def _idx_files(title: str) -> dict[str, dict[str, str]]:
    """The four files of an MNIST-like set; torchvision has the hashes of the packed ones, which are fetched."""
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    return {
        split: {f"{title}/raw/{prefix}-{kind}": "" for kind in kinds}
        for split, prefix in (("train", "train"), ("test", "t10k"))
    }


def _idx_set(title: str, classes: str, domain: str) -> NamedSet:
    return NamedSet(title, (domain, 1, 28), _idx_files(title), _mnist_like, classes=tuple(classes.split()))


_JPEG = "a JPEG copy of CIFAR-10 (slightly lossy; distances are not comparable with published ones)"
_CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_CIFAR10_FILES = {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"}
_FLOWERS_FILES = {
    "flowers-102/102flowers.tgz": "52808999861908f626f3c1f4e79d11fa",
    "flowers-102/imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
    "flowers-102/setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
}
FLOWERS = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon
orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle,
yellow iris, globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire
lily, pincushion flower, fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers,
stemless gentian, artichoke, sweet william, carnation, garden phlox, love in the mist, mexican aster,
alpine sea holly, ruby-lipped cattleya, cape flower, great masterwort, siam tulip, lenten rose, barbeton
daisy, daffodil, sword lily, poinsettia, bolero deep blue, wallflower, marigold, buttercup, oxeye daisy,
common dandelion, petunia, wild pansy, primula, sunflower, pelargonium, bishop of llandaff, gaura,
geranium, orange dahlia, pink-yellow dahlia?, cautleya spicata, japanese anemone, black-eyed susan,
silverbush, californian poppy, osteospermum, spring crocus, bearded iris, windflower, tree poppy,
gazania, azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus, toad lily,
anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen,
watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow,
mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""
DATASETS = {
    "mnist": _idx_set("MNIST", "0 1 2 3 4 5 6 7 8 9", "digits"),
    "fashion-mnist": _idx_set(
        "FashionMNIST", "top trouser pullover dress coat sandal shirt sneaker bag boot", "shapes"
    ),
    "kmnist": _idx_set("KMNIST", "o ki su tsu na ha ma ya re wo", "letters"),
    "omniglot": NamedSet(
        "Omniglot",
        ("letters", 1, None),
        {
            "train": {"omniglot-py/images_background.zip": "68d2efa1b9178cc56df9314c21c6e718"},
            "test": {"omniglot-py/images_evaluation.zip": "6b91aef0f799c5bb55b94e3f2daec811"},
        },
        _omniglot,
        ("https://raw.githubusercontent.com/brendenlake/omniglot/master/python",),
        copies={"train": ("omniglot-small.zip", "omniglot-small.zip, some of Omniglot's alphabets")},
    ),
    "cifar10": NamedSet(
        "CIFAR-10",
        ("shapes", 3, 32),
        dict.fromkeys(SPLITS, _CIFAR10_FILES),
        _cifar10,
        ("https://www.cs.toronto.edu/~kriz", "https://cave.cs.toronto.edu/kriz"),
        _CIFAR10_CLASSES,
        {split: (f"cifar10-jpeg-{split}.zip", _JPEG) for split in SPLITS},
    ),
    "flowers102": NamedSet(
        "Flowers-102",
        ("textures", 3, None),
        dict.fromkeys(SPLITS, _FLOWERS_FILES),
        _flowers102,
        ("https://www.robots.ox.ac.uk/~vgg/data/flowers/102",),
        tuple(FLOWERS.replace("\n", " ").strip().split(", ")),
    ),
}
