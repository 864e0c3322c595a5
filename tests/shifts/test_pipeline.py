import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.shifts.catalog import CATALOG, PRESETS
from shiftgauge.shifts.pipeline import ShiftPipeline
from shifts.samples import MAINS, run, smooth_images, streams, theta_of

MIXES = {
    **{name: (name,) for name in MAINS},
    "motion at an angle": ("motion_blur", "motion_blur_angle"),
    "light from a side": ("uneven_illumination", "illumination_angle"),
    "placed cover": ("occlusion", "occlusion_x", "occlusion_y", "occlusion_level"),
    "weld": PRESETS["weld"].names,
    "inspection": PRESETS["inspection"].names,
    "demo": PRESETS["demo"].names,
    "everything": tuple(CATALOG),
}


@pytest.mark.parametrize("names", MIXES.values(), ids=MIXES.keys())
def test_shape_type_and_range_are_kept_and_the_input_is_not_changed(names):
    images = torch.rand(4, 3, 17, 22)
    before = images.clone()
    shifted = run(names, images, theta_of(names, 4))
    assert shifted.shape == images.shape
    assert shifted.dtype == images.dtype
    assert torch.isfinite(shifted).all()
    assert 0 <= shifted.min() <= shifted.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize("names", MIXES.values(), ids=MIXES.keys())
def test_a_row_does_not_depend_on_the_batch_the_threads_or_the_layout(names):
    images = smooth_images(5, height=111, width=103)
    theta = theta_of(names, 5)
    theta[3] = theta[1]
    images[3] = images[1]
    numbers = torch.tensor([7, 8, 9, 8, 7])
    pipeline = ShiftPipeline(names, fill="reflect")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        whole = pipeline(images, theta, numbers)
        torch.set_num_threads(1)
        alone = torch.cat([pipeline(images[k : k + 1], theta[k : k + 1], numbers[k : k + 1]) for k in range(5)])
    finally:
        torch.set_num_threads(before)
    turned = pipeline(images.flip(0).contiguous(memory_format=torch.channels_last), theta.flip(0), numbers.flip(0))
    assert torch.equal(whole, alone)
    assert torch.equal(whole, turned.flip(0))
    assert torch.equal(whole[3], whole[1])


def test_rows_that_share_one_image_are_like_rows_with_copies():
    image = smooth_images(1)
    names = PRESETS["demo"].names
    theta = theta_of(names, 6)
    shared = run(names, image.expand(6, -1, -1, -1), theta)
    copied = run(names, image.repeat(6, 1, 1, 1), theta)
    assert torch.equal(shared, copied)


def test_nearest_interpolation_is_not_differentiable():
    assert ShiftPipeline(["rotation"]).is_differentiable
    assert not ShiftPipeline(["rotation"], interpolation="nearest").is_differentiable
    assert ShiftPipeline(["brightness"], interpolation="nearest").is_differentiable


def test_the_default_order_is_the_cameras():
    pipeline = ShiftPipeline(["gaussian_noise", "gaussian_blur", "tilt", "rotation", "brightness"])
    assert pipeline.order == ("brightness", "rotation", "tilt", "gaussian_blur", "gaussian_noise")
    stages = [CATALOG[name].stage for name in ShiftPipeline(tuple(CATALOG)).order]
    assert stages == sorted(stages, key=["scene", "geometry", "optics", "sensor"].index)


def test_a_stated_order_is_followed():
    image = torch.full((1, 1, 8, 8), 0.4)
    theta = torch.tensor([[0.5, 0.3]])
    cover_level = ["brightness", "occlusion", "occlusion_level"]
    full = torch.tensor([[0.5, 1.0, 0.8]])
    light_last = run(cover_level, image, full, order=["occlusion", "brightness"])
    light_first = run(cover_level, image, full)
    assert torch.allclose(light_last, torch.tensor(0.4))
    assert torch.allclose(light_first, torch.tensor(0.8))
    assert theta.shape == (1, 2)


def test_a_pipeline_of_one_stage_after_another_equals_the_whole():
    names = ("exposure", "contrast", "rotation", "tilt", "gaussian_blur", "gaussian_noise", "jpeg_quality")
    images = smooth_images(3)
    theta = theta_of(names, 3)
    step_by_step = images
    for part in (("exposure",), ("contrast",), ("rotation", "tilt"), *((n,) for n in names[4:])):
        columns = [names.index(n) for n in part]
        step_by_step = run(part, step_by_step, theta[:, columns])
    assert torch.equal(step_by_step, run(names, images, theta))


def test_columns_may_stand_in_any_order():
    names = PRESETS["demo"].names
    images = smooth_images(3)
    theta = theta_of(names, 3)
    backward = run(names[::-1], images, theta.flip(1), order=PRESETS["demo"].order)
    assert torch.equal(backward, run(names, images, theta, order=PRESETS["demo"].order))


