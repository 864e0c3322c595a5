"""Labels of a table against the classes of a model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from shiftgauge.errors import DataError
from shiftgauge.studies.table_audit import audit_table
from shiftgauge.studies.table_measure import TableEstimate

ROWS = pd.DataFrame(np.random.default_rng(0).random((60, 2)), columns=["a", "b"])
TRUTH = np.where(ROWS["a"] > 0.5, "good", "bad")
THREE = np.where(ROWS["a"] > 0.7, "c", np.where(ROWS["a"] > 0.3, "b", "a"))
QUICK = TableEstimate(n_base=64)


def accuracy(model, labels):
    found = audit_table(model, (ROWS, labels), estimate=QUICK, derivatives=False, progress=False)
    return found.arrays.attrs["accuracy"]


def fitted(labels):
    return LogisticRegression(C=100).fit(ROWS, labels)


def renamed(labels, names):
    return np.array([names.get(name, name) for name in labels])


def test_labels_match_classes_without_regard_to_case_and_blanks():
    model = fitted(renamed(TRUTH, {"good": "good_part"}))
    wanted = (model.predict(ROWS) == renamed(TRUTH, {"good": "good_part"})).mean()
    assert accuracy(model, renamed(TRUTH, {"good": "Good part", "bad": " BAD"})) == pytest.approx(wanted)
    numbers = fitted((TRUTH == "good").astype(int))
    assert accuracy(numbers, np.where(TRUTH == "good", "1.0", "0.0")) == pytest.approx(wanted)


def test_classes_are_never_matched_by_their_order():
    """Sorted, `ok` stands after `bad` as `good` does."""
    with pytest.raises(DataError, match=r"no classes of the model: `ok`; the model has `bad`, `good`; name them alike"):
        accuracy(fitted(TRUTH), renamed(TRUTH, {"good": "ok"}))
    with pytest.raises(DataError, match="are no classes of the model: `1`, `2`"):
        accuracy(fitted(THREE), renamed(THREE, {"b": "1", "c": "2"}))


def test_a_model_may_have_classes_that_the_table_lacks():
    model = fitted(THREE)
    keep = THREE != "c"
    found = audit_table(model, (ROWS[keep], THREE[keep]), estimate=QUICK, derivatives=False, progress=False)
    assert found.arrays.attrs["accuracy"] == pytest.approx((model.predict(ROWS[keep]) == THREE[keep]).mean())


def test_outputs_without_names_take_labels_for_their_numbers():
    codes = np.searchsorted(["a", "b", "c"], THREE)
    model = fitted(codes)
    spec = {"kind": "callable", "target": lambda x: model.predict_proba(pd.DataFrame(x, columns=["a", "b"]))}
    spec["output"] = "probabilities"
    assert accuracy(spec, codes) == pytest.approx((model.predict(ROWS) == codes).mean())
    assert np.isnan(accuracy(spec, THREE))


def test_a_model_that_names_one_class_finds_it_among_two_labels():
    spec = {"kind": "callable", "target": lambda x: 20 * (x[:, 0] - 0.5), "output": "logits", "classes": ["Good"]}
    assert accuracy(spec, TRUTH) == 1.0
    assert accuracy(spec, (TRUTH == "good").astype(int)) == 1.0
    with pytest.raises(DataError, match="the model has `Good`"):
        accuracy(spec, renamed(TRUTH, {"good": "fine"}))
