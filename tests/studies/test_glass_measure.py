"""Scores of several ways of deciding, against scikit-learn, and their paired intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from shiftgauge.studies.glass_measure import consistency_arrays, micro_f1, score_arrays
from shiftgauge.studies.glass_watch import HONEST, PUBLISHED, Watched, choices, watch_arrays

NAMES = ("no defect", "chip", "stain")


def case(seed=0, n=60):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, 3)) < [0.6, 0.3, 0.2]).astype(float)
    return truth, rng.random((n, 3)) * 0.6 + 0.4 * truth, rng.integers(0, n // 2, n)


def scores(decided, truth, units, against):
    return score_arrays(decided, truth, units, NAMES, no_defect=0, against=against, level=0.95, seed=0, prefix="way")


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_scikit_learn(seed):
    truth, said, units = case(seed)
    decided = said >= 0.5
    found = scores({"a": decided}, truth, units, "a")["way_score"].sel(way="a")
    each = f1_score(truth, decided, average=None)
    assert np.allclose(found.sel(figure=list(NAMES)), each)
    assert np.isclose(found.sel(figure="micro F1"), f1_score(truth, decided, average="micro"))
    assert np.isclose(found.sel(figure="macro F1"), each.mean())
    assert np.isclose(found.sel(figure="macro F1 of defects"), each[1:].mean())
    assert np.isclose(micro_f1(decided, truth), f1_score(truth, decided, average="micro"))


def test_equal_ways_differ_by_exactly_nothing_and_intervals_hold_their_estimates():
    truth, said, units = case()
    found = scores({"a": said >= 0.5, "b": said >= 0.5, "c": said >= 0.7}, truth, units, "a")
    assert (found["way_difference_interval"].sel(way=["a", "b"]) == 0).all()
    low, high = (found["way_score_interval"].sel(bound=b) for b in ("low", "high"))
    assert ((low <= found["way_score"]) & (found["way_score"] <= high)).all()
    width = lambda kind: float(np.diff(found[kind].sel(way="c", figure="micro F1"))[0])  # noqa: E731
    assert width("way_difference_interval") < 2 * width("way_score_interval")


def test_a_label_that_neither_occurs_nor_is_decided_is_left_out_of_the_mean():
    truth = np.array([[1.0, 0, 0], [0, 1, 0]])
    found = scores({"a": truth > 0}, truth, np.arange(2), "a")["way_score"].sel(way="a")
    assert np.isnan(found.sel(figure="stain"))
    assert float(found.sel(figure="macro F1")) == 1


def test_contradictions_are_counted():
    decided = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 1]], bool)
    assert consistency_arrays(decided, 0)["inconsistent"].values.tolist() == [1, 1]


def watched(seed, epochs=4):
    rng = np.random.default_rng(seed)
    parts = []
    for n in (40, 50):
        truth = (rng.random((n, 3)) < 0.4).astype(float)
        parts += [np.clip(0.4 * truth + 0.6 * rng.random((epochs, n, 3)), 0, 1), truth]
    return Watched(validation_enk=parts[0], validation_nk=parts[1], test_enk=parts[2], test_nk=parts[3], names=NAMES)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_thresholds_chosen_on_test_score_there_at_least_what_others_do(seed):
    seen = watched(seed)
    decided, epochs, _ = choices(seen)
    assert epochs["thresholds on test"] == epochs[HONEST]
    honest, leaked = (
        f1_score(seen.test_nk, decided[w], average=None, zero_division=0) for w in (HONEST, "thresholds on test")
    )
    assert (leaked >= honest - 1e-12).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_published_claim_is_the_largest_of_all_epochs(seed):
    seen = watched(seed)
    decided, epochs, curves = choices(seen)
    assert np.isclose(micro_f1(decided[PUBLISHED], seen.test_nk), curves["test"].max())
    assert epochs[PUBLISHED] == curves["test"].argmax()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_chosen_on_validation_does_not_know_the_test_labels(seed):
    seen, other = watched(seed), watched(seed + 1)
    swapped = Watched(
        validation_enk=seen.validation_enk,
        validation_nk=seen.validation_nk,
        test_enk=seen.test_enk,
        test_nk=other.test_nk,
        names=NAMES,
    )
    first, second = choices(seen), choices(swapped)
    assert first[1][HONEST] == second[1][HONEST]
    assert (first[0][HONEST] == second[0][HONEST]).all()


def test_the_watched_table_names_epochs_from_one():
    found = watch_arrays(watched(0), np.arange(50), no_defect=0, level=0.95, seed=0)
    assert found["watch_epoch"].min() >= 1
    assert found["watch_curve"].dims == ("chosen_on", "watched_epoch")
    assert float(found["watch_difference"].sel(watch=HONEST).max()) == 0
