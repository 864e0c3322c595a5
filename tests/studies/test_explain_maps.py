"""Maps of a look inside are those of the functions, go on within an image, and join those of earlier runs."""

import numpy as np
import pytest
import torch

from explain_runs import CLASSES, classifier, data, look, nothing_but, places
from shiftgauge.errors import InterruptedRunError
from shiftgauge.explain.depth_profile import depth_profile
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.studies import explain_image_maps, explain_maps
from shiftgauge.studies.convert import as_source
from shiftgauge.studies.explain_images import choose_images
from shiftgauge.studies.explain_options import DerivativeOptions
from shiftgauge.studies.explain_store import explain_store
from small_networks import ConvNet, wrap


def test_the_maps_are_those_of_the_images_by_themselves(explained):
    arrays, images = explained[1].arrays, torch.from_numpy(data()[0])
    rows = places(arrays["counted"])
    alone = [perturbation_maps(classifier(), images[[row]], blocks=["stem", "block"]) for row in rows]
    assert np.allclose(
        arrays["norm_of_difference"], np.concatenate([m.norm_of_difference for m in alone[:4]]), atol=1e-5
    )
    profile = depth_profile(alone)
    assert np.allclose(arrays["sensitivity"], profile.sensitivity, atol=1e-6)
    assert np.allclose(arrays["channel_share"], profile.channel_share, atol=1e-4)
    of_first = [m.norm_of_difference[0] for m, row in zip(alone, rows, strict=True) if row % 4 == 0]
    assert np.allclose(arrays["map_mean"].sel({"class": "a"}), np.mean(of_first, axis=0), atol=1e-5)
    assert arrays["map_count"].values.tolist() == [2, 2, 2, 2]


def test_a_stopped_run_goes_on_within_an_image(tmp_path, monkeypatch, explained):
    real, seen = explain_image_maps.perturbation_maps, []

    def stopping(*args, **kwargs):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(kwargs["rows"])
        return real(*args, **kwargs)

    monkeypatch.setattr(explain_image_maps, "perturbation_maps", stopping)
    monkeypatch.setattr(explain_image_maps, "BAND", 72)  # three rows of 8×8 pixels in three colours
    only = nothing_but(maps=PerturbationOptions())
    with pytest.raises(InterruptedRunError, match="goes on"):
        look(tmp_path / "run", only)
    monkeypatch.setattr(
        explain_image_maps, "perturbation_maps", lambda *a, **k: seen.append(k["rows"]) or real(*a, **k)
    )
    result = look(tmp_path / "run", only)
    assert seen == [(0, 3), (3, 6), (6, 8)] * 8
    assert not list((tmp_path / "run" / "parts").glob("map-*-*.npz"))
    for name in ("map_mean", "map_standard_deviation", "norm_of_difference", "difference_of_norms", "channel_share"):
        assert np.allclose(result.arrays[name], explained[1].arrays[name], atol=1e-5), name
    assert result.cost["parts"]["maps"]["evaluations"] == 8 * 192


def test_more_images_join_those_that_are_finished(tmp_path, monkeypatch):
    real, seen = explain_image_maps.perturbation_maps, []
    monkeypatch.setattr(explain_image_maps, "perturbation_maps", lambda *a, **k: seen.append(1) or real(*a, **k))
    push = PerturbationOptions()
    for counted, new in ((2, 8), (3, 4), (1, 0)):
        seen.clear()
        only = nothing_but(maps=push, counted_per_class=counted)
        joined = look(tmp_path / "run", only)
        assert len(seen) == new
        alone = look(tmp_path / f"{counted}", only)
        assert np.allclose(joined.arrays["map_maximum"], alone.arrays["map_maximum"], atol=1e-6)
        assert np.allclose(joined.arrays["sensitivity"], alone.arrays["sensitivity"], atol=1e-6)


def test_progress_counts_pushes_and_ends_at_all_of_them(tmp_path):
    told, only = [], nothing_but(maps=PerturbationOptions())
    chosen = choose_images(classifier(), as_source(data(), classifier()), only)
    store = explain_store(tmp_path, {})
    explain_maps.map_arrays(chosen, only, store, lambda done, total: told.append((done, total)))
    assert told[0] == (0, 8 * 192)
    assert told[-1] == (8 * 192, 8 * 192)
    assert sorted(told) == told
    assert len(told) > 2 * 8


