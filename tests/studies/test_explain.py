"""A look inside goes on where it was stopped, does again only what changed, and refuses what cannot be."""

import warnings

import numpy as np
import pytest
import torch

from explain_runs import CLASSES, classifier, look, nothing_but, options
from shiftgauge.errors import ConfigError, ModelError, StoreError
from shiftgauge.explain.objectives import ChannelMean
from shiftgauge.explain.perturbation import PerturbationOptions
from shiftgauge.results.explain import PARTS
from shiftgauge.studies import explain_attributions, explain_climbs, explain_global, explain_image_maps


def test_every_part_is_there_and_says_what_it_cost(explained):
    result = explained[1]
    assert result.parts == tuple(PARTS)
    assert set(result.cost["parts"]) == set(result.parts)
    assert result.arrays["target"].values.tolist()[:4] == list(CLASSES)
    assert result.arrays.sizes["target"] == 5
    assert result.arrays.attrs["cam_layer"] == "block"
    assert result.arrays["map_agreement"].dims == ("image", "block", "method")
    assert (explained[0] / "report.html").is_file()


def test_the_same_call_again_computes_nothing(explained, monkeypatch):
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
    again = look(explained[0], options(), compare=compare)
    for name in explained[1].arrays.variables:
        assert again.arrays[name].equals(explained[1].arrays[name]), name


def test_parts_that_are_left_out_leave_no_trace(tmp_path, explained):
    folder = tmp_path / "run"
    look(folder, options(derivatives=None))
    assert (folder / "walk.csv").is_file()
    only = nothing_but(maximize=options().maximize, units=options().units)
    result = look(folder, only)
    assert result.parts == ("maximize",)
    assert len(result.to_dataframe()) == 0
    assert "5 classes and units" in result.headline
    assert not list(folder.glob("*.csv"))


def test_another_network_is_refused_in_the_same_folder(explained):
    with pytest.raises(StoreError, match="another model"):
        look(explained[0], options(), model=classifier(seed=1))


def test_what_gives_no_gradients_is_refused_in_one_line(tmp_path):
    def bright(images):
        return torch.stack([images.mean(dim=(1, 2, 3))] * 4, dim=1)

    model = {"kind": "callable", "target": bright, "classes": list(CLASSES), "output_kind": "logits",
             "preprocessing": {"channels": 3, "height": 8, "width": 8}}  # fmt: skip
    with pytest.raises(ModelError, match="torch network"):
        look(tmp_path / "run", options(), model=model)
    assert not (tmp_path / "run").exists()


def test_an_unknown_class_or_block_is_named_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="class"):
        look(tmp_path / "a", options(classes=("e",)))
    with pytest.raises(ModelError, match="stem"):
        look(tmp_path / "b", options(blocks=("sten",)))


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
        look(tmp_path / "run", options(**changed))
    assert not (tmp_path / "run").exists()


def test_a_random_push_is_told_to_be_part_of_the_maps(tmp_path):
    push = PerturbationOptions(law="normal", channels="together")
    only = nothing_but(maps=push)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = look(tmp_path / "run", only)
    assert "random_push" in {message.code for message in result.messages}
    assert result.arrays["pushed"].values.tolist() == ["together"]
    assert np.isnan(result.arrays["channel_share"]).all()
