"""Finished parts are taken up for the same alone."""

import numpy as np
import pytest
import xarray as xr

from explain_runs import look, nothing_but, options
from shiftgauge.results.explain import PARTS
from shiftgauge.studies import explain_climbs, explain_store, part_store
from shiftgauge.studies.explain_store import METHODS

PART = xr.Dataset({"x": ("a", [1.0])})


def test_a_damaged_part_is_made_again(tmp_path):
    only = nothing_but(walk=options().walk)
    first = look(tmp_path / "run", only)
    part = next((tmp_path / "run" / "parts").glob("walk-*.npz"))
    part.write_bytes(b"broken")
    again = look(tmp_path / "run", only)
    assert np.allclose(again.arrays["walk_image"], first.arrays["walk_image"])


def test_a_part_of_other_options_is_not_taken_up(tmp_path):
    store = explain_store.explain_store(tmp_path, {"model": "m", "data": "d"})
    store.save("walk", {"steps": 1}, PART)
    assert store.load("walk", {"steps": 1}) is not None
    assert store.load("walk", {"steps": 2}) is None
    assert explain_store.explain_store(tmp_path, {"model": "m", "data": "e"}).load("walk", {"steps": 1}) is None


def test_a_part_of_another_version_of_the_package_is_not_taken_up(tmp_path, monkeypatch):
    store = explain_store.explain_store(tmp_path, {})
    store.save("walk-3", {}, PART)
    monkeypatch.setattr(part_store, "__version__", "0.0.0")
    assert store.load("walk-3", {}) is None
    assert not store.holds("walk-3", {})


def test_a_new_version_of_one_method_leaves_the_parts_of_the_others(tmp_path, monkeypatch):
    store = explain_store.explain_store(tmp_path, {})
    names = ("derivative-000001", "map-000001", "map-other0-000001")
    for name in names:
        store.save(name, {}, PART)
    monkeypatch.setattr(explain_store, "METHODS", {**METHODS, "derivative": METHODS["derivative"] + 1})
    store = explain_store.explain_store(tmp_path, {})
    assert [store.holds(name, {}) for name in names] == [False, True, True]


def test_a_part_of_no_known_kind_is_not_kept_without_a_version(tmp_path):
    with pytest.raises(KeyError):
        explain_store.explain_store(tmp_path, {}).save("something-1", {}, PART)


def test_what_an_older_method_made_is_made_again(tmp_path, monkeypatch):
    only, real = nothing_but(walk=options().walk), explain_climbs.image_walk
    monkeypatch.setattr(explain_store, "METHODS", {**METHODS, "walk": 0})
    first = look(tmp_path / "run", only)
    made = []
    monkeypatch.setattr(explain_climbs, "image_walk", lambda *a, **k: made.append(1) or real(*a, **k))
    look(tmp_path / "run", only)
    assert not made
    monkeypatch.setattr(explain_store, "METHODS", METHODS)
    look(tmp_path / "run", only)
    assert len(made) == first.arrays.sizes["walker"]


def test_every_part_has_a_version():
    kinds = {"maps": "map", "compare": "map", "derivatives": "derivative", "curves": "curve"}
    assert {kinds.get(part, part) for part in PARTS} == set(METHODS)
