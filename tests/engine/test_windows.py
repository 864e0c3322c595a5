"""The list of pixels holds each image once, and every window finds its pixels in it."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from shiftgauge.engine.windows import Windows

_SIZES = st.builds(
    Windows,
    n_images=st.integers(1, 3),
    height=st.integers(5, 8),
    width=st.integers(5, 8),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 6),
)


def _filled(at: Windows) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose pixels are all different, and their list."""
    shape = (at.n_images, at.height, at.width, 2)
    images = torch.arange(1.0, 1 + torch.Size(shape).numel()).view(shape)
    pixels = torch.zeros(at.n_pixels, 2)
    at.interior(pixels).copy_(images)
    return images, pixels


@settings(max_examples=100, deadline=None)
@given(_SIZES)
def test_runs_are_the_windows_of_the_padded_images(at):
    images, pixels = _filled(at)
    columns = functional.unfold(images.permute(0, 3, 1, 2), at.kernel, padding=at.padding, stride=at.stride)
    columns = columns.view(at.n_images, 2, at.kernel, at.kernel, at.out_height, at.out_width)
    for i in range(at.kernel):
        found = at.runs(pixels, i, 0, at.kernel).reshape(at.n_images, at.out_height, at.out_width, at.kernel, 2)
        assert torch.equal(found, columns[:, :, i].permute(0, 3, 4, 2, 1))


@settings(max_examples=50, deadline=None)
@given(_SIZES)
def test_images_share_their_padding_and_nothing_else(at):
    images, pixels = _filled(at)
    assert int((pixels != 0).sum()) == images.numel()
    assert at.n_pixels < (at.height + 2 * at.padding + at.kernel) * (at.width + 2 * at.padding) * at.n_images


def test_only_outputs_beside_the_map_are_cleared():
    at = Windows(n_images=2, height=4, width=3, kernel=3, stride=1, padding=1)
    outputs = torch.ones(at.n_outputs, 2)
    at.clear_border(outputs)
    assert bool((at.map(outputs) == 1).all())
    assert int(outputs.sum()) == at.map(outputs).numel()
