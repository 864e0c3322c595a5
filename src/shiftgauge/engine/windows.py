"""Where the windows of a convolution lie: images as rows of pixels one after another, sharing their padding."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """The places of all windows on a batch of padded images that are stored as one long list of pixels.

    Rows of an image follow one another, and so do images. The zeros before a row are its left border and the right
    border of the row before; the rows of zeros before an image are its upper border and the lower one of the image
    before. For two images of 3 × 3 with padding 1 the list is, row by row,

        . . . .        pitch 4: pixels from one row to the next
        . a b c        image_rows 4: rows from one image to the next
        . d e f
        . g h i
        . . . .        between the images
        . j k l
        . m n o        and so on; it ends in zeros too

    With stride 1 what all windows meet with their entry (i, j) are the pixels from `offset(i, j)` on, one after
    another: a plain slice of the list. There are a few windows too many, which run over a border; their outputs are
    left out of the map.

    Args:
        n_images: N.
        height: H, rows of an image without padding.
        width: W.
        kernel: Side k of the window.
        stride: Pixels from one window to the next.
        padding: Zeros beside every border.

    Example:
        >>> at = Windows(n_images=1, height=3, width=3, kernel=3, stride=1, padding=1)
        >>> at.pitch, at.n_outputs, at.offset(1, 1)
        (4, 16, 5)
    """

    n_images: int
    height: int
    width: int
    kernel: int
    stride: int
    padding: int

    @property
    def out_height(self) -> int:
        """Rows of the output."""
        return (self.height + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Columns of the output."""
        return (self.width + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def pitch(self) -> int:
        """Pixels from one row to the next."""
        return self.width + max(self.padding, 2 * self.padding - self.kernel + 1)

    @property
    def image_rows(self) -> int:
        """Rows from one image to the next."""
        return self.height + max(self.padding, 2 * self.padding - self.kernel + 1)

    @property
    def n_outputs(self) -> int:
        """Outputs of the whole list: with stride 1 those of windows that run over a border too."""
        if self.stride > 1:
            return self.n_images * self.out_height * self.out_width
        return self.n_images * self.image_rows * self.pitch

    @property
    def n_pixels(self) -> int:
        """Length of the list of pixels: the last window reaches beyond the last image."""
        return self.n_images * self.image_rows * self.pitch + self.offset(self.kernel - 1, self.kernel - 1)

    def offset(self, i: int, j: int) -> int:
        """First pixel of the entries (i, j) of all windows."""
        return i * self.pitch + j

    def interior(self, pixels: Tensor) -> Tensor:
        """The images within the list of pixels (n_pixels, C): a view (N, H, W, C)."""
        shape = (self.height, self.width, pixels.shape[1])
        return self._grid(pixels, self.offset(self.padding, self.padding), shape, 1)

    def runs(self, pixels: Tensor, i: int, j: int, run: int) -> Tensor:
        """Row i, columns j to j + run of every window that runs over no border: a view (N, H', W', run · C)."""
        channels = pixels.shape[1] * run
        return self._grid(pixels, self.offset(i, j), (self.out_height, self.out_width, channels), self.stride)

    def map(self, outputs: Tensor) -> Tensor:
        """The output map within the outputs of all windows, (n_outputs, C'): a view (N, H', W', C')."""
        shape = (self.out_height, self.out_width, outputs.shape[1])
        return outputs.view(self.n_images, *shape) if self.stride > 1 else self._grid(outputs, 0, shape, 1)

    def clear_border(self, outputs: Tensor) -> None:
        """Sets the outputs of windows that run over a border to 0."""
        if self.stride == 1:
            grid = outputs.view(self.n_images, self.image_rows, self.pitch, -1)
            grid[:, self.out_height :].zero_()
            grid[:, : self.out_height, self.out_width :].zero_()

    def _grid(self, pixels: Tensor, first: int, shape: tuple[int, int, int], step: int) -> Tensor:
        """A view of a list of pixels as a map, from a first pixel on, taking every `step`-th row and column."""
        channels = pixels.shape[1]
        row = self.pitch * channels
        strides = (self.image_rows * row, step * row, step * channels, 1)
        return pixels.as_strided((self.n_images, *shape), strides, pixels.storage_offset() + first * channels)
