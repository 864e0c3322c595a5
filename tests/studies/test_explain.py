"""A look inside gives what its parts give, goes on where it was stopped, and does again only what changed."""

import warnings

import numpy as np
import pytest
import torch

import shiftgauge
from explain_runs import CLASSES, classifier, data, options
from shiftgauge.errors import ConfigError, InterruptedRunError, ModelError, StoreError
from shiftgauge.explain.depth_profile import depth_profile
from shiftgauge.explain.objectives import ChannelMean
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.studies import explain_maps, explain_parts
from shiftgauge.studies.explain_store import PartStore


@pytest.fixture(scope="module", autouse=True)
def _no_figures():
    with pytest.MonkeyPatch.context() as patch:  # drawing takes most of the time and is tested by itself
        patch.setattr("shiftgauge.studies.explain.write_explain_figures", lambda result, folder: [])
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "run"
    return folder, shiftgauge.explain(classifier(), data(), out=folder, options=options(), progress=False)


def test_the_maps_are_those_of_the_images_by_themselves(found):
    arrays, images = found[1].arrays, torch.from_numpy(data()[0])
    rows = [int(str(name).rsplit("_", 1)[-1].rsplit(" ", 1)[-1]) for name in arrays["counted"].values]
    alone = [perturbation_maps(classifier(), images[[row]], blocks=["stem", "block"]) for row in rows]
    assert np.allclose(
        arrays["norm_of_difference"], np.concatenate([m.norm_of_difference for m in alone[:4]]), atol=1e-5
    )
    profile = depth_profile(alone)
    assert np.allclose(arrays["sensitivity"], profile.sensitivity, atol=1e-6)
    assert np.allclose(arrays["channel_share"], profile.channel_share, atol=1e-4)
    of_first = [
        m.norm_of_difference[0] for m, name in zip(alone, arrays["counted"].values, strict=True) if _is(name, 0)
    ]
    assert np.allclose(arrays["map_mean"].sel({"class": "a"}), np.mean(of_first, axis=0), atol=1e-5)
    assert arrays["map_count"].values.tolist() == [2, 2, 2, 2]


def _is(name, label):
    return int(str(name).rsplit("_", 1)[-1].rsplit(" ", 1)[-1]) % 4 == label


def test_every_part_is_there_and_says_what_it_cost(found):
    result = found[1]
    assert result.parts == ("maps", "attribution", "maximize", "walk")
    assert set(result.cost["parts"]) == set(result.parts)
    assert result.arrays["target"].values.tolist()[:4] == list(CLASSES)
    assert result.arrays.sizes["target"] == 5
    assert result.arrays.attrs["cam_layer"] == "block"
    assert result.arrays["map_agreement"].dims == ("image", "block", "method")
    assert (found[0] / "report.html").is_file()


def test_the_same_call_again_computes_nothing(found, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("computed again")

    for module, name in ((explain_maps, "perturbation_maps"), (explain_parts, "attribute"),
                         (explain_parts, "maximize"), (explain_parts, "image_walk")):  # fmt: skip
        monkeypatch.setattr(module, name, never)
    again = shiftgauge.explain(classifier(), data(), out=found[0], options=options(), progress=False)
    for name in found[1].arrays.variables:
        assert again.arrays[name].equals(found[1].arrays[name]), name


def test_a_stopped_run_goes_on_with_what_is_missing(tmp_path, monkeypatch, found):
    real, seen = explain_maps.perturbation_maps, []

    def stopping(*args, **kwargs):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(explain_maps, "perturbation_maps", stopping)
    monkeypatch.setattr(explain_maps, "_SAVE_EVERY", 0.0)
    with pytest.raises(InterruptedRunError, match="goes on"):
        shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=options(), progress=False)
    monkeypatch.setattr(explain_maps, "perturbation_maps", lambda *a, **k: seen.append(1) or real(*a, **k))
    result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=options(), progress=False)
    assert len(seen) == 8
    assert np.allclose(result.arrays["map_mean"], found[1].arrays["map_mean"], atol=1e-6)
    assert np.allclose(result.arrays["walk_image"], found[1].arrays["walk_image"], atol=1e-6)


