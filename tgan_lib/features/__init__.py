"""Feature networks, which turn an image into the numbers that a distance compares; and taps into any network."""

from __future__ import annotations

from .efficientnet import EfficientNetLite0, load_efficientnet
from .load import FEATURE_NETWORKS, extract, feature_card, feature_networks, load_features
from .networks import DigitNet, FeatureNet, SmallNet
from .taps import tapped, taps

__all__ = [
    "FEATURE_NETWORKS",
    "DigitNet",
    "EfficientNetLite0",
    "FeatureNet",
    "SmallNet",
    "extract",
    "feature_card",
    "feature_networks",
    "load_efficientnet",
    "load_features",
    "tapped",
    "taps",
]
