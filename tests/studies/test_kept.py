"""Measurements that are kept: read for the same, done again for anything else."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.files import hash_json
from shiftgauge.studies.kept import kept, kept_arrays

WAYS = pytest.mark.parametrize(
    ("keep", "give", "suffix"),
    [(kept, lambda v: xr.Dataset({"a": ("x", [v, v])}), "nc"), (kept_arrays, lambda v: {"a": np.array([v, v])}, "npz")],
)


@WAYS
def test_the_same_is_read_and_anything_else_is_measured(tmp_path, keep, give, suffix):
    def ask(value, identity=("network", 3), **more):
        found = keep(tmp_path / "maps", "walk", list(identity), lambda: give(value), **more)
        return np.asarray(found["a"]).tolist()[0]

    assert [ask(1), ask(2), ask(3, ("network", 4)), ask(4, version=2), ask(5)] == [1, 1, 3, 4, 1]
    names = {path.name for path in (tmp_path / "maps").iterdir()}
    assert f"walk-{hash_json(['network', 3])[:16]}.{suffix}" in names  # the first version leaves the name as it was
    assert len(names) == 3


@WAYS
def test_a_damaged_file_is_named(tmp_path, keep, give, suffix):
    keep(tmp_path, "walk", 0, lambda: give(1))
    file = next(Path(tmp_path).glob("walk-*"))
    for content in (b"", b"PK\x03\x04 and no more", file.read_bytes()[:40]):
        file.write_bytes(content)
        with pytest.raises(StoreError, match="remove it, and it is measured again"):
            keep(tmp_path, "walk", 0, lambda: give(1))
