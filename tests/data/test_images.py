import io
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import sklearn.datasets
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from shiftgauge.data.images import decode_image
from shiftgauge.errors import DataError

PHOTOGRAPHS = Path(skimage.data.__file__).parent


def encode(image, file_format="PNG", **options):
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "camera.png", "coins.png", "rocket.jpg", "horse.png"])
def test_photographs_equal_an_independent_reader(name):
    from imageio.v3 import imread

    wanted = imread(PHOTOGRAPHS / name)
    got = decode_image((PHOTOGRAPHS / name).read_bytes())
    if name == "horse.png":  # bilevel content stored with alpha
        assert got.shape[1:] == wanted.shape[:2]
        return
    planes = wanted[None] if wanted.ndim == 2 else wanted.transpose(2, 0, 1)
    np.testing.assert_allclose(got, planes / 255, atol=1e-6)
    assert got.dtype == np.float32


def test_photographs_of_scikit_learn_equal_its_own_reader():
    images = Path(sklearn.datasets.__file__).parent / "images"
    for name in ("china.jpg", "flower.jpg"):
        wanted = sklearn.datasets.load_sample_image(name).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(decode_image((images / name).read_bytes()), wanted, atol=1e-6)


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
@settings(max_examples=25, deadline=None)
def test_lossless_formats_keep_eight_bit_grey_exactly(grey):
    for file_format in ("PNG", "BMP", "TIFF"):
        got = decode_image(encode(Image.fromarray(grey), file_format))
        np.testing.assert_array_equal(np.rint(got[0] * 255), grey)
    webp = decode_image(encode(Image.fromarray(grey), "WEBP", lossless=True))
    np.testing.assert_array_equal(np.rint(webp * 255), np.stack([grey] * 3))


@given(arrays(np.uint16, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
@settings(max_examples=25, deadline=None)
def test_sixteen_bit_grey_is_kept_whole(grey):
    for file_format in ("PNG", "TIFF"):
        got = decode_image(encode(Image.fromarray(grey), file_format))
        np.testing.assert_array_equal(np.rint(got[0].astype(np.float64) * 65535), grey)


def test_full_scale_is_the_type_s_not_the_image_s():
    assert decode_image(encode(Image.fromarray(np.full((2, 2), 100, np.uint8)))).max() == pytest.approx(100 / 255)
    assert decode_image(encode(Image.fromarray(np.full((2, 2), 100, np.uint16)))).max() == pytest.approx(100 / 65535)


def test_bilevel_and_palette(pixels):
    bits = pixels[..., 0] > 100
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(bits)))[0], bits)
    palette = Image.fromarray(pixels).quantize(8)
    expected = np.asarray(palette.convert("RGB")).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(decode_image(encode(palette)), expected, atol=1e-6)


@pytest.mark.parametrize("background", [0.0, 0.25, 1.0])
def test_transparency_is_composited_on_the_background(pixels, background):
    alpha = np.random.default_rng(1).integers(0, 256, pixels.shape[:2], dtype=np.uint8)
    expected = pixels / 255 * (alpha / 255)[..., None] + background * (1 - alpha / 255)[..., None]
    for file_format in ("PNG", "TIFF"):
        got = decode_image(encode(Image.fromarray(np.dstack([pixels, alpha])), file_format), background=background)
        np.testing.assert_allclose(got, expected.transpose(2, 0, 1), atol=1e-6)
    grey = decode_image(encode(Image.fromarray(np.dstack([pixels[..., 0], alpha]))), background=background)
    np.testing.assert_allclose(grey, expected.transpose(2, 0, 1)[:1], atol=1e-6)


def test_opaque_alpha_changes_nothing(pixels):
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    for background in (0.0, 1.0):
        got = decode_image(encode(Image.fromarray(opaque)), background=background)
        np.testing.assert_allclose(got, pixels.transpose(2, 0, 1) / 255, atol=1e-6)


def test_transparent_palette_colour_is_composited(pixels):
    palette = Image.fromarray(pixels).quantize(4)
    index = np.asarray(palette)
    for transparency in (1, bytes([255, 0, 255, 255])):
        got = decode_image(encode(palette, transparency=transparency), background=0.5)
        np.testing.assert_allclose(got[:, index == 1], 0.5, atol=1e-6)
        rgb = np.asarray(palette.convert("RGB")).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(got[:, index != 1], rgb[:, index != 1], atol=1e-6)


def test_cmyk_and_ycbcr_become_rgb(pixels):
    cmyk = Image.fromarray(pixels).convert("CMYK")
    np.testing.assert_allclose(decode_image(encode(cmyk, "TIFF")), pixels.transpose(2, 0, 1) / 255, atol=2 / 255)
    assert decode_image(encode(cmyk, "JPEG", quality=95)).shape == (3, 6, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_in_exif_is_applied(pixels, orientation):
    upright = pixels
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = decode_image(encode(Image.fromarray(np.ascontiguousarray(stored)), exif=exif))
    np.testing.assert_allclose(got, upright.transpose(2, 0, 1) / 255, atol=1e-6)


def test_float_tiff_must_be_in_the_unit_range():
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(values), "TIFF"))[0], values)
    for bad, message in ((values * 2, r"must be in \[0, 1\], got 0 to 2"), (values * np.nan, "NaN")):
        with pytest.raises(DataError, match=message):
            decode_image(encode(Image.fromarray(bad), "TIFF"))


def test_thirty_two_bit_integers_have_no_full_scale():
    with pytest.raises(DataError, match="no agreed full scale"):
        decode_image(encode(Image.fromarray(np.ones((2, 2), np.int32)), "TIFF"))


def test_several_frames_are_refused():
    with pytest.raises(DataError, match="frames"):
        decode_image((PHOTOGRAPHS / "multipage.tif").read_bytes())


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe0junk", b"BM" + b"\0" * 60]
)
def test_non_images_are_refused_in_one_line(content):
    with pytest.raises(DataError) as caught:
        decode_image(content)
    assert "\n" not in str(caught.value)


@given(cut=st.integers(1, 3000), kind=st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP"]))
@settings(max_examples=60, deadline=None)
@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
def test_truncated_files_are_errors_or_whole_images(cut, kind):
    rng = np.random.default_rng(0)
    content = encode(Image.fromarray(rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)), kind)
    piece = content[: max(len(content) - cut, 0)]
    whole = decode_image(content)
    try:
        got = decode_image(piece)
    except DataError:
        return
    np.testing.assert_array_equal(got, whole)  # only trailing bytes were lost
