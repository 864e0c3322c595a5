"""The choice of surrogate, solver, replicates and of what becomes of failures, as a user drives it."""

import json

import numpy as np
import pytest
import xarray as xr

from shiftgauge.results.audit import AuditResult

QUICK = ("--set", "estimate.second_order=false")
FAILING = '''
import torch


class Failing(torch.nn.Module):
    """Dark and bright, but no number where the picture is brighter than a limit."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, images):
        mean = images.mean(dim=(1, 2, 3))
        logits = torch.stack([8 * (0.6 - mean), 8 * (mean - 0.6)], dim=1)
        return torch.where(mean[:, None] > self.limit, float("nan"), logits)


def build(limit):
    return Failing(limit)
'''


@pytest.fixture
def failing(project):
    name = f"failing_{project.values['model']['factory'].partition(':')[0]}"
    (project.folder / f"{name}.py").write_text(FAILING)
    project.values["model"] |= {"factory": f"{name}:build", "arguments": {"limit": 0.89}}
    project.values["shifts"] = {"parameters": {"brightness": [0.5, 1.25], "rotation": [-5, 5]}}
    project.values["estimate"] = {"n_base": 128, "resamples": 100, "second_order": False}
    project.write()
    return project


def arrays_of(project) -> xr.Dataset:
    return AuditResult.from_disk(project.folder / "run").arrays


def test_a_failing_model_stops_the_run_in_one_line_that_names_the_case(cli, failing):
    error = cli("audit", failing.path, "--quiet").error
    assert "gives NaN or infinity for image `bright" in error
    assert "at brightness 1." in error
    assert "on_failure: drop" in error


@pytest.mark.parametrize("estimator", ["assisted", "gpc"])
def test_failed_cases_are_left_out_and_counted_everywhere(cli, failing, estimator):
    found = cli("audit", failing.path, "--set", "estimate.on_failure=drop", "--set", f"estimate.estimator={estimator}")
    assert found.code == 0, found.err
    arrays, out = arrays_of(failing), " ".join(found.out.split())
    failed, dropped, drawn = (arrays.attrs[name] for name in ("n_failed", "n_dropped", "n_drawn"))
    assert 0 < dropped <= failed
    assert drawn == 128
    record = json.loads((failing.folder / "run" / "run.json").read_text())
    (text,) = [m["text"] for m in record["messages"] if m["code"] == "failed_runs"]
    assert f"In {failed} evaluations" in text
    assert f"{dropped} of 128 {'rows' if estimator == 'gpc' else 'blocks'}" in text
    assert f"{failed} failed" in out
    page = (failing.folder / "run" / "report.html").read_text()
    assert f"{failed} ({dropped} of 128" in page
    for name in ("first_order", "total_order", "mean", "bin_mean", "sample_value", "image_mean"):
        assert np.isfinite(arrays[name]).all(), name
    if estimator == "assisted":
        assert "without a surrogate's help" in out


def test_a_finished_run_without_failures_says_nothing_of_them(cli, project):
    found = cli("audit", project.path, *QUICK, "--set", "estimate.on_failure=drop")
    assert found.code == 0, found.err
    assert "fail" not in found.out
    assert "n_failed" not in arrays_of(project).attrs


def test_an_image_at_which_the_model_fails_unshifted_is_an_error_all_the_same(cli, failing):
    failing.values["model"]["arguments"] = {"limit": 0.78}
    failing.write()
    error = cli("audit", failing.path, "--quiet", "--set", "estimate.on_failure=drop").error
    assert "without any shift for 2 of 6 images" in error
    assert "bright1.png" in error


def test_what_was_added_to_the_polynomial_is_in_result_page_and_terminal(cli, project):
    wish = ("--set", "estimate.surrogate=trees", "--set", "estimate.n_base=64")
    found = cli("audit", project.path, *QUICK, *wish)
    assert found.code == 0, found.err
    arrays = arrays_of(project)
    assert set(arrays["surrogate_residual"].values.tolist()) == {"trees"}
    share = float(arrays["surrogate_assisted_share"].sel(quantity="probability"))
    text = f"with boosted trees added to it {100 * share:.1f}\u00a0%"
    assert " ".join(text.split()) in " ".join(found.out.split())
    assert text in (project.folder / "run" / "report.html").read_text()


def test_solver_and_residual_reach_the_surrogate(cli, project):
    keys = ("estimator=gpc", "n_base=256", "chaos.solver=omp", "chaos.residual=noise")
    found = cli("audit", project.path, *(part for key in keys for part in ("--set", f"estimate.{key}")))
    assert found.code == 0, found.err
    arrays = arrays_of(project)
    assert "picked by OMP" in str(arrays["surrogate_label"].sel(quantity="probability").item())
    assert arrays.attrs["residual"] == "noise"
    assert "what it leaves over taken for noise" in " ".join(found.out.split())


def test_replicates_decide_where_intervals_come_from(cli, project):
    widths = []
    for replicates in (1, 16):
        out = project.folder / f"run {replicates}"
        found = cli(
            "audit", project.path, "--quiet", *QUICK, "--out", out, "--set", f"estimate.replicates={replicates}"
        )
        assert found.code == 0, found.err
        widths.append(AuditResult.from_disk(out).arrays["total_order_interval"].values)
    assert not np.array_equal(*widths)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["surrogate=tree"], "did you mean `trees`"),
        (["surrogate=gp", "estimator=pick_freeze"], "belongs to the estimator assisted"),
        (["chaos.solver=omp"], "belongs to the estimator gpc"),
        (["chaos.solver=ridge"], "estimate.chaos.solver"),
        (["chaos.residual=noise"], "belongs to the estimator gpc"),
        (["replicates=3"], "must be 1 or at least 4"),
        (["replicates=8", "estimator=gpc"], "`replicates` belongs to"),
        (["on_failure=ignore"], "estimate.on_failure"),
    ],
)
def test_a_wrong_choice_is_one_line(cli, project, settings, words):
    options = [part for setting in settings for part in ("--set", f"estimate.{setting}")]
    assert words in cli("audit", project.path, "--quiet", *options).error
    assert not (project.folder / "run").exists()
