import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.control import FoldProducts
from shiftgauge.estimate.crossfit import fold_of_block
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.reference import ISHIGAMI, ImageStudy, rough_ishigami, sobol_g, weld_polynomial
from shiftgauge.estimate.resampling import Grouping

UPPER = np.triu_indices(3, 1)
SMALL = ChaosOptions(max_terms=100)
MEDIUM = ChaosOptions(max_terms=170)


def sample(reference, n_base, **options):
    design = PickFreezeDesign(inputs=Inputs(space=reference.space), n_base=n_base, **{"second_order": True, **options})
    return design, reference.function(design.rows(0, design.n_rows).theta)[:, None]


def flat(found, suffix=""):
    def get(name):
        return getattr(found, name + suffix)

    pairs = [get(name)[0][UPPER] for name in ("second_order", "closed", "total_interaction")]
    return np.concatenate([get("first_order")[0], get("total_order")[0], *pairs])


def truth(reference):
    pairs = [getattr(reference, name)[UPPER] for name in ("second_order", "closed", "total_interaction")]
    return np.concatenate([reference.first_order, reference.total_order, *pairs])


@pytest.mark.parametrize(
    ("reference", "method"),
    [
        (ISHIGAMI, "sobol"),
        (rough_ishigami(), "sobol"),
        (rough_ishigami(), "random"),
        (sobol_g((0.0, 1.0, 4.5)), "sobol"),
        (sobol_g((0.0, 1.0, 4.5)), "lhs"),
    ],
    ids=lambda v: v if isinstance(v, str) else v.name,
)
def test_intervals_cover_the_truth_as_often_as_they_say(reference, method):
    hits = []
    for seed in range(150):
        design, y = sample(reference, 256, method=method, seed=seed)
        found = assisted(design, y, outputs=["y"], resamples=300, seed=seed, chaos=SMALL, surrogate="chaos")
        interval, exact = flat(found, "_interval"), truth(reference)
        hits.append((interval[:, 0] - 1e-12 <= exact) & (exact <= interval[:, 1] + 1e-12))
    assert 0.92 <= np.mean(hits) <= 0.98
    assert (np.mean(hits, axis=0) >= 0.88).all()  # 95 % less 4 standard errors of 150 repetitions


def test_rough_function_is_estimated_while_the_surrogate_alone_is_flagged():
    reference = rough_ishigami()
    design, y = sample(reference, 2048)
    found = assisted(design, y, outputs=["y"], confidence_level=0.999, chaos=MEDIUM)
    interval, exact = flat(found, "_interval"), truth(reference)
    assert ((interval[:, 0] <= exact) & (exact <= interval[:, 1])).all()
    assert found.surrogate.q2[0] == pytest.approx(0.75, abs=0.03)
    assert "surrogate_poor" in [s.code for s in found.status]
    alone = analyse(
        PlainDesign(inputs=design.inputs, n=4096),
        reference.function(PlainDesign(inputs=design.inputs, n=4096).rows(0, 4096).theta)[:, None],
        outputs=["y"],
        estimator="gpc",
        resamples=0,
        chaos=ChaosOptions(degree=8),
    )
    assert "surrogate_only" in [s.code for s in alone.status]
    assert abs(alone.first_order[0, 0] - reference.first_order[0]) > 0.05


def test_smooth_function_is_sharper_by_far_than_plain_pick_freeze():
    design, y = sample(ISHIGAMI, 512)
    ours, plain = (assisted(design, y, outputs=["y"], chaos=MEDIUM), pick_freeze(design, y, outputs=["y"]))
    width = [np.ptp(f.total_order_interval[0], axis=1).max() for f in (ours, plain)]
    assert width[0] < width[1] / 20


@pytest.mark.parametrize("weight", ["one", "best"])
def test_estimate_is_unbiased_when_the_surrogate_is_poor(weight):
    reference = sobol_g((0.0, 0.5, 3.0))
    errors = []
    for seed in range(60):
        design, y = sample(reference, 128, seed=seed, method="random")
        found = assisted(
            design, y, outputs=["y"], resamples=0, chaos=ChaosOptions(degree=1), weight=weight, surrogate="chaos"
        )
        errors.append(found.variance[0] * flat(found) - reference.variance * truth(reference))
    errors = np.array(errors)
    assert (np.abs(errors.mean(axis=0)) < 3.5 * errors.std(axis=0) / np.sqrt(len(errors))).all()


def test_weight_of_a_fold_is_the_regression_on_the_other_folds():
    rng = np.random.default_rng(0)
    control = rng.normal(size=(3, 2, 60)) + 0.3
    plain = np.array([0.2, 0.6, 0.9])[:, None, None] * control + 0.1 * rng.normal(size=control.shape) + 1.0
    fold = np.arange(60) % 16 % 5

    def weights(f, g):
        products = FoldProducts((3, 2), 5)
        for part in (slice(0, 25), slice(25, 60)):
            products.add(f[..., part], g[..., part], fold[part])
        return products.weights()

    found = weights(plain, control)
    for k in range(5):
        rest = fold != k
        f, g = (v[..., rest] - v[..., rest].mean(axis=-1, keepdims=True) for v in (plain, control))
        assert np.allclose(found[..., k], (f * g).sum(axis=-1) / (g * g).sum(axis=-1))
        spoilt, wild = plain.copy(), control.copy()
        spoilt[..., ~rest], wild[..., ~rest] = rng.normal(size=(2, 3, 2, (~rest).sum()))
        assert np.allclose(weights(spoilt, wild)[..., k], found[..., k])
    assert (weights(plain, np.zeros_like(control)) == 1).all()


