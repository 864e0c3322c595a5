import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.gauge import gauge_table
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ImageStudy

SMALL = ChaosOptions(max_terms=80)


def study_indices(study, n_base=1024, estimator="assisted", *, second_order=True, seed=0, transform=None, **options):
    inputs = Inputs(space=study.space, n_images=study.n_images, repeat=study.noise > 0)
    design = PickFreezeDesign(inputs=inputs, n_base=n_base, second_order=second_order, seed=seed)
    y = study.function(design.rows(0, design.n_rows))
    y = y if transform is None else transform(y)
    options = {"resamples": 300, **options}
    return analyse(design, y[:, None], outputs=["score"], estimator=estimator, chaos=SMALL, seed=seed, **options)


def expected(study):
    parts = study.components
    return {
        "part": parts["image"],
        "class": study.class_variance,
        "within class": parts["image"] - study.class_variance,
        "rotation": parts["rotation"],
        "brightness": parts["brightness"],
        "rotation × brightness": parts["rotation × brightness"],
        "rotation × part": parts["image × rotation"],
        "brightness × part": 0.0,
        "higher order": 0.0,
        "gauge R&R": sum(parts.values()) - parts["image"],
        "total": sum(parts.values()),
        **({"repeatability": parts["repeat"]} if "repeat" in parts else {}),
    }


@pytest.mark.parametrize("estimator", ["assisted", "pick_freeze"])
@pytest.mark.parametrize("study", [ImageStudy(n_images=24), ImageStudy(n_images=24, noise=0.4, roughness=0.5)])
def test_known_components_are_recovered(study, estimator):
    found = study_indices(study, estimator=estimator, confidence_level=0.999)
    table = gauge_table(found, output="score", image_labels=study.labels)
    wanted = expected(study)
    assert {row.name for row in table.rows} == set(wanted)
    for row in table.rows:
        low, high = row.variance_interval
        assert low <= wanted[row.name] <= high, row.name
        assert row.contribution == pytest.approx(100 * row.variance / table.row("total").variance)


def test_intervals_of_all_components_cover_the_truth():
    study, hits = ImageStudy(n_images=20, noise=0.3), []
    for seed in range(100):
        found = study_indices(study, n_base=128, seed=seed, surrogate="chaos")
        table = gauge_table(found, output="score", image_labels=study.labels)
        wanted = expected(study)
        hits.append([r.variance_interval[0] <= wanted[r.name] <= r.variance_interval[1] for r in table.rows])
    assert 0.92 <= np.mean(hits) <= 0.98
    assert (np.mean(hits, axis=0) >= 0.87).all()  # 95 % less 3.7 standard errors of 100 repetitions


def test_components_add_up():
    study = ImageStudy(n_images=24, noise=0.4)
    table = gauge_table(study_indices(study), output="score", image_labels=study.labels)
    total = table.row("total").variance
    summed = sum(r.variance for r in table.rows if r.kind not in ("class", "within_class", "gauge", "total"))
    assert summed == pytest.approx(total)
    assert table.row("part").variance + table.row("gauge R&R").variance == pytest.approx(total)
    split = table.row("class").variance + table.row("within class").variance
    assert split == pytest.approx(table.row("part").variance)


@pytest.mark.parametrize("estimator", ["assisted", "pick_freeze"])
def test_repeatability_and_total_have_the_intervals_of_the_indices(estimator):
    found = study_indices(ImageStudy(n_images=24, noise=0.4), 256, estimator, transform=lambda y: np.exp(2 * y))
    table = gauge_table(found, output="score")
    repeat = found.names.index("repeat")
    assert table.row("repeatability").contribution_interval == pytest.approx(
        100 * found.total_order_interval[0, repeat]
    )
    assert table.row("total").variance_interval == pytest.approx(found.variance_interval[0])


def test_class_share_is_unbiased_when_labels_mean_nothing():
    study, found = ImageStudy(n_images=40, n_classes=1), []
    labels = np.arange(40) % 8
    offsets = [study.image_effect[labels == c].mean() for c in range(8)]
    for seed in range(40):
        indices = study_indices(study, n_base=64, estimator="pick_freeze", seed=seed, resamples=0, second_order=False)
        found.append(gauge_table(indices, output="score", image_labels=labels).row("class").variance)
    assert np.mean(found) == pytest.approx(np.var(offsets), abs=3.5 * np.std(found) / np.sqrt(40))


def test_verdict_and_categories_follow_the_customary_limits():
    quiet = ImageStudy(n_images=24)
    indices = study_indices(quiet)
    table = gauge_table(indices, output="score")
    gauge, part = table.row("gauge R&R"), table.row("part")
    assert table.verdict == "unacceptable"
    assert table.distinct_categories == int(1.41 * np.sqrt(part.variance / gauge.variance))
    assert gauge.study_variation == pytest.approx(np.sqrt(100 * gauge.contribution))
    assert table.status[0].code == "no_repeatability"


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.0, "acceptable"), (0.05, "acceptable"), (0.25, "marginal"), (1.0, "unacceptable")]
)
def test_verdict_turns_with_the_size_of_the_shifts(factor, verdict):
    study = ImageStudy(n_images=24)
    inputs = Inputs(space=study.space, n_images=24)
    design = PickFreezeDesign(inputs=inputs, n_base=256, second_order=True)
    rows = design.rows(0, design.n_rows)
    part = study.class_effect[rows.image] + study.image_effect[rows.image]
    y = part + factor * (study.function(rows) - part)
    found = analyse(design, y[:, None], outputs=["score"], chaos=SMALL, resamples=50)
    assert gauge_table(found, output="score").verdict == verdict


def test_without_ba_rows_the_interactions_stand_together():
    study = ImageStudy(n_images=24)
    table = gauge_table(study_indices(study, second_order=False), output="score")
    low, high = table.row("interactions").variance_interval
    wanted = study.components["rotation × brightness"] + study.components["image × rotation"]
    assert low <= wanted <= high


def test_constant_output_has_no_verdict_and_raises_no_warning():
    found = study_indices(ImageStudy(n_images=24), n_base=32, transform=np.zeros_like, resamples=20)
    table = gauge_table(found, output="score")
    assert table.verdict == "undefined"
    assert table.distinct_categories is None
    assert table.status[0].code == "constant_output"


def test_table_without_resamples_has_estimates_only():
    table = gauge_table(study_indices(ImageStudy(n_images=24), n_base=64, resamples=0), output="score")
    assert np.isnan(table.row("part").variance_interval).all()
    assert table.distinct_categories_interval is None


def test_requests_that_make_no_sense_are_refused():
    study = ImageStudy(n_images=24)
    found = study_indices(study, n_base=32, resamples=0)
    with pytest.raises(ConfigError, match="output"):
        gauge_table(found, output="scores")
    with pytest.raises(DataError, match="each of 24 images"):
        gauge_table(found, output="score", image_labels=[0, 1])
    with pytest.raises(ConfigError, match="no line `tilt`"):
        gauge_table(found, output="score").row("tilt")
    design = PickFreezeDesign(inputs=Inputs(space=study.space), n_base=32)
    flat = analyse(design, design.rows(0, design.n_rows).theta[:, :1], outputs=["score"], resamples=0)
    with pytest.raises(ConfigError, match="image as an input"):
        gauge_table(flat, output="score")
    plain = PlainDesign(inputs=Inputs(space=study.space, n_images=24), n=500)
    alone = analyse(plain, study.function(plain.rows(0, 500))[:, None], outputs=["score"], estimator="gpc", resamples=0)
    with pytest.raises(ConfigError, match="got `gpc`"):
        gauge_table(alone, output="score")
