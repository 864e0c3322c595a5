"""The points that an audit evaluates: its design with the images, and every image at rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shiftgauge.checks import nearest
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.evaluate.evaluator import Evaluator, Points


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A design as points: its own image for each row, or every chosen image at each row in turn.

    Args:
        design: Rows of the unit cube.
        chosen: Indices of fixed images; None when the image is an input of the design.
    """

    design: PickFreezeDesign | PlainDesign
    chosen: tuple[int, ...] | None = None

    @property
    def n_rows(self) -> int:
        """Number of evaluations."""
        return self.design.n_rows * len(self.chosen or (0,))

    def points(self, start: int, stop: int) -> Points:
        """The points [start, stop)."""
        if self.chosen is None:
            rows = self.design.rows(start, stop)
            return Points(image_n=rows.image, theta_np=rows.theta, stream_n=rows.stream)
        each = len(self.chosen)
        first, last = start // each, -(-stop // each)
        rows = self.design.rows(first, last)
        index = np.arange(start, stop)
        where = index // each - first
        image = np.asarray(self.chosen, np.int64)[index % each]
        return Points(image_n=image, theta_np=rows.theta[where], stream_n=rows.stream[where])


@dataclass(frozen=True, kw_only=True)
class AtRest:
    """Every image once, without shifts, as a design."""

    evaluator: Evaluator

    @property
    def n_rows(self) -> int:
        """Number of images."""
        return len(self.evaluator.source)

    def points(self, start: int, stop: int) -> Points:
        """The images [start, stop)."""
        return self.evaluator.at_rest().part(start, stop)


def chosen_images(source: ImageDataset, images: Literal["population"] | Sequence[str]) -> tuple[int, ...] | None:
    """The indices of the images that an audit is restricted to; None when the image is an input of the design.

    Args:
        source: The data set.
        images: `population`, or names of images. A data set of one image has nothing to draw from, so it is fixed.

    Raises:
        ConfigError: Another word, no name at all, or a name twice.
        DataError: A name that no image bears.
    """
    if isinstance(images, str):
        if images != "population":
            raise ConfigError(f"`images` must be `population` or a list of image names, got `{images}`")
        return None if len(source) > 1 else (0,)
    if not images:
        raise ConfigError("`images` is an empty list; name at least one image, or write population")
    twice = [name for name in images if list(images).count(name) > 1]
    if twice:
        raise ConfigError(f"`images` names `{twice[0]}` twice; name each image once")
    found = []
    for name in images:
        if name not in source.names:
            guess = nearest(name, source.names)
            raise DataError(f"no image `{name}` in the data set" + (f"; did you mean `{guess}`?" if guess else ""))
        found.append(source.names.index(name))
    return tuple(found)
