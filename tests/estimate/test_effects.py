import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.effects import main_effect, response_surface
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ImageStudy, weld_polynomial
from shiftgauge.space import Parameter, Space

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


def test_surface_is_the_surrogate_at_the_slice_with_the_samples_near_it():
    found = response_surface(
        DESIGN, VALUES, MODEL, ("rotation", "brightness"), fixed={"tilt": 10}, n_grid=11, nearness=0.02
    )
    x, y = np.meshgrid(found.grid_x, found.grid_y)
    assert np.allclose(found.surface[:, :, 0], x / 90 + 2 * (y - 1) ** 2 + 3 * x / 90 * 0.5, atol=1e-6)
    theta = DESIGN.rows(0, DESIGN.n_rows).theta[found.near]
    assert (np.abs(theta[:, 2] - 10) <= 0.02 * 40 + 1e-9).all()
    assert np.allclose(found.near_x, theta[:, 0])
    assert len(found.near) == pytest.approx(0.04 * DESIGN.n_rows, rel=0.2)


def test_surface_averages_what_is_not_held():
    found = response_surface(DESIGN, VALUES, MODEL, ("rotation", "brightness"), n_grid=5)
    x, y = np.meshgrid(found.grid_x, found.grid_y)
    assert np.allclose(found.surface[:, :, 0], x / 90 + 2 * (y - 1) ** 2, atol=1e-6)
    assert len(found.near) == DESIGN.n_rows


def test_image_can_be_held():
    study = ImageStudy(n_images=8, n_classes=2)
    design = PickFreezeDesign(inputs=Inputs(space=study.space, n_images=8), n_base=256)
    y = study.function(design.rows(0, design.n_rows))[:, None]
    model = analyse(design, y, outputs=["y"], resamples=0).surrogate.model
    found = response_surface(design, y, model, ("rotation", "brightness"), fixed={"image": 3}, n_grid=5)
    assert (design.rows(0, design.n_rows).image[found.near] == 3).all()
    expected = study.class_effect[3] + study.image_effect[3]
    assert found.surface[2, 2, 0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: main_effect(DESIGN, VALUES, "rotatoin"),
        lambda: response_surface(DESIGN, VALUES, MODEL, ("rotation", "rotation")),
        lambda: response_surface(DESIGN, VALUES, MODEL, ("rotation", "image")),
        lambda: response_surface(DESIGN, VALUES, MODEL, ("rotation", "tilt"), fixed={"tilt": 0}),
    ],
)
def test_unknown_or_repeated_inputs_are_refused(call):
    with pytest.raises(ConfigError):
        call()
