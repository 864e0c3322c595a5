"""Image files of every kind that the readers must understand."""

import io

import numpy as np
import pytest
from PIL import Image


def encode(image: Image.Image, file_format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, pixels):
    """Three classes with 4, 3 and 2 images, one of them deeper, and ignorable files."""
    root = tmp_path / "images"
    for label, (name, count) in enumerate({"good": 4, "hole": 3, "scratch": 2}.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.roll(pixels, 7 * label + i)).save(root / name / f"{i}.png")
    (root / "hole" / "deep").mkdir()
    (root / "hole" / "2.png").rename(root / "hole" / "deep" / "2.png")
    for ignored in (".DS_Store", "good/.hidden.png", "good/Thumbs.db", "README.txt", "__MACOSX/x.png", "hole/.cache/a"):
        (root / ignored).parent.mkdir(exist_ok=True)
        (root / ignored).write_bytes(b"junk")
    return root
