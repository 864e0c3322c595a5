"""Trained classifiers of many kinds behind one protocol: load, preprocess, run fast, differentiate."""