@pytest.mark.parametrize("replicates", [1, 16])
@pytest.mark.parametrize("n_base", [128, 2048, 4096, 10240])
def test_blocks_that_stay_together_share_a_fold(n_base, replicates):
    grouping, blocks = Grouping(n_base, replicates), np.arange(n_base)
    fold, group = fold_of_block(blocks, grouping, 5), grouping.of_block(blocks)
    assert len(np.unique(np.stack([group, fold]), axis=1).T) == grouping.n_groups
    assert np.ptp(np.bincount(fold)) <= -(-n_base // grouping.n_groups)


def test_polynomial_is_exact():
    design, y = sample(weld_polynomial(), 64)
    found = assisted(design, y, outputs=["y"], resamples=100)
    assert np.allclose(flat(found), truth(weld_polynomial()), atol=1e-6)
    assert found.surrogate.q2[0] > 1 - 1e-8
    assert not found.status


def test_agrees_with_gpc_and_pick_freeze_on_the_g_function():
    reference = sobol_g((0.0, 1.0, 4.5))
    design, y = sample(reference, 2048)
    plain = PlainDesign(inputs=design.inputs, n=8192)
    z = reference.function(plain.rows(0, 8192).theta)[:, None]
    found = [
        analyse(design, y, outputs=["y"], chaos=SMALL, confidence_level=0.99),
        analyse(design, y, outputs=["y"], estimator="pick_freeze", confidence_level=0.99),
        analyse(plain, z, outputs=["y"], estimator="gpc", chaos=ChaosOptions(degree=12), confidence_level=0.99),
    ]
    for one in found:
        for two in found:
            low, high = np.moveaxis(two.total_order_interval[0], 1, 0)
            other = np.ptp(one.total_order_interval[0], axis=1)
            assert ((low - other <= one.total_order[0]) & (one.total_order[0] <= high + other)).all()


@pytest.mark.parametrize("features", ["indicators", "outputs", "none"])
def test_image_and_repeat_are_inputs_like_any_other(features):
    study = ImageStudy(n_images=24, n_classes=4, noise=0.3, roughness=0.4)
    inputs = Inputs(space=study.space, n_images=24, repeat=True)
    design = PickFreezeDesign(inputs=inputs, n_base=1024, second_order=True)
    y = study.function(design.rows(0, design.n_rows))[:, None]
    given = {
        "indicators": None,
        "outputs": np.column_stack([study.class_effect + study.image_effect, np.eye(4)[study.labels]]),
        "none": np.zeros((24, 1)),
    }[features]
    found = assisted(design, y, outputs=["y"], image_features=given, chaos=SMALL, confidence_level=0.999)
    parts, total = study.components, sum(study.components.values())
    exact = [parts["image"], parts["rotation"], parts["brightness"], parts["repeat"]]
    low, high = np.moveaxis(found.first_order_interval[0], 1, 0)
    assert ((low <= np.array(exact) / total) & (np.array(exact) / total <= high)).all()
    low, high = found.total_order_interval[0, 3]
    assert low <= parts["repeat"] / total <= high
    assert found.surrogate.total_order[0, 3] == 0


def test_image_features_sharpen_the_indices():
    study = ImageStudy(n_images=60, n_classes=4)
    inputs = Inputs(space=study.space, n_images=60)
    design = PickFreezeDesign(inputs=inputs, n_base=512)
    y = study.function(design.rows(0, design.n_rows))[:, None]
    features = np.column_stack([study.class_effect + study.image_effect, study.image_slope])
    width = [
        np.ptp(assisted(design, y, outputs=["y"], image_features=f).first_order_interval[0, 0])
        for f in (features, None)
    ]
    assert width[0] < width[1] / 10


def test_each_output_has_its_own_set_of_terms():
    design, y = sample(ISHIGAMI, 256)
    line = design.rows(0, design.n_rows).theta[:, :1]
    found = assisted(design, np.column_stack([y, line]), outputs=["curved", "line"], resamples=20, chaos=MEDIUM)
    assert found.surrogate.q2.min() > 0.99
    assert np.allclose(found.total_order[1], [1, 0, 0], atol=1e-6)


def test_same_seed_gives_the_same_bits():
    design, y = sample(rough_ishigami(), 128)
    one, two = (assisted(design, y, outputs=["y"], chaos=SMALL, resamples=50) for _ in range(2))
    assert np.array_equal(flat(one, "_interval"), flat(two, "_interval"))


def test_surrogate_predicts_the_function():
    design, y = sample(ISHIGAMI, 512)
    model = assisted(design, y, outputs=["y"], resamples=0).surrogate.model
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (200, 3))
    assert np.allclose(model.predict(x)[:, 0], ISHIGAMI.function(x), atol=0.05)


def test_bad_requests_are_refused():
    design, y = sample(ISHIGAMI, 16)
    with pytest.raises(ConfigError, match="`n_base` ≥ 20"):
        assisted(design, y, outputs=["y"])
    with pytest.raises(ConfigError, match="PlainDesign serves `gpc` only"):
        analyse(PlainDesign(inputs=design.inputs, n=8), np.zeros((8, 1)), outputs=["y"])
    with pytest.raises(ConfigError, match="did you mean `assisted`"):
        analyse(design, y, outputs=["y"], estimator="asisted")
    with pytest.raises(ConfigError, match="weight"):
        assisted(*sample(ISHIGAMI, 32), outputs=["y"], weight="two")
