"""Strips and thumbnails show what the classifier really saw."""

import numpy as np
import torch
from scipy.special import expit

from fakes import GreyImages, MeanClassifier, brighten
from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.studies.pictures import LEVELS, affected, small_rgb, strips, thumbs
from shiftgauge.types import Execution

GREYS = (0.2, 0.6, 0.9)
SPACE = Space([Parameter(name="brightness", distribution="uniform", options={"low": 0, "high": 1}, nominal=1.0)])


def make() -> Evaluator:
    return Evaluator(
        classifier=MeanClassifier(), source=GreyImages(GREYS), perturb=brighten, names=["brightness"], nominal=[1.0]
    )


def test_a_strip_holds_the_shifted_pixels_and_their_probability():
    data = strips(make(), SPACE, Execution(batch_size=4), [2, 0])
    levels = np.linspace(0, 1, LEVELS)
    np.testing.assert_allclose(data["strip_theta"].sel().values[0], levels)
    grey = (0.9 * levels * 255).round()
    np.testing.assert_allclose(data["strip_image"].values[0, 0, :, 0, 0, 0], grey, atol=1)
    np.testing.assert_allclose(data["strip_probability"].values[0, 0], expit(8 * (0.9 * levels - 0.5)), atol=1e-6)
    predicted = ["bright" if 0.9 * level > 0.5 else "dark" for level in levels]
    assert data["strip_predicted"].values[0, 0].tolist() == predicted
    assert data["strip_label"].values.tolist() == ["bright", "dark"]


def test_a_choice_repeats_its_values_and_a_log_range_is_spaced_by_ratio():
    choice = Space([Parameter(name="brightness", distribution="choice", options={"values": [0.5, 1.0]})])
    found = strips(make(), choice, Execution(), [0])["strip_theta"].values[0]
    assert set(found.tolist()) == {0.5, 1.0}
    log = Space([Parameter(name="brightness", distribution="loguniform", options={"low": 0.1, "high": 1})])
    ratio = np.diff(np.log(strips(make(), log, Execution(), [0])["strip_theta"].values[0]))
    np.testing.assert_allclose(ratio, ratio[0])


def test_images_are_ranked_by_their_mean_change_and_the_worst_row_is_the_lowest():
    image = np.array([0, 1, 0, 1, 2, 2])
    value = np.array([0.9, 0.1, 0.8, 0.4, 0.5, 0.5])
    found = affected(image, value, np.array([0.9, 0.9, 0.5, 0.7]), smaller_is_worse=True)
    assert found.order.tolist() == [1, 0, 2]
    assert found.worst_row.tolist() == [2, 1, 4, -1]
    worse_high = affected(image, value, np.array([0.9, 0.9, 0.5, 0.7]), smaller_is_worse=False)
    assert worse_high.worst_row.tolist()[:2] == [0, 3]


def test_thumbnails_show_each_image_once_at_rest_and_at_its_worst():
    evaluator = make()
    points = Points(
        image_n=np.array([0, 1, 2]), theta_np=np.array([[0.5], [0.1], [0.9]]), stream_n=np.zeros(3, np.int64)
    )
    clean = np.array([0.9, 0.7, 0.96])
    found = affected(points.image_n, np.array([0.95, 0.05, 0.9]), clean, smaller_is_worse=True)
    data = thumbs(evaluator, points.part, found, clean, "probability")
    names = data["thumb_of"].values.tolist()
    assert sorted(names) == sorted(evaluator.source.names)
    k = names.index("grey_1.png")
    assert data["thumb_role"].values[k] == "most"
    assert data["thumb_image"].values[k, 0, 0, 0] == round(0.6 * 255)
    assert data["thumb_worst"].values[k, 0, 0, 0] == round(0.06 * 255)
    assert data["thumb_worst_text"].values[k] == "brightness 0.1: probability 0.7 → 0.05"


def test_small_pictures_keep_shape_and_range_for_any_number_of_channels():
    for channels in (1, 3, 5):
        found = small_rgb(torch.rand(2, channels, 300, 200), 100)
        assert found.shape == (2, 100, 67, 3)
        assert found.dtype == np.uint8
    assert small_rgb(torch.rand(1, 1, 8, 8), 100).shape == (1, 8, 8, 3)
