"""Arrays become pictures whose brightness follows their values."""

import base64
import io

import numpy as np
from PIL import Image

from shiftgauge.report.array_pictures import (
    cells_over,
    colour_map,
    file_name,
    heat,
    picture,
    png_bytes,
    png_uri,
    signed_heat,
)


def test_a_picture_is_kept_to_the_last_bit():
    values = np.random.default_rng(0).integers(0, 256, (3, 5, 4))
    shown = np.asarray(Image.open(io.BytesIO(png_bytes(picture(values / 255)))))
    assert np.array_equal(np.moveaxis(shown, -1, 0), values)


def test_one_channel_is_grey_and_values_beyond_are_cut():
    assert picture(np.array([[[-1.0, 2.0]]])).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_a_map_gets_brighter_with_its_values():
    lightness = heat(np.linspace(0, 1, 32)[None], top=1.0).astype(int).sum(axis=-1)[0]
    assert (np.diff(lightness) >= 0).all()


def test_a_map_of_nothing_is_black():
    assert heat(np.zeros((2, 2))).max() <= heat(np.array([[0.0]]), top=1.0).max()
    assert colour_map(np.zeros((3, 2, 2))).max() == 0
    assert heat(np.full((2, 2), np.nan)).shape == (2, 2, 3)


def test_a_large_picture_is_made_smaller_on_a_page():
    uri = png_uri(np.zeros((100, 400, 3), np.uint8), most=50)
    shown = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert shown.size == (50, 12)


def test_a_file_name_holds_nothing_that_a_file_system_refuses():
    assert "/" not in file_name(1, "../a\\b:c", "é")
    assert file_name("..") == "x"


def test_what_tells_pictures_apart_survives_a_long_name():
    long = "a folder with a very long name/" * 6 + "image.png"
    names = {file_name("map", 0, long, f"features.{k}") for k in range(12)}
    assert len(names) == 12
    assert all(len(name) <= 120 and name.endswith(f"features.{k}") for k, name in enumerate(sorted(names, key=_last)))
    assert len(file_name("x" * 200, "y" * 200)) <= 120


def _last(name):
    return int(name.rpartition(".")[2])


def test_a_signed_map_is_blue_below_zero_and_red_above():
    shown = signed_heat(np.array([[-1.0, 0.0, 1.0]])).astype(int)[0]
    assert shown[0, 2] > shown[0, 0]
    assert shown[2, 0] > shown[2, 2]
    assert shown[1].min() > 240


def test_cells_lie_over_the_image_and_unknown_ones_are_grey():
    shown = cells_over(np.array([[0.0, np.nan], [1.0, 0.5]]), np.zeros((3, 5, 4)), 1.0)
    assert shown.shape == (5, 4, 3)
    assert shown[0, 0].sum() < shown[4, 3].sum() < shown[4, 0].sum()
    assert np.ptp(shown[0, 3].astype(int)) < 20
