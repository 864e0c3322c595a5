import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data as photographs

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.preprocessing import Preprocessing


def photo() -> np.ndarray:
    return photographs.chelsea()


def as_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_squash_agrees_with_pillow(interpolation):
    wanted = np.asarray(Image.fromarray(photo()).resize((64, 48), getattr(Image.Resampling, interpolation.upper())))
    got = Preprocessing(height=48, width=64, interpolation=interpolation).prepare(as_tensor(photo()))
    assert got.shape == (1, 3, 48, 64)
    difference = (got[0].permute(1, 2, 0).numpy() * 255 - wanted).astype(float)
    assert np.abs(difference).max() <= 2.0


@pytest.mark.parametrize(("crop_mode", "crop_pct"), [("center", 0.875), ("center", 1.0), ("squash", 0.9)])
def test_timm_config_gives_the_images_of_timm_s_own_transform(crop_mode, crop_pct):
    prepare_torchvision()
    from timm.data.transforms_factory import create_transform

    config = {
        "input_size": (3, 96, 96),
        "interpolation": "bicubic",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "crop_pct": crop_pct,
        "crop_mode": crop_mode,
    }
    wanted = create_transform(**config, is_training=False)(Image.fromarray(photo()))
    p = Preprocessing(**Preprocessing.timm_values(config))
    got = p.normalise(p.prepare(as_tensor(photo())))[0]
    assert got.shape == wanted.shape
    assert float((got - wanted).abs().max()) * 0.225 * 255 <= 3.0


def test_image_of_the_right_size_passes_unchanged():
    x = torch.rand(2, 3, 20, 30)
    for mode in ("squash", "shortest", "none"):
        assert torch.equal(Preprocessing(height=20, width=30, resize=mode).prepare(x), x)


@given(
    h=st.integers(5, 60),
    w=st.integers(5, 60),
    size=st.integers(4, 24),
    mode=st.sampled_from(["squash", "shortest"]),
    crop=st.floats(0.5, 1.0),
    interpolation=st.sampled_from(["bilinear", "bicubic", "nearest"]),
)
@settings(max_examples=60, deadline=None)
def test_any_size_becomes_the_input_size_within_the_unit_range(h, w, size, mode, crop, interpolation):
    p = Preprocessing(height=size, width=size + 3, resize=mode, crop_fraction=crop, interpolation=interpolation)
    out = p.prepare(torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(h * 100 + w)))
    assert out.shape == (1, 3, size, size + 3)
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1


def test_constant_image_stays_constant():
    out = Preprocessing(height=9, width=7, interpolation="bicubic", crop_fraction=0.8).prepare(
        torch.full((1, 3, 31, 17), 0.3)
    )
    assert torch.allclose(out, torch.full_like(out, 0.3), atol=1e-6)


def test_grey_is_repeated_for_a_colour_network():
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(Preprocessing(height=8, width=8).prepare(x), x.repeat(1, 3, 1, 1))


def test_colour_becomes_grey_only_when_stated():
    x = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    stated = Preprocessing(height=4, width=4, channels=1, channel_conversion="either")
    assert math.isclose(float(stated.prepare(x)[0, 0, 0, 0]), 0.299 + 0.587 * 0.5 + 0.114 * 0.25, rel_tol=1e-6)
    with pytest.raises(ModelError, match=r"channel_conversion.*either"):
        Preprocessing(height=4, width=4, channels=1).prepare(x)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_channel_counts_are_refused(channels):
    said = rf"3 channel\(s\), got {channels}; give it such images, or train a .* `model.channels: {channels}`"
    with pytest.raises(ModelError, match=said):
        Preprocessing(height=4, width=4).prepare(torch.rand(1, channels, 4, 4))


def test_wrong_size_without_resize_is_refused():
    with pytest.raises(ModelError, match="8×8 pixels, got 8×9"):
        Preprocessing(height=8, width=8, resize="none").prepare(torch.rand(1, 3, 8, 9))


def test_normalise_is_the_stated_affine_map_and_leaves_its_input():
    p = Preprocessing(height=4, width=4, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    x = torch.rand(2, 3, 4, 4)
    before = x.clone()
    expected = (x - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 1.0, 2.0]).view(3, 1, 1)
    assert torch.allclose(p.normalise(x), expected)
    assert torch.equal(x, before)


def test_normalise_gives_a_new_tensor_where_there_is_nothing_to_do():
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    found = Preprocessing(height=4, width=4).normalise(x)
    assert torch.equal(found, x)
    with torch.no_grad():
        found.mul_(2)
    assert float(x.detach().max()) <= 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 0, "width": 4}, "whole number"),
        ({"height": 4, "width": 4, "std": 0}, "must be > 0"),
        ({"height": 4, "width": 4, "mean": [0.1, 0.2]}, "1 or 3 numbers"),
        ({"height": 4, "width": 4, "mean": "a"}, "list of numbers"),
        ({"height": 4, "width": 4, "resize": "squish"}, "did you mean `squash`"),
        ({"height": 4, "width": 4, "crop_fraction": 1.5}, r"in \[0.01, 1\]"),
        ({"height": 4, "width": 4, "crop_fracton": 0.5}, "did you mean `crop_fraction`"),
        ({"width": 4}, "lacks height"),
    ],
)
def test_bad_configuration_is_refused_in_one_line(values, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Preprocessing.from_mapping(values)
    assert "\n" not in str(caught.value)


def test_mapping_and_dict_are_inverse():
    p = Preprocessing(height=4, width=5, mean=(0.5,), resize="shortest", crop_fraction=0.9)
    assert Preprocessing.from_mapping(p.to_dict()) == p


def test_a_stated_way_of_resizing_drops_the_crop_of_another():
    defaults = {"height": 8, "width": 8, "resize": "shortest", "crop_fraction": 0.875}
    assert Preprocessing.from_mapping({}, defaults).crop_fraction == 0.875
    assert Preprocessing.from_mapping({"resize": "squash"}, defaults).crop_fraction == 1.0
    assert Preprocessing.from_mapping({"resize": "shortest", "crop_fraction": 0.9}, defaults).crop_fraction == 0.9
