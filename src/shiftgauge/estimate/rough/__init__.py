"""Surrogates for what a polynomial leaves: boosted trees and a Gaussian process, as control variates alone."""
