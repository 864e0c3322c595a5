"""A look inside gives what its parts give, goes on where it was stopped, and does again only what changed."""

import warnings

import numpy as np
import pytest
import torch

import shiftgauge
from explain_runs import CLASSES, classifier, data, nothing_but, options
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, InterruptedRunError, ModelError, StoreError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.curves import deletion_insertion
from shiftgauge.explain.depth_profile import depth_profile
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.mask_sobol import mask_sobol
from shiftgauge.explain.objectives import ChannelMean, ClassLogit, Direction
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.explain.pixel_bounds import PixelBoundOptions, pixel_bounds
from shiftgauge.explain.randomisation import cascading_randomisation
from shiftgauge.results.explain import PARTS
from shiftgauge.studies import explain_attributions, explain_climbs, explain_global, explain_image_maps, explain_maps
from shiftgauge.studies.convert import as_source
from shiftgauge.studies.explain_images import choose_images
from shiftgauge.studies.explain_store import PartStore
from shiftgauge.types import Execution
from small_networks import ConvNet, wrap


@pytest.fixture(scope="module", autouse=True)
def _no_figures():
    with pytest.MonkeyPatch.context() as patch:  # drawing takes most of the time and is tested by itself
        patch.setattr("shiftgauge.studies.explain.write_explain_figures", lambda result, folder: [])
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "run"
    compare = {"another": classifier(seed=1)}
    return folder, shiftgauge.explain(
        classifier(), data(), out=folder, options=options(), compare=compare, progress=False
    )


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


def _number(name):
    return str(name).rsplit("_", 1)[-1].rsplit(" ", 1)[-1]


def _is(name, label):
    return int(_number(name)) % 4 == label


def test_every_part_is_there_and_says_what_it_cost(found):
    result = found[1]
    assert result.parts == tuple(PARTS)
    assert set(result.cost["parts"]) == set(result.parts)
    assert result.arrays["target"].values.tolist()[:4] == list(CLASSES)
    assert result.arrays.sizes["target"] == 5
    assert result.arrays.attrs["cam_layer"] == "block"
    assert result.arrays["map_agreement"].dims == ("image", "block", "method")
    assert (found[0] / "report.html").is_file()


