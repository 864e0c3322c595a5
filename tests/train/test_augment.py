import json
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats

from shiftgauge.errors import ConfigError
from shiftgauge.parameter import Parameter
from shiftgauge.shifts.catalog import CATALOG, get_preset
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.space import Space
from shiftgauge.train.augment import Augmenter, AugmentOptions, PipelineOptions
from shiftgauge.train.kornia_transforms import KorniaTransform


def _space(**limits):
    return Space(
        [Parameter(name=n, distribution="uniform", options={"low": a, "high": b}) for n, (a, b) in limits.items()]
    )


def _images(n=8, channels=3, height=12, width=12):
    return torch.rand((n, channels, height, width), generator=torch.Generator().manual_seed(1))


EVERYTHING = AugmentOptions(
    flips=("horizontal", "vertical", "quarter_turns"),
    space=_space(brightness=(0, 2), rotation=(-90, 90), gaussian_noise=(0, 0.1)),
    share=0.7,
    kornia=(KorniaTransform(name="RandomErasing"), KorniaTransform(name="RandomGaussianNoise", p=0.5)),
)


def test_a_batch_depends_on_seed_epoch_and_step_alone():
    images = _images()
    one, other = Augmenter(EVERYTHING, (3, 12, 12), seed=0), Augmenter(EVERYTHING, (3, 12, 12), seed=0)
    for step in range(5):
        one(images, 0, step)  # what came before
        torch.rand(3)
    assert torch.equal(one(images, 2, 7), other(images, 2, 7))
    for epoch, step, seed in ((3, 7, 0), (2, 8, 0), (2, 7, 1)):
        assert not torch.equal(Augmenter(EVERYTHING, (3, 12, 12), seed=seed)(images, epoch, step), one(images, 2, 7))


def test_images_stay_in_range_keep_their_shape_and_the_input_is_left_alone():
    images = _images(n=64)
    kept = images.clone()
    changed = Augmenter(EVERYTHING, (3, 12, 12), seed=0)(images, 0, 0)
    assert torch.equal(images, kept)
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_without_options_nothing_changes():
    assert torch.equal(Augmenter(AugmentOptions(), (3, 12, 12), seed=0)(_images(), 0, 0), _images())


def _which_symmetry(flips, count=4000):
    square = torch.arange(4.0).view(1, 1, 2, 2) / 4
    out = Augmenter(AugmentOptions(flips=flips), (1, 2, 2), seed=0)(square.expand(count, -1, -1, -1), 0, 0)
    return Counter(tuple(row) for row in (out.flatten(1) * 4).tolist())


@pytest.mark.parametrize(
    ("flips", "expected"),
    [
        (("horizontal",), 2),
        (("horizontal", "vertical"), 4),
        (("quarter_turns",), 4),
        (("horizontal", "quarter_turns"), 8),
        (("horizontal", "vertical", "quarter_turns"), 8),
    ],
)
def test_every_symmetry_that_the_flips_allow_is_equally_likely(flips, expected):
    found = _which_symmetry(flips)
    assert len(found) == expected
    assert stats.chisquare(list(found.values())).pvalue > 1e-4


def test_a_flip_mirrors_the_axis_that_it_names():
    images = _images(n=40, height=4, width=6)
    for name, axis in (("horizontal", 3), ("vertical", 2)):
        out = Augmenter(AugmentOptions(flips=(name,)), (3, 4, 6), seed=0)(images, 0, 0)
        for before, after in zip(images, out, strict=True):
            assert torch.equal(after, before) or torch.equal(after, before.flip(axis - 1))


def test_shifts_are_those_of_an_audit_at_the_values_drawn():
    preset = get_preset("weld")
    space = Space([Parameter.from_dict(n, dict(d)) for n, d in preset.distributions.items()])
    options = AugmentOptions(space=space, shifts=PipelineOptions(order=preset.order, fill="edge"))
    augmenter = Augmenter(options, (3, 12, 12), seed=4)
    theta, streams = augmenter.draw(8, 1, 2)
    pipeline = ShiftPipeline(space.names, order=preset.order, fill="edge", seed=4)
    expected = pipeline(_images(), torch.from_numpy(theta), torch.from_numpy(streams))
    assert torch.equal(augmenter(_images(), 1, 2), expected)


def test_drawn_values_follow_the_space_and_its_rank_correlation():
    space = Space(_space(brightness=(0, 2), rotation=(-90, 90)).parameters, np.array([[1, 0.6], [0.6, 1]]))
    theta, _ = Augmenter(AugmentOptions(space=space), (3, 12, 12), seed=0).draw(4000, 0, 0)
    assert stats.kstest(theta[:, 0], stats.uniform(0, 2).cdf).pvalue > 1e-4
    assert stats.kstest(theta[:, 1], stats.uniform(-90, 180).cdf).pvalue > 1e-4
    assert stats.spearmanr(theta[:, 0], theta[:, 1]).statistic == pytest.approx(0.6, abs=0.05)


def test_each_shift_acts_on_its_share_of_the_images_independently():
    options = AugmentOptions(
        space=_space(brightness=(0, 2), rotation=(-90, 90), hue=(-9, 9)), share={"brightness": 0.25, "rotation": 0.0}
    )
    theta, _ = Augmenter(options, (3, 12, 12), seed=0).draw(4000, 0, 0)
    acts = theta != [CATALOG[name].identity for name in ("brightness", "rotation", "hue")]
    assert acts.mean(axis=0)[0] == pytest.approx(0.25, abs=0.03)
    assert not acts[:, 1].any()
    assert acts[:, 2].all()
    again, _ = Augmenter(AugmentOptions(space=options.space, share=0.5), (3, 12, 12), seed=0).draw(4000, 0, 0)
    both = (again[:, :2] != [1.0, 0.0]).all(axis=1).mean()
    assert both == pytest.approx(0.25, abs=0.03)


