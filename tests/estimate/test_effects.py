import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.effects import main_effect, response_surface
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ImageStudy, weld_polynomial
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

REFERENCE = weld_polynomial()
DESIGN = PickFreezeDesign(inputs=Inputs(space=REFERENCE.space), n_base=2048)
VALUES = REFERENCE.function(DESIGN.rows(0, DESIGN.n_rows).theta)[:, None]
MODEL = analyse(DESIGN, VALUES, outputs=["y"], resamples=0).surrogate.model


def test_curve_and_bins_follow_the_conditional_mean():
    effect = main_effect(DESIGN, VALUES, "brightness", surrogate=MODEL, n_bins=16)
    assert effect.grid[[0, -1]].tolist() == [0, 2]
    assert np.allclose(effect.curve[:, 0], 2 * (effect.grid - 1) ** 2, atol=1e-6)
    assert effect.bin_count.tolist() == [256] * 16
    exact = 2 * (effect.bin_centre - 1) ** 2
    inside = (effect.bin_interval[:, 0, 0] - 0.02 <= exact) & (exact <= effect.bin_interval[:, 0, 1] + 0.02)
    assert inside.mean() > 0.9


def test_choice_has_one_bin_for_each_value():
    space = Space(
        [Parameter(name="gain", distribution="choice", options={"values": [1, 2, 8]}), *REFERENCE.space.parameters]
    )
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=64)
    gain = design.rows(0, design.n_rows).theta[:, :1]
    effect = main_effect(design, 3 * gain, "gain")
    assert effect.bin_centre.tolist() == pytest.approx([1, 2, 8])
    assert np.allclose(effect.bin_mean[:, 0], [3, 6, 24])
    assert effect.curve is None


def test_image_has_one_bin_for_each_image():
    study = ImageStudy(n_images=8, n_classes=2)
    design = PickFreezeDesign(inputs=Inputs(space=study.space, n_images=8), n_base=1024)
    y = study.function(design.rows(0, design.n_rows))[:, None]
    effect = main_effect(design, y, "image")
    assert effect.bin_centre.tolist() == list(range(8))
    assert np.allclose(
        effect.bin_mean[:, 0] - effect.bin_mean.mean(), study.class_effect + study.image_effect, atol=0.15
    )


def test_a_bin_of_one_row_has_no_interval():
    design = PickFreezeDesign(inputs=Inputs(space=REFERENCE.space), n_base=2)
    values = REFERENCE.function(design.rows(0, design.n_rows).theta)[:, None]
    effect = main_effect(design, values, "tilt", n_bins=50)
    assert np.isnan(effect.bin_interval).all()
    assert np.isfinite(effect.bin_mean).all()


def test_surface_is_the_surrogate_at_the_slice():
    axes, slice_at = ("rotation", "brightness"), {"tilt": 10.0}
    found = response_surface(DESIGN.inputs, MODEL, axes, fixed=slice_at, n_grid=11)
    x, y = np.meshgrid(found.grid_x, found.grid_y)
    assert np.allclose(found.surface[:, :, 0], x / 90 + 2 * (y - 1) ** 2 + 3 * x / 90 * 0.5, atol=1e-6)


def test_surface_averages_what_is_not_held():
    found = response_surface(DESIGN.inputs, MODEL, ("rotation", "brightness"), n_grid=5)
    x, y = np.meshgrid(found.grid_x, found.grid_y)
    assert np.allclose(found.surface[:, :, 0], x / 90 + 2 * (y - 1) ** 2, atol=1e-6)


def test_surface_needs_no_design_rows(monkeypatch):
    monkeypatch.setattr(PickFreezeDesign, "rows", lambda *_: pytest.fail("the design was made again"))
    response_surface(DESIGN.inputs, MODEL, ("rotation", "tilt"), n_grid=3)


def test_image_can_be_held():
    study = ImageStudy(n_images=8, n_classes=2)
    design = PickFreezeDesign(inputs=Inputs(space=study.space, n_images=8), n_base=256)
    y = study.function(design.rows(0, design.n_rows))[:, None]
    model = analyse(design, y, outputs=["y"], resamples=0).surrogate.model
    axes = ("rotation", "brightness")
    found = response_surface(design.inputs, model, axes, fixed={"image": 3}, n_grid=5)
    expected = study.class_effect[3] + study.image_effect[3]
    assert found.surface[2, 2, 0] == pytest.approx(expected, abs=1e-3)


def test_surface_of_a_choice_stands_on_its_values():
    space = Space(
        [Parameter(name="gain", distribution="choice", options={"values": [1, 2, 8]}), *REFERENCE.space.parameters]
    )
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=256)
    theta = design.rows(0, design.n_rows).theta
    y = 3 * theta[:, :1] + theta[:, 1:2] / 90
    model = analyse(design, y, outputs=["y"], resamples=0).surrogate.model
    found = response_surface(design.inputs, model, ("rotation", "gain"), n_grid=5)
    assert found.grid_y.tolist() == [1, 2, 8]
    assert found.surface.shape == (3, 5, 1)
    assert np.allclose(found.surface[:, :, 0], 3 * found.grid_y[:, None] + found.grid_x / 90, atol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: main_effect(DESIGN, VALUES, "rotatoin"),
        lambda: response_surface(DESIGN.inputs, MODEL, ("rotation", "rotation")),
        lambda: response_surface(DESIGN.inputs, MODEL, ("rotation", "image")),
        lambda: response_surface(DESIGN.inputs, MODEL, ("rotation", "tilt"), fixed={"tilt": 0}),
        lambda: response_surface(DESIGN.inputs, MODEL, ("rotation", "tilt"), fixed={"tlt": 0}),
    ],
)
def test_unknown_or_repeated_inputs_are_refused(call):
    with pytest.raises(ConfigError):
        call()
