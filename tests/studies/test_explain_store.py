"""Finished parts are taken up for the same alone."""

import numpy as np

from explain_runs import look, nothing_but, options
from shiftgauge.studies.explain_store import PartStore


def test_a_damaged_part_is_made_again(tmp_path):
    only = nothing_but(walk=options().walk)
    first = look(tmp_path / "run", only)
    part = next((tmp_path / "run" / "parts").glob("walk-*.npz"))
    part.write_bytes(b"broken")
    again = look(tmp_path / "run", only)
    assert np.allclose(again.arrays["walk_image"], first.arrays["walk_image"])


def test_a_part_of_other_options_is_not_taken_up(tmp_path):
    import xarray as xr

    store = PartStore(folder=tmp_path, origin={"model": "m", "data": "d"})
    store.save("walk", {"steps": 1}, xr.Dataset({"x": ("a", [1.0])}))
    assert store.load("walk", {"steps": 1}) is not None
    assert store.load("walk", {"steps": 2}) is None
    assert PartStore(folder=tmp_path, origin={"model": "m", "data": "e"}).load("walk", {"steps": 1}) is None