def test_derivative_maps_are_those_of_the_function(explained):
    arrays, images = explained[1].arrays, torch.from_numpy(data()[0])
    row = places(arrays["image"])[:1]
    exact = derivative_maps(classifier(), images[row], blocks=["stem", "block"])
    assert np.allclose(arrays["norm_of_derivative"].values[0], exact.norm_of_derivative[0], atol=1e-6)
    assert arrays["derivative_mean"].dims == ("class", "block", "direction", "y", "x")


def test_derivative_maps_are_the_limit_of_the_maps_where_a_block_bends(tmp_path):
    apart = []
    for epsilon in (1.0, 0.1, 0.001):
        only = nothing_but(
            maps=PerturbationOptions(epsilon=epsilon),
            derivatives=DerivativeOptions(),
            blocks=("block",),
            counted_per_class=1,
        )
        arrays = look(tmp_path / "run", only).arrays
        exact = arrays["norm_of_derivative"].values
        apart.append(np.abs(arrays["norm_of_difference"].values / epsilon - exact).mean() / exact.mean())
    assert apart[0] > 0.02  # the block bends: a push is not its derivative
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 1e-3


def test_derivative_maps_are_the_columns_of_the_jacobian(explained):
    arrays, images = explained[1].arrays, torch.from_numpy(data()[0])
    net = ConvNet().double().eval()
    row = places(arrays["image"])[0]

    def block(x):
        return net.block(net.relu(net.norm(net.stem(x)))).flatten()

    columns = torch.autograd.functional.jacobian(block, (images[[row]].double() - 0.5) / 0.5)
    wanted = torch.linalg.vector_norm(columns, dim=0)[0].numpy()
    np.testing.assert_allclose(arrays["norm_of_derivative"].values[0, 1], wanted, rtol=1e-4, atol=1e-6)


def test_the_share_of_colour_of_each_image_is_that_of_its_maps(explained):
    arrays, table = explained[1].arrays, explained[1].to_dataframe()
    maps = arrays["norm_of_difference"].values.astype(np.float64)
    between = maps.mean(axis=(3, 4)).var(axis=2)
    np.testing.assert_allclose(
        arrays["channel_share_of_images"].values[: len(maps)], between / maps.var(axis=(2, 3, 4)), rtol=1e-5
    )
    rows = table.loc[table["pushed"] == "all"]
    np.testing.assert_allclose(rows["channel_share_mean"], arrays["channel_share_of_images"].mean("counted"))
    low, high = (rows[f"channel_share_{end}"] - rows["channel_share_mean"] for end in ("low", "high"))
    assert np.allclose([low.iloc[0], high.iloc[0]], 0, atol=1e-6)  # the stem is linear: all images have the same maps
    assert low.iloc[1] < -1e-3
    assert high.iloc[1] > 1e-3


def test_a_block_that_says_nothing_for_an_image_is_left_out_and_counted(tmp_path):
    images, labels = data()
    images[0] = 0.0  # the stem gives a constant, which an offset of its own takes away
    net = ConvNet()
    with torch.no_grad():
        black = net.stem(torch.full((1, 3, 8, 8), -1.0)).amax()
        net.norm.bias.copy_(torch.full((6,), 0.0))
        net.stem.bias.sub_(black + 1)
        net.norm.running_mean.zero_()
    only = nothing_but(maps=PerturbationOptions(), counted_per_class=3, blocks=("relu", "block"))
    result = look(tmp_path / "r", only, model=wrap(net, classes=CLASSES), given=(images, labels))
    table = result.to_dataframe().query("pushed == 'all' and block == 'relu'").iloc[0]
    assert table["images"] == 12
    silent = int((result.arrays["relative_sensitivity"].sel(block="relu").isnull().any("pushed")).sum())
    assert silent > 0
    assert table["relative_images"] == 12 - silent
    assert "silent_block" in {message.code for message in result.messages}
