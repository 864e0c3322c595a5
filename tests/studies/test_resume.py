"""A run killed at any moment goes on and ends with the same bits as one that was left alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr


@pytest.mark.slow
@pytest.mark.parametrize("start", ["64", "32"], ids=["fixed size", "growing"])
def test_ten_kills_leave_no_trace_in_the_results(tmp_path, start):
    script = Path(__file__).with_name("killing.py")
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "10", start], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["killed"] == 10, "a child had ended before it was killed"
    assert found["whole"] == 32
    assert found["cut"] <= found["whole"] + found["killed"], "more than one chunk was repeated for a kill"
    assert found["cut"] > found["whole"], "no kill met a chunk at work"
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert (whole / "indices.csv").read_bytes() == (cut / "indices.csv").read_bytes()
    with xr.open_dataset(whole / "results.nc", engine="h5netcdf") as a, xr.open_dataset(cut / "results.nc") as b:
        xr.testing.assert_identical(a.load(), b.load())
    cost = json.loads((cut / "run.json").read_text())["cost"]
    assert cost["rows_from_store"] > 0
