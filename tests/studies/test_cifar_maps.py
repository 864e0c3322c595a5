"""What maps of the CIFAR-10 study come to, and under which names they are kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from shiftgauge.explain.perturbation import PerturbationOptions
from shiftgauge.files import hash_json
from shiftgauge.studies import cifar_maps
from shiftgauge.studies.cifar_look import PUSHES
from shiftgauge.studies.cifar_maps import channel_correlation, edge_correlation, repeatability


def test_channels_that_differ_by_a_factor_have_the_correlation_one():
    one = np.random.default_rng(0).random((2, 3, 1, 8, 8))
    np.testing.assert_allclose(channel_correlation(np.concatenate([one, 2 * one, 0.5 * one], axis=2)), 1.0)


def test_channels_agree_with_numpy():
    maps = np.random.default_rng(1).random((1, 1, 3, 6, 6))
    each = np.corrcoef(maps[0, 0].reshape(3, -1))
    assert channel_correlation(maps).item() == pytest.approx((each[0, 1] + each[0, 2] + each[1, 2]) / 3)


def test_a_map_of_the_edges_has_the_correlation_one():
    image = np.random.default_rng(2).random((1, 3, 8, 8))
    grey = image.mean(axis=1)
    steep = np.hypot(np.gradient(grey, axis=1), np.gradient(grey, axis=2))
    maps = np.repeat(steep[:, None, None], 3, axis=2)
    np.testing.assert_allclose(edge_correlation(maps, image), 1.0)


def test_cells_repeat_better_than_pixels_where_draws_are_noise():
    rng = np.random.default_rng(3)
    truth = np.kron(rng.random((4, 4)), np.ones((4, 4)))
    one, other = (np.abs(rng.normal(1, 0.7, (1, 1, 3, 16, 16))) * truth for _ in range(2))
    assert repeatability(one, other, 4).item() > repeatability(one, other, 1).item()
    np.testing.assert_allclose(repeatability(one, one, 1), 1.0)


def test_files_of_a_few_images_keep_their_names(tmp_path, monkeypatch):
    """Another name, and hours of measured maps would not be found."""
    given = {"blocks": np.array(["one"]), **{n: np.ones((2, 1)) for n in ("sensitivity", "relative", "share")}}
    given |= {n: np.ones((2, 1)) for n in ("correlation", "edges")}
    monkeypatch.setattr(cifar_maps, "perturbation_maps", lambda *asked, **named: None)
    monkeypatch.setattr(cifar_maps, "_reduced", lambda maps, part: {k: v[: len(part)] for k, v in given.items()})
    options = PerturbationOptions()
    cifar_maps.measure_maps(
        SimpleNamespace(), torch.zeros(6, 3, 2, 2), options=options, folder=tmp_path, identity=("network", "images")
    )
    keys = [{"of": ["network", "images"], "options": options.to_dict(), "rows": rows} for rows in ([0, 4], [4, 6])]
    wanted = {f"{key['rows'][0]:05d}-{hash_json(key)[:16]}.npz" for key in keys}
    assert {path.name for path in tmp_path.iterdir()} == wanted


def test_other_pushes_are_another_version_of_the_maps_that_are_drawn():
    assert hash_json([push.to_dict() for push in PUSHES])[:16] == "e2f66fe3502602ba"
