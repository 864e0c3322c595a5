"""Deliberate pushes: attacks on a classifier, noise, and both on one decibel scale."""