def test_the_same_call_again_computes_nothing(found, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("computed again")

    for module, names in (
        (explain_image_maps, ("perturbation_maps", "derivative_maps")),
        (explain_attributions, ("attribute", "deletion_insertion", "cascading_randomisation")),
        (explain_global, ("pixel_bounds", "mask_sobol")),
        (explain_climbs, ("maximize", "image_walk")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, never)
    compare = {"another": classifier(seed=1)}
    again = shiftgauge.explain(classifier(), data(), out=found[0], options=options(), compare=compare, progress=False)
    for name in found[1].arrays.variables:
        assert again.arrays[name].equals(found[1].arrays[name]), name


def test_a_stopped_run_goes_on_within_an_image(tmp_path, monkeypatch, found):
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
        shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    monkeypatch.setattr(
        explain_image_maps, "perturbation_maps", lambda *a, **k: seen.append(k["rows"]) or real(*a, **k)
    )
    result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    assert seen == [(0, 3), (3, 6), (6, 8)] * 8
    assert not list((tmp_path / "run" / "parts").glob("map-*-*.npz"))
    for name in ("map_mean", "map_standard_deviation", "norm_of_difference", "difference_of_norms", "channel_share"):
        assert np.allclose(result.arrays[name], found[1].arrays[name], atol=1e-5), name
    assert result.cost["parts"]["maps"]["evaluations"] == 8 * 192


def test_more_images_join_those_that_are_finished(tmp_path, monkeypatch):
    real, seen = explain_image_maps.perturbation_maps, []
    monkeypatch.setattr(explain_image_maps, "perturbation_maps", lambda *a, **k: seen.append(1) or real(*a, **k))
    push = PerturbationOptions()
    for counted, new in ((2, 8), (3, 4), (1, 0)):
        seen.clear()
        only = nothing_but(maps=push, counted_per_class=counted)
        joined = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
        assert len(seen) == new
        alone = shiftgauge.explain(classifier(), data(), out=tmp_path / f"{counted}", options=only, progress=False)
        assert np.allclose(joined.arrays["map_maximum"], alone.arrays["map_maximum"], atol=1e-6)
        assert np.allclose(joined.arrays["sensitivity"], alone.arrays["sensitivity"], atol=1e-6)


def test_progress_counts_pushes_and_ends_at_all_of_them(tmp_path):
    told, only = [], nothing_but(maps=PerturbationOptions())
    chosen = choose_images(classifier(), as_source(data(), classifier()), only)
    store = PartStore(folder=tmp_path, origin={})
    explain_maps.map_arrays(chosen, only, store, lambda done, total: told.append((done, total)))
    assert told[0] == (0, 8 * 192)
    assert told[-1] == (8 * 192, 8 * 192)
    assert sorted(told) == told
    assert len(told) > 2 * 8


def test_parts_that_are_left_out_leave_no_trace(tmp_path, found):
    folder = tmp_path / "run"
    shiftgauge.explain(classifier(), data(), out=folder, options=options(derivatives=None), progress=False)
    assert (folder / "walk.csv").is_file()
    only = nothing_but(maximize=options().maximize, units=options().units)
    result = shiftgauge.explain(classifier(), data(), out=folder, options=only, progress=False)
    assert result.parts == ("maximize",)
    assert len(result.to_dataframe()) == 0
    assert "5 classes and units" in result.headline
    assert not list(folder.glob("*.csv"))


def test_bounds_and_masks_are_those_of_the_functions(found):
    arrays, images = found[1].arrays, torch.from_numpy(data()[0])
    row = [int(_number(arrays["image"].values[0]))]
    said = str(arrays["asked_class"].values[0])
    bounds = pixel_bounds(classifier(), images[row], said, options=options().bounds)
    assert np.allclose(arrays["pixel_bound"].values[0], bounds.bound[0], rtol=1e-4)
    assert np.allclose(arrays["pixel_bound_limit"].values[0], bounds.limit[0], rtol=1e-4)
    assert (arrays["pixel_bound_low"] <= arrays["pixel_bound"]).all()
    masks = mask_sobol(classifier(), images[row], said, options=options().masks)
    for name in ("total_order", "first_order"):
        assert np.allclose(arrays[f"mask_{name}"].values[0], getattr(masks, name)[0], equal_nan=True, rtol=1e-4)
        assert np.allclose(
            arrays[f"mask_{name}_high"].values[0], getattr(masks, f"{name}_interval")[0, ..., 1], rtol=1e-3
        )


def test_curves_and_randomised_weights_are_those_of_the_functions(found):
    arrays, images = found[1].arrays, torch.from_numpy(data()[0])
    rows = [int(_number(name)) for name in arrays["image"].values]
    asked = [str(name) for name in arrays["asked_class"].values]
    saliency = attribute(classifier(), images[rows], asked, method="saliency")
    curves = deletion_insertion(classifier(), images[rows], saliency, options=options().curves)
    assert np.allclose(arrays["deletion"].sel({"method": "saliency"}), curves.deletion, atol=1e-6)
    table = found[1].tables["curves.csv"].query("method == 'saliency'")
    assert np.allclose(table["gain"], curves.table()["gain"], atol=1e-6)
    left = cascading_randomisation(classifier(), images[rows[:2]], asked[:2], methods=["saliency", "grad_cam"])
    assert np.allclose(arrays["randomised_signed"].values, left.signed, equal_nan=True, atol=1e-5)


def test_derivative_maps_are_the_limit_of_the_maps(found):
    arrays, images = found[1].arrays, torch.from_numpy(data()[0])
    row = [int(_number(arrays["image"].values[0]))]
    exact = derivative_maps(classifier(), images[row], blocks=["stem", "block"])
    assert np.allclose(arrays["norm_of_derivative"].values[0], exact.norm_of_derivative[0], atol=1e-6)
    assert np.allclose(
        arrays["norm_of_derivative"].values[0, 0] * 0.1, arrays["norm_of_difference"].values[0, 0], atol=1e-5
    )
    assert arrays["derivative_mean"].dims == ("class", "block", "direction", "y", "x")


def test_another_network_stands_beside_the_first(found):
    table = found[1].tables["networks.csv"]
    assert table["network"].unique().tolist() == ["ConvNet", "another"]
    own, profile = table[table["network"] == "ConvNet"], found[1].to_dataframe()
    assert np.allclose(own["relative_mean"], profile.loc[profile["pushed"] == "all", "relative_mean"])
    images = torch.from_numpy(data()[0])
    rows = [int(_number(name)) for name in found[1].arrays["counted"].values]
    other = depth_profile(perturbation_maps(classifier(seed=1), images[rows]))
    got = table.loc[table["network"] == "another", "mean"].to_numpy()
    assert np.allclose(got, other.sensitivity.mean(axis=(0, 2)), rtol=1e-4)
    assert "compare another" in found[1].provenance["hashes"]


def test_climbs_begin_where_they_are_told_to(tmp_path):
    images, labels = data()
    climb = ActivationMaximization(steps=1, step_size=0.0, penalty_size=0.0)
    unit = (ChannelMean(block="stem", channel=1),)
    for start, more in (("class_mean", {}), ("image", {}), ("image", {"start_image": "5"})):
        only = nothing_but(maximize=climb, units=unit, start=start, **more)
        folder = tmp_path / "run"
        result = shiftgauge.explain(classifier(), (images, labels), out=folder, options=only, progress=False)
        names = [int(_number(name)) for name in result.arrays["image"].values]
        means = np.stack([images[labels == k].mean(axis=0) for k in range(4)])
        wanted = means if start == "class_mean" else images[[5] * 4 if more else names]
        assert np.allclose(result.arrays["maximized"].values[:4], wanted, atol=1e-6)
        assert np.allclose(
            result.arrays["maximized"].values[4], means.mean(axis=0) if start == "class_mean" else wanted[0]
        )


def test_units_of_one_name_are_told_apart(tmp_path):
    twice = (Direction(block="stem", vector=[1.0] + [0.0] * 5), Direction(block="stem", vector=[0.0, 1.0] + [0.0] * 4))
    only = nothing_but(maximize=options().maximize, units=(*twice, ClassLogit(label="a")))
    result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    names = result.arrays["target"].values.tolist()
    assert len(set(names)) == 7
    assert names[-1] == "a (2)"
    assert np.allclose(result.arrays["maximized"].values[0], result.arrays["maximized"].values[-1], atol=1e-6)


@pytest.mark.parametrize(("about", "wanted"), [("label", ["a", "b", "c", "d"]), ("b", ["b"] * 4)])
def test_images_are_asked_about_the_class_that_is_wanted(tmp_path, about, wanted):
    only = nothing_but(methods=("saliency",), about=about)
    result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    assert result.arrays["asked_class"].values.tolist() == wanted
    rows = [int(_number(name)) for name in result.arrays["image"].values]
    alone = attribute(classifier(), torch.from_numpy(data()[0])[rows], wanted, method="saliency")
    assert np.allclose(result.arrays["attribution"].values[:, 0], alone.maps(), atol=1e-5)


def test_a_class_name_with_a_comma_is_not_taken_for_a_mistake(tmp_path):
    names = ("a, b", "c", "d", "e")
    net = wrap(ConvNet(), classes=names)
    images, _ = data()
    said = net.outputs(torch.from_numpy(images), Execution(batch_size=12)).argmax(dim=1).numpy()
    only = nothing_but(methods=("saliency",))
    result = shiftgauge.explain(net, (images, said), out=tmp_path / "run", options=only, progress=False)
    assert result.arrays["image_right"].values.all()
    assert "wrong_images" not in {message.code for message in result.messages}


def test_classes_that_are_left_out_are_told(tmp_path):
    only = nothing_but(methods=("saliency",), most_classes=3)
    result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    told = {message.code: message.text for message in result.messages}
    assert told["classes_left_out"].startswith("1 more class")


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
    result = shiftgauge.explain(
        wrap(net, classes=CLASSES), (images, labels), out=tmp_path / "r", options=only, progress=False
    )
    table = result.to_dataframe().query("pushed == 'all' and block == 'relu'").iloc[0]
    assert table["images"] == 12
    silent = int((result.arrays["relative_sensitivity"].sel(block="relu").isnull().any("pushed")).sum())
    assert silent > 0
    assert table["relative_images"] == 12 - silent
    assert "silent_block" in {message.code for message in result.messages}


def test_a_larger_number_keeps_the_images_of_a_smaller_one():
    images, _ = data(40)
    held = (np.random.default_rng(1).uniform(size=(40, 4)) < 0.4).astype(float)
    several = from_arrays(images, held, class_names=CLASSES)
    for counted in range(1, 8):
        small, large = (
            choose_images(classifier(), several, nothing_but(methods=("saliency",), counted_per_class=n))
            for n in (counted, counted + 1)
        )
        pairs = [set(zip(chosen.rows, chosen.places, strict=True)) for chosen in (small, large)]
        assert pairs[0] <= pairs[1]


def test_another_network_is_refused_in_the_same_folder(found):
    with pytest.raises(StoreError, match="another model"):
        shiftgauge.explain(classifier(seed=1), data(), out=found[0], options=options(), progress=False)


def test_a_damaged_part_is_made_again(tmp_path):
    only = nothing_but(walk=options().walk)
    first = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    part = next((tmp_path / "run" / "parts").glob("walk-*.npz"))
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
        (
            {
                "maps": None,
                "methods": (),
                "maximize": None,
                "walk": None,
                "units": (),
                "bounds": None,
                "masks": None,
                "derivatives": None,
            },
            "every part",
        ),
        ({"masks_per_class": 2}, "masks_per_class"),
        ({"start": "middle"}, "start"),
        ({"start_image": "7"}, "start_image"),
        ({"bounds": PixelBoundOptions(over="images")}, "over"),
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
    "changed",
    [
        {"layer": "blok"},
        {"about": "e"},
        {"start": "image", "start_image": "x"},
        {"units": (ChannelMean(block="stem", channel=99),)},
        {"blocks": ("stem", "blok")},
    ],
)
def test_what_a_later_part_would_refuse_is_refused_before_anything_is_written(tmp_path, changed):
    with pytest.raises((ConfigError, ModelError)):
        shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=options(**changed), progress=False)
    assert not (tmp_path / "run").exists()


def test_a_random_push_is_told_to_be_part_of_the_maps(tmp_path):
    push = PerturbationOptions(law="normal", channels="together")
    only = nothing_but(maps=push)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = shiftgauge.explain(classifier(), data(), out=tmp_path / "run", options=only, progress=False)
    assert "random_push" in {message.code for message in result.messages}
    assert result.arrays["pushed"].values.tolist() == ["together"]
    assert np.isnan(result.arrays["channel_share"]).all()