def test_parts_that_are_left_out_leave_no_trace(tmp_path):
    only = options(maps=None, methods=(), walk=None)
    result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    assert result.parts == ("maximize",)
    assert len(result.to_dataframe()) == 0
    assert "5 classes and units" in result.headline


def test_another_network_is_refused_in_the_same_folder(found):
    with pytest.raises(StoreError, match="another model"):
        shiftgauge.explain(classifier(seed=1), data(), out=found[0], options=options(), progress=False)


def test_a_damaged_part_is_made_again(tmp_path):
    only = options(maps=None, methods=(), maximize=None, units=())
    first = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    part = next((tmp_path / "run" / "parts").glob("walk-*.nc"))
    part.write_bytes(b"broken")
    again = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    assert np.allclose(again.arrays["walk_image"], first.arrays["walk_image"])


def test_a_part_of_other_options_is_not_taken_up(tmp_path):
    import xarray as xr

    store = PartStore(folder=tmp_path, origin={"model": "m", "data": "d"})
    store.save("walk", {"steps": 1}, xr.Dataset({"x": ("a", [1.0])}))
    assert store.load("walk", {"steps": 1}) is not None
    assert store.load("walk", {"steps": 2}) is None
    assert PartStore(folder=tmp_path, origin={"model": "m", "data": "e"}).load("walk", {"steps": 1}) is None


def test_what_gives_no_gradients_is_refused_in_one_line(tmp_path):
    def bright(images):
        return torch.stack([images.mean(dim=(1, 2, 3))] * 4, dim=1)

    model = {"kind": "callable", "target": bright, "classes": list(CLASSES), "output_kind": "logits",
             "preprocessing": {"channels": 3, "height": 8, "width": 8}}  # fmt: skip
    with pytest.raises(ModelError, match="torch network"):
        shiftgauge.explain(model, data(), out=tmp_path / "run", options=options(), progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"per_class": 0}, "per_class"),
        ({"per_class": 3, "counted_per_class": 2}, "counted_per_class"),
        ({"walk_per_class": 2}, "walk_per_class"),
        ({"methods": ("saliency", "saliency")}, "twice"),
        ({"methods": ("gradcam",)}, "grad_cam"),
        ({"maximize": None}, "units"),
        ({"maps": None, "methods": (), "maximize": None, "walk": None, "units": ()}, "all left out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changed, said):
    with pytest.raises(ConfigError, match=said):
        options(**changed)


def test_an_unknown_class_or_block_is_named_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="class"):
        shiftgauge.explain(classifier(), data(), out=tmp_path / "a", options=options(classes=("e",)), progress=False)
    with pytest.raises(ModelError, match="stem"):
        shiftgauge.explain(classifier(), data(), out=tmp_path / "b", options=options(blocks=("sten",)), progress=False)


@pytest.mark.parametrize(
    "changed", [{"layer": "blok"}, {"units": (ChannelMean(block="stem", channel=99),)}, {"blocks": ("stem", "blok")}]
)
def test_what_a_later_part_would_refuse_is_refused_before_anything_is_written(tmp_path, changed):
    with pytest.raises((ConfigError, ModelError)):
        shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=options(**changed), progress=False)
    assert not (tmp_path / "run").exists()


def test_a_random_push_is_told_to_be_part_of_the_maps(tmp_path):
    push = PerturbationOptions(law="normal", channels="together")
    only = options(maps=push, methods=(), maximize=None, units=(), walk=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    assert "random_push" in {message.code for message in result.messages}
    assert result.arrays["pushed"].values.tolist() == ["together"]
    assert np.isnan(result.arrays["channel_share"]).all()
