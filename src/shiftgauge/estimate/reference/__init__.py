"""Functions whose indices are known exactly, to check estimators against.

Example:
    >>> bratley(3).total_order.round(3).tolist()
    [0.807, 0.147, 0.147]
"""

from shiftgauge.estimate.reference.classic import (
    ISHIGAMI,
    ishigami,
    linear_gaussian,
    rough_ishigami,
    sobol_g,
    weld_polynomial,
)
from shiftgauge.estimate.reference.dependent import DependentLinear
from shiftgauge.estimate.reference.function import ReferenceFunction
from shiftgauge.estimate.reference.image_study import ImageStudy
from shiftgauge.estimate.reference.multilinear import bratley, morris
from shiftgauge.estimate.reference.polynomial import polynomial

__all__ = [
    "ISHIGAMI",
    "DependentLinear",
    "ImageStudy",
    "ReferenceFunction",
    "bratley",
    "ishigami",
    "linear_gaussian",
    "morris",
    "polynomial",
    "rough_ishigami",
    "sobol_g",
    "weld_polynomial",
]
