import sys

import pytest
import torch

from shiftgauge.errors import ConfigError, MissingExtraError
from shiftgauge.train.kornia_transforms import (
    KorniaTransform,
    apply_transforms,
    build_transforms,
    seeded,
    transform_classes,
)

NEEDED = {
    "RandomAffine": {"degrees": 10.0},
    "RandomCrop": {"size": [16, 16], "padding": 2},
    "RandomFisheye": {name: torch.tensor([0.1, 0.9]) for name in ("center_x", "center_y", "gamma")},
    "RandomGaussianBlur": {"kernel_size": [3, 3], "sigma": [0.1, 2.0]},
    "RandomMotionBlur": {"kernel_size": 3, "angle": 35.0, "direction": 0.5},
    "RandomResizedCrop": {"size": [16, 16]},
    "RandomRotation": {"degrees": [-15, 15]},
    "RandomRotation90": {"times": [0, 3]},
    "RandomShear": {"shear": 5.0},
    "RandomRain": {"drop_height": [1, 4]},
    "RandomJPEG": {},
}
GLASS = [
    KorniaTransform(name="RandomRotation", arguments={"degrees": [-15, 15]}, p=1.0),
    KorniaTransform(name="RandomSharpness", arguments={"sharpness": 2.0}),
    KorniaTransform(name="RandomAutoContrast"),
    KorniaTransform(
        name="ColorJitter", arguments={"brightness": 0.3, "contrast": 0.3, "saturation": 0.1, "hue": 0.05}, p=1.0
    ),
    KorniaTransform(name="RandomGaussianNoise", arguments={"std": 0.05}, p=0.3),
    KorniaTransform(name="RandomErasing", arguments={"scale": [0.02, 0.15]}, p=0.3),
]


def _images(n=6, channels=3, side=16):
    return torch.rand((n, channels, side, side), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", sorted(transform_classes()))
def test_every_offered_transform_is_a_function_of_images_and_key(name):
    built = build_transforms([KorniaTransform(name=name, arguments=NEEDED.get(name, {}), p=1.0)], (3, 16, 16))
    images = _images()
    kept = images.clone()
    first = apply_transforms(built, images, 11)
    torch.rand(5)
    assert torch.equal(apply_transforms(built, images, 11), first)
    assert torch.equal(images, kept)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1


def test_the_augmentation_of_the_glass_study_can_be_built_and_depends_on_the_key():
    built = build_transforms(GLASS, (3, 32, 32))
    images = _images(side=32)
    assert not torch.equal(apply_transforms(built, images, 1), apply_transforms(built, images, 2))


def test_a_chance_of_zero_leaves_images_as_they_are():
    built = build_transforms([KorniaTransform(name="RandomErasing", p=0.0)], (3, 16, 16))
    assert torch.equal(apply_transforms(built, _images(), 0), _images())


def test_the_chance_is_the_share_of_images_that_are_changed():
    built = build_transforms([KorniaTransform(name="RandomInvert", p=0.3)], (1, 2, 2))
    images = torch.full((4000, 1, 2, 2), 0.25)
    share = float((apply_transforms(built, images, 5) != images).any(dim=(1, 2, 3)).float().mean())
    assert share == pytest.approx(0.3, abs=4 * (0.21 / 4000) ** 0.5)


def test_drawing_leaves_the_random_state_of_torch_alone():
    built = build_transforms(GLASS, (3, 16, 16))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    build_transforms(GLASS, (3, 16, 16))
    apply_transforms(built, _images(), 8)
    with seeded(1, torch.device("cpu")):
        torch.rand(2)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("transform", "shape", "message"),
    [
        ({"name": "RandomErazing"}, (3, 16, 16), "did you mean `RandomErasing`"),
        ({"name": "Normalize"}, (3, 16, 16), "unknown transform of kornia"),
        ({"name": "RandomErasing", "arguments": {"scales": [0.1, 0.2]}}, (3, 16, 16), "did you mean `scale`"),
        ({"name": "RandomErasing", "arguments": {"p": 0.3}}, (3, 16, 16), "give it beside them"),
        ({"name": "RandomErasing", "arguments": {"keepdim": True}}, (3, 16, 16), "unknown argument of RandomErasing"),
        ({"name": "RandomRotation"}, (3, 16, 16), "degrees"),
        ({"name": "RandomRotation", "arguments": {"degrees": "ten"}}, (3, 16, 16), "kornia refuses `RandomRotation`"),
        ({"name": "RandomCrop", "arguments": {"size": [8, 8]}}, (3, 16, 16), "keep the shape"),
        ({"name": "RandomSaturation"}, (1, 16, 16), r"kornia refuses .*\(1, 16, 16\)"),
        ({"name": "RandomRGBShift"}, (1, 16, 16), "kornia refuses"),
        ({"name": "RandomJPEG"}, (1, 16, 16), "kornia refuses"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line_before_a_training(transform, shape, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build_transforms([KorniaTransform(**transform, **({} if "p" in transform else {"p": 0.5}))], shape)
    assert "\n" not in str(caught.value)


def test_a_chance_outside_its_range_is_refused():
    with pytest.raises(ConfigError, match="`p of RandomErasing` must be in"):
        KorniaTransform(name="RandomErasing", p=1.5)


def test_without_kornia_the_message_names_the_extra(monkeypatch):
    for name in [n for n in sys.modules if n == "kornia" or n.startswith("kornia.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kornia", None)
    with pytest.raises(MissingExtraError, match=r"shiftgauge\[train\]"):
        build_transforms([KorniaTransform(name="RandomErasing")], (3, 16, 16))
    assert build_transforms([], (3, 16, 16)) == []
