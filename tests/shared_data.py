"""Where the real image sets lie, for tests that need them."""

import os
from pathlib import Path
from typing import Any

import pytest

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.load import load_data

FOLDER = Path(os.environ.get("SHIFTGAUGE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_FILES: dict[str, dict[str, Any]] = {
    "xsdd": {"path": "xsdd/xsdd_original_bytes.npz"},
    "magnetic_tile": {"path": "magnetic_tile/mt_gray128.npz"},
    "deeppcb": {
        "path": "deeppcb/deeppcb_tiles64.npz",
        "groups": "group",
        "splits": "split",
        "split_names": ["train", "test"],
    },
}


def needs(name: str) -> pytest.MarkDecorator:
    """Skips a test where the set is not there."""
    file = FOLDER / _FILES[name]["path"]
    return pytest.mark.skipif(not file.exists(), reason=f"no {file.name} in {file.parent}; set SHIFTGAUGE_DATA")


def real(name: str) -> ImageDataset:
    """Reads a set."""
    spec = _FILES[name]
    return load_data({**spec, "kind": "npz", "path": FOLDER / spec["path"]})
