"""Feature reduction: which models can be trained again, by what they are judged, and what the seed decides."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.report.blocks.table import build_reduction
from shiftgauge.studies.reduction import Reduction, check_retraining, retrain
from shiftgauge.studies.table_audit import audit_table
from shiftgauge.studies.table_data import as_table
from shiftgauge.studies.table_measure import TableEstimate

SMALL = TableEstimate(n_base=128)
RANKED = ["x1", "x2", "x3"]


def features(n=120):
    return np.random.default_rng(1).random((n, 3))


def noisy_classes(x):
    return (x[:, 0] + 0.5 * np.random.default_rng(2).standard_normal(len(x)) > 0.5).astype(int)


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(3),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(max_features=1)),
        BaggingClassifier(DecisionTreeClassifier(max_features=1), n_estimators=3),
        GridSearchCV(DecisionTreeClassifier(max_features=1), {"max_depth": [1, 5]}, cv=KFold(3, shuffle=True)),
    ],
    ids=["forest", "pipeline", "bagging", "search"],
)
def test_the_same_seed_trains_the_same_models_whatever_randomness_they_hold(model):
    x = features()
    table, options = as_table((x, noisy_classes(x))), Reduction(repeats=4)
    before = str(model.get_params(deep=True))
    one, two, other = (retrain(model, table, RANKED, options, seed=s) for s in (3, 3, 4))
    assert one.identical(two)
    assert not one.identical(other)
    assert str(model.get_params(deep=True)) == before


class Recorder(BaseEstimator):
    """A classifier that notes the state it was trained with."""

    _estimator_type = "classifier"
    seen: list = []  # noqa: RUF012

    def __init__(self, random_state=None):
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        return tags

    def fit(self, x, y):
        self.seen.append(self.random_state)
        return self

    def predict(self, x):
        return np.zeros(len(x), int)


def test_a_state_that_was_chosen_stays_and_open_ones_differ_between_repeats():
    x = features()
    table = as_table((x, noisy_classes(x)))
    Recorder.seen.clear()
    retrain(Recorder(7), table, RANKED, Reduction(repeats=2), seed=0)
    assert set(Recorder.seen) == {7}
    Recorder.seen.clear()
    retrain(Recorder(), table, RANKED, Reduction(repeats=2), seed=0)
    assert None not in Recorder.seen
    assert len(set(Recorder.seen)) == 2


def test_a_regressor_is_judged_by_r2_beside_the_mean_of_the_training_rows(tmp_path):
    x = features(200)
    y = 3 * x[:, 0] + 0.1 * x[:, 1]
    found = audit_table(
        LinearRegression().fit(x, y),
        (x, y),
        estimate=SMALL,
        reduction=Reduction(leading=1, repeats=3),
        progress=False,
        out=tmp_path,
    )
    score = found.arrays["reduction_accuracy"].mean("repeat")
    assert found.arrays["reduction_features"].sel(set="leading").item() == "x1"
    assert float(score.sel(set="all")) == pytest.approx(1)
    assert 0.99 < float(score.sel(set="leading")) < 1
    assert float(score.sel(set="trailing")) < 0.2
    assert (found.arrays["reduction_majority"] <= 0).all()
    text = next(m.text for m in found.messages if m.code == "reduction")
    assert "R² = 1.00" in text
    assert "mean of the training rows" in text
    shown = build_reduction(found)
    assert shown is not None
    assert shown["caption"].startswith("R² on test rows")
    assert "majority" not in (tmp_path / "report.html").read_text(encoding="utf-8").lower()


def test_r2_is_that_of_scikit_learn(tmp_path):
    x = features(60)
    y = np.round(np.sin(5 * x[:, 0]) + x[:, 1], 3)
    frame = pd.DataFrame(x, columns=RANKED).assign(y=y, part=["train"] * 40 + ["test"] * 20)
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = as_table({"path": tmp_path / "t.csv", "label_column": "y", "split_column": "part"})
    found = retrain(RandomForestRegressor(5, random_state=0), table, RANKED, Reduction(), seed=0)
    wanted = r2_score(y[40:], RandomForestRegressor(5, random_state=0).fit(x[:40], y[:40]).predict(x[40:]))
    assert found["reduction_accuracy"].sel(set="all").item() == pytest.approx(wanted)
    assert found["reduction_majority"].item() == pytest.approx(r2_score(y[40:], np.full(20, y[:40].mean())))


def test_what_cannot_be_trained_again_is_one_clear_line():
    x = features(20)
    words = ["no", "yes"] * 10
    for model, labels, error, text in (
        (lambda rows: rows[:, 0], x[:, 0], ConfigError, "needs a scikit-learn classifier or regressor; networks"),
        (KMeans(2).fit(x), words, ConfigError, "classifier or regressor, got KMeans"),
        (LinearRegression().fit(x, x[:, 0]), words, DataError, "needs numbers as labels, got `no`"),
        (LinearRegression().fit(x, x[:, 0]), np.ones(20), DataError, "labels that differ"),
        (LogisticRegression().fit(x, words), x[:, 0], DataError, "a label of continuous values needs a regressor"),
    ):
        with pytest.raises(error, match=text) as caught:
            audit_table(model, (x, labels), estimate=SMALL, reduction=Reduction(), progress=False)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="label_column"):
        check_retraining(LinearRegression(), as_table(x))


class Counted(LinearRegression):
    """Notes how many rows it was asked about."""

    calls: list = []  # noqa: RUF012

    def predict(self, X):
        self.calls.append(len(X))
        return super().predict(X)


def test_too_many_leading_inputs_are_refused_before_anything_is_evaluated():
    x = features(30)
    Counted.calls.clear()
    with pytest.raises(ConfigError, match="`leading` must be below 3"):
        audit_table(
            Counted().fit(x, x[:, 0]), (x, x[:, 0]), estimate=SMALL, reduction=Reduction(leading=3), progress=False
        )
    assert sum(Counted.calls) <= 30
