"""Where the public diabetes table and the published weights lie, for tests that need them."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("SHIFTGAUGE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "pima"
needs_pima = pytest.mark.skipif(
    not (FOLDER / "model1.pth").exists(), reason=f"no diabetes.csv and model1.pth in {FOLDER}; set SHIFTGAUGE_DATA"
)
"""Skips a test where the data are not there."""
