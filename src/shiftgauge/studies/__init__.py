"""Whole studies wired from the parts: the audit, the demo, the published systems."""
