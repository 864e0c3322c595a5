"""A folder of tiny images and a configuration of a training, as a user would have them."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

CLASSES = ("high", "middle", "low")


def stripe_images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images with a bright stripe at one of three heights, and the height."""
    rng = np.random.default_rng(seed)
    heights = np.arange(count) % 3
    images = rng.integers(0, 110, (count, 16, 16)).astype(np.uint8)
    for image, height in zip(images, heights, strict=True):
        image[5 * height : 5 * height + 6] += 90
    return images, heights


def image_folder(root: Path, count: int = 60) -> Path:
    """One folder for each height."""
    images, heights = stripe_images(count)
    for k, (image, height) in enumerate(zip(images, heights, strict=True)):
        place = root / CLASSES[height]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{k:03d}.png")
    return root


def label_folder(root: Path, count: int = 80) -> Path:
    """Images with none, one or two bright spots, in the layout of YOLO; an empty file is a good part."""
    rng = np.random.default_rng(1)
    for name in ("img", "txt"):
        (root / name).mkdir(parents=True)
    for k in range(count):
        image, lines = rng.integers(0, 110, (16, 16)).astype(np.uint8), []
        for label in range(2):
            if rng.random() < 0.5:
                image[2:8, 8 * label + 1 : 8 * label + 7] += 120
                lines.append(f"{label} {0.25 + 0.5 * label} 0.3 0.3 0.3")
        Image.fromarray(image).save(root / "img" / f"{k:03d}.png")
        (root / "txt" / f"{k:03d}.txt").write_text("\n".join(lines))
    return root


def configuration(folder: Path, **sections: Any) -> Path:
    """Writes `training.yaml` into a folder; the keys of a section given replace those of the default."""
    values: dict[str, Any] = {
        "model": {"architecture": "test_resnet", "size": 32},
        "data": {"folder": "images"},
        "split": {"near_duplicates": False},
        "train": {"epochs": 2, "device": "cpu", "optimizer": {"learning_rate": 3e-3}, "sampling": {"batch_size": 16}},
        "measure": {"resamples": 200},
        "out": "run",
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    path = folder / "training.yaml"
    path.write_text(yaml.safe_dump(values))
    return path
