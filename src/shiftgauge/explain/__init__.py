"""What happens inside a network: local sensitivity of its blocks, attributions, activation maximisation.

The package is also the public function: `shiftgauge.explain(...)` is `shiftgauge.studies.explain.explain`.
"""

from shiftgauge.callable_package import make_callable

make_callable(__name__)
