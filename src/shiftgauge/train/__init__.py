"""Training: images to batches, losses, schedules, augmentation, the fit; then thresholds, metrics and calibration.

The package is also the public function: `shiftgauge.train(...)` is `shiftgauge.studies.train.train`.
"""

from shiftgauge.callable_package import make_callable

make_callable(__name__)
