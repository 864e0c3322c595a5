"""Scores of a class agree with the probabilities of a softmax, or of independent labels."""

import numpy as np
import torch

from shiftgauge.explain.class_scores import ClassScore
from shiftgauge.models.callable_model import CallableClassifier
from shiftgauge.models.preprocessing import Preprocessing
from small_networks import Several, linear, wrap

SHAPE = (1, 2, 2)
IMAGES = torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(2))
PLACES = torch.tensor([0, 1, 2, 1, 0])


def test_scores_of_one_class():
    classifier = wrap(linear(SHAPE), SHAPE)
    logits = classifier.outputs(IMAGES)
    p = logits.softmax(dim=1)[torch.arange(5), PLACES]
    expected = {"probability": p, "log_odds": (p / (1 - p)).log(), "logit": logits[torch.arange(5), PLACES]}
    for name, values in expected.items():
        np.testing.assert_allclose(ClassScore(classifier, name).of_images(IMAGES, PLACES), values, rtol=1e-5)


def test_scores_of_a_classifier_that_gives_probabilities():
    classifier = wrap(linear(SHAPE), SHAPE)
    preprocessing = Preprocessing(channels=1, height=2, width=2)
    plain = CallableClassifier(
        lambda images: classifier.outputs(images).softmax(dim=1),
        preprocessing=preprocessing,
        output_kind="probabilities",
        fingerprint="p",
    )
    for name in ("probability", "log_odds"):
        found, truth = (ClassScore(c, name).of_images(IMAGES, PLACES) for c in (plain, classifier))
        np.testing.assert_allclose(found, truth, rtol=1e-4)


def test_scores_of_independent_labels():
    logits = IMAGES.flatten(1)[torch.arange(5), PLACES]
    for name, values in (("probability", logits.sigmoid()), ("log_odds", logits), ("logit", logits)):
        score = ClassScore(Several(), name)
        np.testing.assert_allclose(score.of_images(IMAGES, PLACES), values, rtol=1e-4)
        np.testing.assert_allclose(score.of_logits(IMAGES.flatten(1)[:, :3], PLACES), values, rtol=1e-5)
