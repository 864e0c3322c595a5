"""Designs and evaluators whose values have a closed form."""

from dataclasses import dataclass, replace

import numpy as np

from fakes import GreyImages, MeanClassifier, brighten
from shiftgauge.evaluate.evaluator import Evaluator, Points


@dataclass(frozen=True)
class Grid:
    """Every image at brightness 0.5 … 1, row by row."""

    n_rows: int
    n_images: int

    def points(self, start: int, stop: int) -> Points:
        rows = np.arange(start, stop)
        theta = 0.5 + 0.5 * (rows[:, None] / self.n_rows)
        return Points(image_n=rows % self.n_images, theta_np=theta, stream_n=rows)


@dataclass(frozen=True)
class NarrowGrid(Grid):
    """The same at brightness 0.9 … 1."""

    def points(self, start: int, stop: int) -> Points:
        found = super().points(start, stop)
        return replace(found, theta_np=0.9 + 0.2 * (found.theta_np - 0.5))


@dataclass(frozen=True)
class Rows:
    """The first rows of a design."""

    design: Grid
    n_rows: int

    def points(self, start: int, stop: int) -> Points:
        return self.design.points(start, stop)


def make(greys=(0.2, 0.7, 0.9), *, native=False, shapes=(), **options) -> Evaluator:
    source = GreyImages(greys, shapes)
    classifier = MeanClassifier(**options)
    return Evaluator(
        classifier=classifier, source=source, perturb=brighten, names=["brightness"], nominal=[1.0], native=native
    )
