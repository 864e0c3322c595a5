"""Deliberate pushes: attacks on a classifier, noise, and both on one decibel scale.

The package is also the public function: `shiftgauge.attack(...)` is `shiftgauge.studies.attack.attack`.
"""

from shiftgauge.callable_package import make_callable

make_callable(__name__)