def test_images_on_which_no_shift_acts_come_back_bit_for_bit():
    options = AugmentOptions(space=_space(brightness=(0, 0.5), rotation=(5, 90)), share=0.3)
    augmenter = Augmenter(options, (3, 12, 12), seed=0)
    images = _images(n=50)
    rest = (augmenter.draw(50, 0, 0)[0] == [1.0, 0.0]).all(axis=1)
    assert 0 < rest.sum() < 50
    same = (augmenter(images, 0, 0) == images).all(dim=(1, 2, 3)).numpy()
    assert np.array_equal(same, rest)


def test_a_companion_has_the_share_of_its_main_shift():
    space = _space(motion_blur=(1, 5), motion_blur_angle=(-90, 90), hue=(-9, 9))
    assert AugmentOptions(space=space, share={"motion_blur": 0.4}).shares == (0.4, 0.4, 1.0)


@pytest.mark.parametrize(
    ("main", "companions"),
    [
        ({"motion_blur": (1, 5)}, {"motion_blur_angle": (5, 90)}),
        (
            {"occlusion": (0.1, 0.4)},
            {"occlusion_x": (0.6, 0.9), "occlusion_y": (0.6, 0.9), "occlusion_level": (0.6, 0.9)},
        ),
        ({"uneven_illumination": (0.2, 0.5)}, {"illumination_angle": (5, 90)}),
    ],
)
def test_a_companion_acts_exactly_where_its_main_shift_does(main, companions):
    space = _space(**companions, **main, brightness=(0, 0.9))  # companions before their main shift, and one without
    theta, _ = Augmenter(AugmentOptions(space=space, share=0.5), (3, 12, 12), seed=0).draw(2000, 0, 0)
    acts = theta != [CATALOG[name].identity for name in space.names]
    where = acts[:, len(companions)]
    assert where.mean() == pytest.approx(0.5, abs=0.04)
    assert np.array_equal(acts[:, : len(companions)], np.repeat(where[:, None], len(companions), axis=1))
    assert (acts[:, -1] & where).mean() == pytest.approx(0.25, abs=0.03)


def test_flips_do_not_depend_on_what_else_is_chosen():
    plain = Augmenter(AugmentOptions(flips=("vertical",)), (3, 12, 12), seed=0)
    more = AugmentOptions(flips=("vertical",), space=_space(brightness=(0, 2)), share=0.0)
    assert torch.equal(plain(_images(), 0, 0), Augmenter(more, (3, 12, 12), seed=0)(_images(), 0, 0))


def test_half_precision_around_it_changes_nothing():
    augmenter = Augmenter(EVERYTHING, (3, 12, 12), seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = augmenter(_images(), 0, 0)
    assert torch.equal(inside, augmenter(_images(), 0, 0))


def test_options_become_plain_values_and_an_augmenter_can_be_pickled():
    entry = json.loads(json.dumps(EVERYTHING.to_dict()))
    assert entry["kornia"][0] == {"name": "RandomErasing", "arguments": {}, "p": 0.5}
    assert Space.from_dict(entry["space"]).names == EVERYTHING.space.names
    augmenter = Augmenter(EVERYTHING, (3, 12, 12), seed=0)
    assert torch.equal(pickle.loads(pickle.dumps(augmenter))(_images(), 1, 1), augmenter(_images(), 1, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flips": ("horizontally",)}, "did you mean `horizontal`"),
        ({"flips": ("vertical", "vertical")}, "name it once"),
        ({"share": 1.2}, r"`share` must be in \[0, 1\]"),
        ({"share": {"tilt": 0.5}}, "no space to draw them from"),
        ({"space": _space(hue=(-9, 9)), "share": {"hues": 0.5}}, "did you mean `hue`"),
        ({"space": _space(hue=(-9, 9)), "share": {"hue": -1}}, "`share of hue`"),
        (
            {"space": _space(motion_blur=(1, 5), motion_blur_angle=(0, 9)), "share": {"motion_blur_angle": 1}},
            "it qualifies; name that",
        ),
        ({"space": _space(colour=(0, 1))}, "unknown shift `colour`"),
        ({"space": _space(brightness=(-1, 1))}, "`brightness` must be in"),
        ({"space": _space(hue=(-9, 9)), "shifts": PipelineOptions(order=("tilt",))}, "`order` must name"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        AugmentOptions(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"flips": ("quarter_turns",)}, (3, 8, 12), "square images, these have 8 × 12"),
        ({"space": _space(hue=(-9, 9))}, (1, 8, 8), "`hue` needs images with 3 channels"),
        ({"kornia": (KorniaTransform(name="RandomSnow"),)}, (1, 8, 8), "kornia refuses"),
        ({}, (8, 8), "channels, height, width"),
    ],
)
def test_options_that_do_not_fit_the_images_are_refused(options, shape, message):
    with pytest.raises(ConfigError, match=message):
        Augmenter(AugmentOptions(**options), shape, seed=0)


def test_images_of_another_shape_or_type_are_refused():
    augmenter = Augmenter(AugmentOptions(), (3, 12, 12), seed=0)
    with pytest.raises(ConfigError, match=r"float32 \(N, 3, 12, 12\)"):
        augmenter(_images(height=10), 0, 0)
    with pytest.raises(ConfigError, match="uint8"):
        augmenter((_images() * 255).to(torch.uint8), 0, 0)
