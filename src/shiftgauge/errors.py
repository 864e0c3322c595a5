"""The errors of shiftgauge: one base class, one class for each kind of cause.

Every message says what was given, what is allowed and what to do, on one line.
"""


class ShiftgaugeError(Exception):
    """Base of every error that shiftgauge raises on purpose."""


class ConfigError(ShiftgaugeError):
    """A configuration or an option is malformed, unknown or outside its range."""


class DataError(ShiftgaugeError):
    """Images, labels or tables cannot be read or do not fit the model."""


class ModelError(ShiftgaugeError):
    """A model cannot be loaded safely or does not behave as a classifier."""


class SpaceError(ShiftgaugeError):
    """A parameter, its distribution or a point of the space is invalid."""


class StoreError(ShiftgaugeError):
    """A run folder or its evaluation store cannot be used."""


class NumericalError(ShiftgaugeError):
    """A computation met NaN, infinity, zero variance or a singular problem."""


class InterruptedRunError(ShiftgaugeError):
    """A run was stopped before its end and can be resumed."""


class MissingExtraError(ShiftgaugeError):
    """An optional dependency is not installed.

    Args:
        package: The import name that is missing.
        extra: The extra of shiftgauge that provides it.
        purpose: What needs it, as a noun phrase.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs `{package}`, which is not installed; run: pip install 'shiftgauge[{extra}]'")
        self.package = package
        self.extra = extra
