"""Polynomial chaos: orthonormal bases, sets of terms, the fit and what follows from its coefficients."""
