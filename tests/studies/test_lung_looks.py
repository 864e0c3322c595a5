"""Means of the maps' measures, and which frames are looked at."""

from types import SimpleNamespace

import numpy as np
import pytest

from lung_arrays import lung_dataset
from shiftgauge.studies.lung_looks import Looks, _drawn, look_arrays


def seen(measures, rows):
    empty = np.zeros((3, 4, 4), np.float32)
    return Looks(
        rows=rows,
        measures=measures,
        brightening=np.full(len(rows), 0.5),
        frames=empty,
        changes=empty,
        cams=empty,
        layers=("conv",),
    )


def plan():
    dataset = lung_dataset()
    units = np.unique(np.array(dataset.groups), return_inverse=True)[1]
    return SimpleNamespace(dataset=dataset, units_n=units, recipe=SimpleNamespace(seed=0))


def test_means_gap_and_classes_leave_out_frames_without_a_map():
    rows, measures = np.arange(0, 54, 3), np.random.default_rng(0).random((18, 2, 3))
    measures[4, 1] = np.nan
    found = look_arrays(seen(measures, rows), plan(), "way", level=0.95, seed=0).isel(look_way=0)
    kept = np.delete(measures, 4, axis=0)
    assert found["look_value"].values == pytest.approx(kept.mean(axis=0))
    assert found["look_gap"].values == pytest.approx((kept[:, 0] - kept[:, 1]).mean(axis=0))
    labels = np.delete(plan().dataset.labels[rows], 4)
    assert found["look_class"].values[..., 2] == pytest.approx(kept[labels == 2].mean(axis=0))
    assert (int(found["look_frames"]), int(found["look_empty"])) == (17, 1)
    low, high = found["look_gap_interval"].values.T
    assert (low <= found["look_gap"].values).all()
    assert (found["look_gap"].values <= high).all()


def test_frames_are_of_different_recordings_and_of_every_class():
    given = plan()
    rows = _drawn(given, np.arange(54), 4, 0)
    assert np.bincount(given.dataset.labels[rows]).tolist() == [4, 4, 4]
    assert len(set(given.units_n[rows])) == 12
