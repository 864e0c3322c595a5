"""shiftgauge: which changes in its input a trained classifier depends on, how much and how surely."""

__version__ = "0.1.0"
