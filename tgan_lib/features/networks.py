"""Feature networks: what turns an image into the numbers that a distance between image sets compares.

Ours are small classifiers that we trained and ship (see `load`); `efficientnet` has one that others trained on
photographs. Their features are the last hidden layer, which is
what the Fréchet distance of Heusel et al. (2017) takes from Inception. A distance means nothing outside its network:
never put numbers from two feature networks in one table.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import check_kind, whole_number


class FeatureNet(nn.Module):
    """A classifier whose last hidden layer is used: images in [-1, 1] -> `body` -> features -> `head` -> logits.

    `size`, `channels`, `n_features` and `n_classes` say what goes in and what comes out. The body is an
    nn.Sequential, so that its layers have names to tap: "body.0", "body.1", ...
    """

    def __init__(
        self, size: int, channels: int, n_features: int, n_classes: int, body: nn.Sequential
    ) -> None:
        super().__init__()
        self.size, self.channels, self.n_features, self.n_classes = size, channels, n_features, n_classes
        self.body = body
        self.head = nn.Linear(n_features, n_classes)

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, n_features), for any size and for grey and colour.

        Other sizes are resized to ours; grey is repeated into colours, colours are averaged to grey.
        """
        check_kind("images", images, Tensor, "a tensor (N, 1 or 3, H, W)")
        if images.ndim != 4 or images.shape[1] not in (1, 3, self.channels):
            raise ValueError(f"images have shape {tuple(images.shape)}; (N, 1 or 3, H, W) is right")
        if images.shape[1] != self.channels:
            grey = images.mean(1, keepdim=True)
            images = grey.expand(-1, self.channels, -1, -1)
        if images.shape[-2:] != (self.size, self.size):
            # antialiased, as Parmar et al. (2022) ask: without it the resizing itself moves the distance
            images = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        features: Tensor = self.body(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both from one pass; a network whose head reads more than its features has its own way."""
        features = self.features(images)
        return features, self.head(features)


class DigitNet(FeatureNet):
    """Convolutional classifier of 28x28 grey digits: images in [-1, 1] -> 64 features -> 10 logits."""

    def __init__(self) -> None:
        maps = [1, 16, 32, 64, 64]
        layers: list[nn.Module] = []
        for before, after, stride in zip(maps, maps[1:], (1, 2, 1, 2), strict=False):
            layers += conv_norm_relu(before, after, stride)
        layers += [nn.Flatten(), nn.Linear(64 * 7 * 7, 64), nn.ReLU()]
        super().__init__(28, 1, 64, 10, nn.Sequential(*layers))


class SmallNet(FeatureNet):
    """A short residual classifier (He et al. 2016) of any size: 32 px and 128 features make 0.45 M parameters.

    A stem of `width` maps; then the side is halved until it is 8 px or less, the maps doubling up to
    `n_features`, and a residual block follows wherever the side is 16 px or less (on larger maps it costs most
    and brings least). The features are the averages of the last maps, as Inception's are.
    """

    def __init__(
        self,
        size: int = 32,
        channels: int = 3,
        n_features: int = 128,
        n_classes: int = 10,
        width: int = 16,
    ) -> None:
        for name, number in {"channels": channels, "n_classes": n_classes, "width": width}.items():
            whole_number(name, number)
        size, n_features = whole_number("size", size, 1, 4096), whole_number("n_features", n_features)
        sides = [size]
        while sides[-1] > 8:
            sides.append((sides[-1] + 1) // 2)  # as a convolution of stride 2 does
        halvings = len(sides) - 1
        if halvings < 1 or n_features % 2 ** (halvings - 1):
            raise ValueError(
                f"size is {size} and n_features {n_features}; more than 8 px, and features that can be halved "
                "for each halving of the side after the first, are right"
            )
        layers: list[nn.Module] = [nn.Sequential(*conv_norm_relu(channels, width))]
        maps = [width, *(n_features >> (halvings - i) for i in range(1, halvings + 1))]
        for before, after, side in zip(maps, maps[1:], sides[1:], strict=False):
            layers.append(nn.Sequential(*conv_norm_relu(before, after, 2)))
            if side <= 16:
                layers.append(Residual(after))
        body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(size, channels, n_features, n_classes, body)
        self.width = width


class Residual(nn.Module):
    """x + f(x), where f is two convolutions that keep the shape (N, maps, H, W)."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.f = nn.Sequential(*conv_norm_relu(maps, maps), *conv_norm_relu(maps, maps))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.f(x)
        return out


def conv_norm_relu(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution (no bias: the norm would subtract it again), a batch norm, a ReLU."""
    return [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
