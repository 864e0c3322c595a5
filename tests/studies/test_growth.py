"""Audits that stop by themselves: where they stop, what they say, and that a kill in between leaves no trace."""

import json

import numpy as np
import pytest
import xarray as xr

from fakes import MeanClassifier
from shiftgauge.errors import ConfigError
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.results.audit import AuditResult
from shiftgauge.studies.audit import audit

IMAGES = (np.linspace(0.3, 0.6, 4)[:, None, None, None] * np.ones((1, 1, 8, 8))).astype(np.float32)
LABELS = np.array([0, 1, 1, 1])
SPACE = {"brightness": (0.5, 1.5), "rotation": (-20, 20)}
RUN = {
    "progress": False,
    "execution": ExecutionOptions(batch_size=32, precision="float32", channels_last=False, chunk_rows=48),
    "resamples": 100,
    "estimator": "pick_freeze",
    "second_order": False,
    "n_base": 32,
}
ROWS = 5
"""Rows of a block: A, B and one for each of image, brightness and rotation."""


def run(**options) -> AuditResult:
    return audit(MeanClassifier(), (IMAGES, LABELS), SPACE, **{**RUN, **options})


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Drawing takes longer than all the rest, and is tested elsewhere."""
    monkeypatch.setattr("shiftgauge.studies.audit.write_figures", lambda result, folder: [])


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def die_after(monkeypatch, batches):
    """Lets the process die while the batch of that number is computed."""
    outputs, seen = MeanClassifier.outputs, []

    def counted(self, images_nchw, execution=None):
        seen.append(1)
        if len(seen) > batches:
            raise Killed
        return outputs(self, images_nchw, execution)

    monkeypatch.setattr(MeanClassifier, "outputs", counted)


def test_the_audit_doubles_until_the_quantity_of_interest_is_sure(tmp_path):
    result = run(tolerance=0.1, budget=100_000, out=tmp_path)
    data = result.arrays
    half = data["curve_half_width"].sel(quantity="probability").values
    sizes = data["n_base"].values
    assert data.attrs["ending"] == "tolerance"
    assert sizes.tolist() == [32 << k for k in range(len(sizes))]
    assert half[-1] <= 0.1
    assert all(h > 0.1 or n < 128 for h, n in zip(half[:-1], sizes[:-1], strict=True))
    assert result.cost["evaluations"] == sizes[-1] * ROWS == data["curve_evaluations"].values[-1]
    assert result.cost["rows_from_store"] == 0
    assert np.array_equal(data["curve_total_order"].isel(n_base=-1), data["total_order"])
    assert AuditResult.from_disk(tmp_path).arrays.attrs["reason"] == data.attrs["reason"]
    assert json.loads((tmp_path / "run.json").read_text())["config"]["estimate"]["tolerance"] == 0.1


def test_the_stopped_audit_is_the_audit_of_that_size(tmp_path):
    grown = run(tolerance=0.1, budget=100_000)
    n_base = int(grown.arrays["n_base"].values[-1])
    plain = run(n_base=n_base)
    for name in ("first_order", "total_order_interval", "image_mean", "bin_mean", "gauge_contribution"):
        xr.testing.assert_allclose(grown.arrays[name], plain.arrays[name], rtol=1e-9)
    assert plain.arrays.attrs["ending"] == "fixed"
    assert "tolerance" not in plain.arrays.attrs


def test_the_budget_ends_an_audit_and_the_result_says_so():
    result = run(tolerance=0.001, budget=1000)
    assert result.arrays.attrs["ending"] == "budget"
    assert result.cost["evaluations"] == 128 * ROWS
    assert result.arrays.attrs["reason"].startswith(
        "The budget of 1,000 evaluations ended the run after 3 rounds and 640"
    )
    assert [m.level for m in result.messages if m.code == "tolerance_missed"] == ["caution"]


def test_fixed_images_count_each_against_the_budget():
    result = run(images=["1", "2"], budget=1100)
    assert result.cost["evaluations"] == 128 * 4 * 2
    assert result.arrays["curve_evaluations"].values.tolist() == [256, 512, 1024]


def test_a_given_size_has_the_curve_of_its_nested_parts():
    whole, half = run(n_base=256), run(n_base=128)
    assert whole.arrays["n_base"].values.tolist() == [32, 64, 128, 256]
    assert half.arrays["n_base"].values.tolist() == [32, 64, 128]
    same = whole.arrays["curve_total_order"].sel(n_base=128, quantity="margin").values
    assert same == pytest.approx(half.arrays["total_order"].sel(quantity="margin").values, abs=1e-12)


def test_a_surrogate_alone_grows_until_little_is_unexplained():
    result = run(estimator="gpc", n_base=64, tolerance=0.05, budget=4096, quantity_of_interest="margin")
    assert result.arrays.attrs["ending"] == "tolerance"
    assert float(result.arrays["curve_unexplained"].sel(quantity="margin")[-1]) <= 0.05


@pytest.mark.parametrize("batches", [3, 12, 25])
def test_a_kill_in_any_round_leaves_no_trace(tmp_path, monkeypatch, batches):
    options = {"tolerance": 0.1, "budget": 100_000}
    whole = run(**options, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        die_after(patch, batches)
        with pytest.raises(Killed):
            run(**options, out=tmp_path / "cut")
    cut = run(**options, out=tmp_path / "cut")
    assert cut.cost["rows_from_store"] > 0 or batches == 3
    assert (tmp_path / "whole" / "indices.csv").read_bytes() == (tmp_path / "cut" / "indices.csv").read_bytes()
    xr.testing.assert_identical(whole.arrays, cut.arrays)


def test_a_finished_run_goes_on_with_a_sharper_wish(tmp_path):
    first = run(tolerance=0.2, out=tmp_path)
    second = run(tolerance=0.08, out=tmp_path)
    assert second.cost["rows_from_store"] == first.cost["evaluations"]
    assert second.cost["evaluations"] > first.cost["evaluations"]


def test_progress_names_the_round(monkeypatch):
    labels = []
    from shiftgauge.studies import growth

    original = growth.progress_bar

    def noted(label, *, wanted=None):
        labels.append(label)
        return original(label, wanted=wanted)

    monkeypatch.setattr(growth, "progress_bar", noted)
    run(budget=700)
    assert labels == ["images at rest", *(f"shifted images, round {k + 1} (n_base {32 << k})" for k in range(3))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 1.0}, "between 0 and 1"),
        ({"tolerance": 0.1, "budget": 100}, "at least 160 evaluations"),
        ({"tolerance": 0.1, "estimator": "gpc", "resamples": 99}, "`resamples` must be at least 100 "),
        ({"tolerance": 0.1, "replicates": 1, "resamples": 99}, "`resamples` must be at least 100 "),
    ],
)
def test_bad_limits_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        run(**options, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