@pytest.mark.parametrize("name", [*MAINS, "illumination_angle", "occlusion_x"])
@pytest.mark.parametrize("kind", ["above", "below", "nan", "inf"])
def test_a_value_outside_its_range_is_refused_by_name_value_range_and_identity(name, kind):
    shift = CATALOG[name]
    value = {"above": shift.high * 1.5 + 1, "below": shift.low - 1, "nan": np.nan, "inf": np.inf}[kind]
    names = (shift.companion_of, name) if shift.companion_of else (name,)
    theta = torch.tensor([[CATALOG[n].identity for n in names]] * 2, dtype=torch.float64)
    theta[1, -1] = value
    with pytest.raises(
        ConfigError, match=rf"`{name}` must be in \[.*\], got .*in row 1; {shift.identity:g}".replace("+", r"\+")
    ):
        run(names, smooth_images(2), theta)


def test_wrong_names_options_and_shapes_are_refused():
    with pytest.raises(ConfigError, match="did you mean `rotation`"):
        ShiftPipeline(["rotatoin"])
    with pytest.raises(ConfigError, match="named 2 times"):
        ShiftPipeline(["tilt", "tilt"])
    with pytest.raises(ConfigError, match="no shift is named"):
        ShiftPipeline([])
    with pytest.raises(ConfigError, match="only qualifies `motion_blur`"):
        ShiftPipeline(["motion_blur_angle"])
    with pytest.raises(ConfigError, match="must name each of brightness, tilt once, got tilt"):
        ShiftPipeline(["tilt", "brightness"], order=["tilt"])
    with pytest.raises(ConfigError, match="keep the geometric shifts together"):
        ShiftPipeline(["tilt", "brightness", "pan"], order=["tilt", "brightness", "pan"])
    with pytest.raises(ConfigError, match="unknown fill `mirror`"):
        ShiftPipeline(["tilt"], fill="mirror")
    with pytest.raises(ConfigError, match="`fill_value` must be in"):
        ShiftPipeline(["tilt"], fill_value=2)
    with pytest.raises(ConfigError, match="`field_of_view_deg` must be in"):
        ShiftPipeline(["tilt"], field_of_view_deg=180)
    with pytest.raises(ConfigError, match="unknown interpolation"):
        ShiftPipeline(["tilt"], interpolation="cubic spline")
    with pytest.raises(ConfigError, match="`seed` must be"):
        ShiftPipeline(["tilt"], seed=-1)
    pipeline = ShiftPipeline(["tilt"])
    images = smooth_images(2)
    with pytest.raises(ConfigError, match="theta must have shape"):
        pipeline(images, torch.zeros(2, 2), streams(2))
    with pytest.raises(ConfigError, match="streams must be int64"):
        pipeline(images, torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(ConfigError, match="images must be float32"):
        pipeline((images * 255).to(torch.uint8), torch.zeros(2, 1), streams(2))


def test_large_images_and_many_small_ones_are_worked_on_in_parts():
    names = ("brightness", "rotation")
    for images in (smooth_images(3, channels=1, height=700, width=800), smooth_images(1).repeat(1500, 1, 1, 1)):
        theta = theta_of(names, len(images))
        whole = run(names, images, theta)
        assert torch.equal(whole[-1:], run(names, images[-1:], theta[-1:]))


def test_an_empty_batch_stays_empty():
    assert run(["tilt"], torch.zeros(0, 3, 8, 8), torch.zeros(0, 1)).shape == (0, 3, 8, 8)


def test_is_random_says_whether_streams_matter():
    assert ShiftPipeline(["gaussian_noise"]).is_random
    assert ShiftPipeline(["occlusion", "occlusion_x"]).is_random
    settled = ShiftPipeline(["occlusion", "occlusion_x", "occlusion_y"])
    assert not settled.is_random
    theta = torch.tensor([[0.2, 0.1, 0.9]])
    one, two = (settled(torch.ones(1, 3, 9, 9), theta, streams(1, k)) for k in (0, 5))
    assert torch.equal(one, two)


def test_the_description_decides_the_outcome():
    one = ShiftPipeline(["tilt"], fill="edge").describe()
    assert one == ShiftPipeline(["tilt"], fill="edge", seed=5).describe()
    assert one != ShiftPipeline(["tilt"], fill="reflect").describe()
    noisy = [ShiftPipeline(["gaussian_noise"], seed=s).describe() for s in (0, 1)]
    assert noisy[0] != noisy[1]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_device_gives_the_same_images(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    names = tuple(n for n in CATALOG if n not in ("bit_depth", "jpeg_quality", "shot_noise"))
    images = smooth_images(4, height=33, width=35)
    theta = theta_of(names, 4)
    there = run(names, images.to(device), theta.to(device), streams(4).to(device))
    assert there.device.type == device
    assert torch.allclose(there.cpu(), run(names, images, theta), atol=2e-5)
