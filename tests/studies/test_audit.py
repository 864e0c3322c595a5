"""The audit as a whole, on a classifier whose indices are known in closed form."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image
from scipy.integrate import quad
from scipy.special import expit

from fakes import MeanClassifier
from shiftgauge.errors import ConfigError, DataError, ModelError, NumericalError, SpaceError, StoreError
from shiftgauge.evaluate.options import ExecutionOptions, ShiftOptions
from shiftgauge.parameter import Parameter
from shiftgauge.results.audit import AuditResult
from shiftgauge.shifts.catalog import PRESETS
from shiftgauge.space import Space
from shiftgauge.studies.audit import audit

GREYS = np.array([0.3, 0.4, 0.5, 0.6])
IMAGES = (GREYS[:, None, None, None] * np.ones((1, 1, 8, 8))).astype(np.float32)
LABELS = np.array([1, 1, 1, 1])
RUN = {"progress": False, "execution": ExecutionOptions(batch_size=64, precision="float32"), "resamples": 200}
BRIGHT = {"brightness": (0.5, 1.5)}


def run(space=None, images=IMAGES, labels=LABELS, **options) -> AuditResult:
    model = options.pop("model", None) or MeanClassifier()
    return audit(model, (images, labels), space or BRIGHT, **{"n_base": 128, **RUN, **options})


def value(result: AuditResult, kind: str, name: str, quantity: str = "margin") -> float:
    return float(result.arrays[kind].sel(quantity=quantity, input=name))


def test_margin_of_a_product_has_its_closed_form_indices():
    """The margin is 8 (g b - 0.5) with grey g of four images and brightness b uniform on [0.5, 1.5], independent."""
    result = run(n_base=256)
    g, vg, b, vb = GREYS.mean(), GREYS.var(), 1.0, 1 / 12
    total = vg * b**2 + g**2 * vb + vg * vb
    expected = {"image": vg * b**2 / total, "brightness": g**2 * vb / total}
    interaction = vg * vb / total
    for name, share in expected.items():
        assert value(result, "first_order", name) == pytest.approx(share, abs=1e-6)
        assert value(result, "total_order", name) == pytest.approx(share + interaction, abs=1e-6)
    pair = result.arrays["second_order"].sel(quantity="margin", input="image", input_2="brightness")
    assert float(pair) == pytest.approx(interaction, abs=1e-6)
    assert float(result.arrays["variance"].sel(quantity="margin")) == pytest.approx(64 * total, rel=1e-6)


def test_intervals_of_a_curved_quantity_hold_the_truth():
    result = run(n_base=256)

    def mean_given(grey: float) -> float:
        return quad(lambda b: expit(8 * (grey * b - 0.5)), 0.5, 1.5)[0]

    square = np.mean([quad(lambda b, g=g: expit(8 * (g * b - 0.5)) ** 2, 0.5, 1.5)[0] for g in GREYS])
    means = np.array([mean_given(g) for g in GREYS])
    variance = square - means.mean() ** 2
    low, high = result.arrays["first_order_interval"].sel(quantity="probability", input="image").values
    assert low - 2e-3 <= means.var() / variance <= high + 2e-3
    assert value(result, "first_order", "image", "probability") == pytest.approx(means.var() / variance, abs=0.01)


@pytest.mark.parametrize("estimator", ["assisted", "pick_freeze", "gpc"])
def test_every_estimator_finds_the_same_shares(estimator):
    space = BRIGHT | {"contrast": (0.8, 1.2)}
    result = run(space, estimator=estimator, n_base=1024 if estimator != "gpc" else 4096)
    reference = run(space, n_base=1024)
    for name in ("image", "brightness", "contrast"):
        got = value(result, "total_order", name)
        assert got == pytest.approx(value(reference, "total_order", name), abs=0.03)


def test_fixed_images_give_indices_of_the_mean_and_of_each_image():
    space = BRIGHT | {"rotation": (0, 20)}
    result = audit(MeanClassifier(), (IMAGES, LABELS), space, n_base=64, images=["1", "3"], **RUN)
    assert list(result.arrays["input"].values) == ["brightness", "rotation"]
    assert result.arrays["image_total_order"].dims == ("quantity", "chosen", "shift")
    assert list(result.arrays["chosen"].values) == ["1", "3"]
    each = [audit(MeanClassifier(), (IMAGES[i : i + 1], LABELS[:1]), space, n_base=64, **RUN) for i in (1, 3)]
    for k, single in enumerate(each):
        got = result.arrays["image_total_order"].sel(quantity="margin").isel(chosen=k).values
        np.testing.assert_allclose(got, single.arrays["total_order"].sel(quantity="margin").values, atol=1e-3)
    assert "gauge_ndc" not in result.arrays


def test_named_images_are_compared_with_themselves_without_shifts():
    """Greys 0.3 to 0.5 are called dark and wrong at rest, 0.6 is right: over all a quarter, over the named one all."""
    result = audit(MeanClassifier(), (IMAGES, LABELS), {"brightness": (0.95, 1.05)}, n_base=64, images=["3"], **RUN)
    margin = 8 * (GREYS[3] - 0.5)
    assert float(result.arrays["clean_mean"].sel(quantity="correct")) == 1
    assert float(result.arrays["clean_mean"].sel(quantity="margin")) == pytest.approx(margin, abs=1e-5)
    assert "of the 1 named image goes from 100.0% without shifts to 100.0% on average" in result.headline
    assert not {"low_accuracy", "few_images"} & {m.code for m in result.messages}
    assert "one_image" in {m.code for m in result.messages}
    poor = audit(MeanClassifier(), (IMAGES, LABELS), BRIGHT, n_base=64, images=["0", "1"], **RUN)
    text = next(m.text for m in poor.messages if m.code == "low_accuracy")
    assert "right on 0% of the 2 named images" in text


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_can_be_named_by_its_word(preset):
    result = run(preset, n_base=32, second_order=False)
    assert set(result.arrays["shift"].values) == set(PRESETS[preset].names)
    order = list(result.config["shifts"]["order"])
    assert not PRESETS[preset].order or order == list(PRESETS[preset].order)


def test_a_finished_run_that_is_asked_for_again_keeps_its_cost(tmp_path):
    first, again, smaller = (run(out=tmp_path, n_base=n) for n in (64, 64, 32))
    assert first.cost["images_per_second"] > 0
    assert first.cost["rows_from_store"] == 0
    assert again.cost == {**first.cost, "rows_from_store": first.cost["evaluations"]}
    assert smaller.cost["rows_from_store"] == smaller.cost["evaluations"] < first.cost["evaluations"]
    assert run(out=tmp_path, n_base=64).cost == again.cost
    assert run(out=tmp_path, n_base=128).cost["rows_from_store"] == first.cost["evaluations"]


def test_another_seed_is_refused_as_another_seed_and_nothing_else(tmp_path):
    noisy = BRIGHT | {"gaussian_noise": (0.2, 0.5)}
    run(noisy, out=tmp_path, n_base=32)
    with pytest.raises(StoreError, match=r"made from another seed \(there: 0; now: 1\); give"):
        run(noisy, out=tmp_path, n_base=32, seed=1)


def test_the_probability_of_a_class_can_be_the_quantity_of_interest_by_its_name_alone():
    result = run(n_base=32, quantity_of_interest="probability[dark]")
    assert result.quantity_of_interest == "probability[dark]"
    with pytest.raises(ConfigError, match=r"no class `9`; its classes are `dark`, `bright`$"):
        run(n_base=32, quantity_of_interest="probability[9]")


def test_noise_makes_repeatability_an_input():
    result = run(BRIGHT | {"gaussian_noise": (0.2, 0.5)}, n_base=256)
    assert list(result.arrays["input"].values) == ["image", "brightness", "gaussian_noise", "repeat"]
    assert value(result, "total_order", "repeat") > 1e-3


def test_the_same_seed_gives_the_same_bits_and_another_seed_the_same_answer():
    first, again, other = run(seed=0), run(seed=0), run(seed=7)
    xr.testing.assert_identical(first.arrays, again.arrays)
    table, moved = first.to_dataframe(), other.to_dataframe()
    rows = (table["quantity"] == "probability") & (table["kind"] == "total_order")
    width = (table["high"] - table["low"])[rows].to_numpy()
    assert (table["estimate"] != moved["estimate"]).any()
    assert (np.abs(table["estimate"] - moved["estimate"])[rows].to_numpy() <= 2 * width + 1e-3).all()


def test_a_run_folder_is_complete_and_read_back_without_the_model(tmp_path):
    result = run(out=tmp_path / "run", title="steel")
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"run.json", "results.nc", "indices.csv", "evaluations.db", "figures", "report.html"} <= names
    again = AuditResult.from_disk(tmp_path / "run")
    xr.testing.assert_identical(again.arrays, result.arrays)
    assert again.headline == result.headline
    assert again.messages == result.messages
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert set(record["provenance"]["hashes"]) >= {"model", "data", "space", "seed", "code", "design", "shifts"}


def test_a_finished_run_is_not_evaluated_again(tmp_path):
    model = MeanClassifier()
    run(out=tmp_path, model=model)
    calls = len(model.calls)
    again = run(out=tmp_path, model=model)
    assert len(model.calls) - calls < calls / 2
    assert again.cost["rows_from_store"] == again.cost["evaluations"]


def test_more_base_samples_keep_what_is_there(tmp_path):
    run(out=tmp_path, n_base=64)
    more = run(out=tmp_path, n_base=128)
    assert 0 < more.cost["rows_from_store"] < more.cost["evaluations"]
    fresh = run(n_base=128)
    np.testing.assert_allclose(more.arrays["total_order"], fresh.arrays["total_order"], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model": MeanClassifier(gain=9.0)}, "model"),
        ({"images": IMAGES * 0.9}, "data"),
        ({"space": {"brightness": (0.5, 1.4)}}, "space"),
        ({"seed": 1}, "seed"),
        ({"second_order": False}, "design"),
        ({"shifts": ShiftOptions(fill="edge")}, "shifts"),
        ({"classes": ["dark"]}, "quantities"),
    ],
)
def test_a_run_made_from_something_else_is_refused_and_named(tmp_path, change, word):
    run(out=tmp_path, n_base=32)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match=f"another {word}"):
        run(out=tmp_path, n_base=32, **change)
    assert before == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_gates_decide_and_say_why():
    result = run(gates={"min_accuracy": 0.99, "max_total_order": {"brightness": 1.0}, "min_clean_accuracy": 0.1})
    assert not result.passed
    by_name = {gate.name: gate for gate in result.gates}
    assert not by_name["min_accuracy"].passed
    assert "misses the limit of at least 0.99" in by_name["min_accuracy"].text
    assert by_name["max_total_order.brightness"].passed


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ({"min_acuracy": 1}, "did you mean `min_accuracy`"),
        ({"max_total_order": {"brightnes": 1}}, "did you mean `brightness`"),
        ({"min_accuracy": "high"}, "must be a number"),
    ],
)
def test_a_wrong_gate_is_refused(gates, words):
    with pytest.raises(ConfigError, match=words):
        run(gates=gates)


def test_a_constant_output_is_said_not_nan_and_warned(tmp_path):
    result = run({"rotation": (0.0, 1e-9)}, images=IMAGES[:1], labels=LABELS[:1], out=tmp_path)
    assert result.level == "alarm"
    assert any(m.code == "constant_output" for m in result.messages)
    assert "did not change at all" in result.headline
    assert (tmp_path / "report.html").exists()


def test_a_poor_surrogate_alone_raises_the_alarm_and_the_default_does_not_rest_on_it():
    class Rough(MeanClassifier):
        def outputs(self, images_nchw, execution=None):
            z = 3 * torch.sin(400 * images_nchw.double().mean(dim=(1, 2, 3)))
            return torch.stack([torch.zeros_like(z), z], 1).float()

        @property
        def fingerprint(self) -> str:
            return "rough"

    alone = run(model=Rough(), estimator="gpc", n_base=512)
    assert alone.level == "alarm"
    assert any(m.code == "surrogate_poor" and "may even rank the shifts wrongly" in m.text for m in alone.messages)
    both = run(model=Rough(), n_base=512)
    assert all(m.code != "surrogate_poor" or m.level == "info" for m in both.messages)
    low, high = both.arrays["total_order_interval"].sel(quantity="margin", input="brightness").values
    assert low <= 1.0 <= high + 0.05


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"space": {"brightnes": (0, 1)}}, ConfigError, "did you mean `brightness`"),
        ({"space": {"brightness": (-1, 1)}}, ConfigError, "brightness"),
        ({"space": {"brightness": (1, 0)}}, SpaceError, "inverted"),
        ({"space": {"brightness": (1, 1)}}, SpaceError, "zero variance"),
        ({"space": {"saturation": (0.5, 1.5)}}, ConfigError, "channels"),
        ({"space": 3}, SpaceError, "preset"),
        ({"n_base": 0}, ConfigError, "n_base"),
        ({"estimator": "gcp"}, ConfigError, "did you mean `gpc`"),
        ({"quantity_of_interest": "probabilty"}, ConfigError, "did you mean `probability`"),
        ({"classes": ["brigth"]}, ConfigError, "did you mean `bright`"),
        ({"seed": -1}, ConfigError, "seed"),
        ({"confidence_level": 1.0}, ConfigError, "confidence_level"),
        ({"images_named": ["9"]}, DataError, "no image `9`"),
        ({"images_named": []}, ConfigError, "empty list"),
        ({"images_named": ["1", "1"]}, ConfigError, "`1` twice"),
        ({"classes": ["dark", "dark"]}, ConfigError, "`dark` twice"),
        ({"seed": 2**80}, ConfigError, "2⁶³"),
        ({"degree": 0}, ConfigError, "degree"),
        ({"degree": 60, "estimator": "gpc"}, NumericalError, "terms"),
        ({"labels": np.array([0, 1, 2, 0])}, DataError, "label"),
        ({"model": MeanClassifier(poison=0.1)}, NumericalError, "NaN or infinity for image `0`"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, options, error, words):
    options = dict(options)
    named = options.pop("images_named", None)
    extra = {"images": named} if named is not None else {}
    model = options.pop("model", MeanClassifier())
    labels = options.pop("labels", LABELS)
    space = options.pop("space", BRIGHT)
    with pytest.raises(error, match=words) as caught:
        audit(model, (IMAGES, labels), space, **(RUN | {"n_base": 32, "out": tmp_path / "run"} | options | extra))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_an_image_of_another_number_of_channels_is_named_before_anything_is_written(tmp_path):
    for name, mode in (("0", "L"), ("1", "RGB")):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new(mode, (8, 8)).save(tmp_path / "images" / name / "x.png")
    model = {
        "kind": "callable", "target": lambda x: torch.stack([x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))], 1),
        "classes": ["0", "1"], "output_kind": "logits",
        "preprocessing": {"channels": 1, "height": 8, "width": 8, "channel_conversion": "none"},
    }  # fmt: skip
    with pytest.raises(ModelError, match=r"image 1/x\.png: .*channel"):
        audit(model, tmp_path / "images", BRIGHT, **(RUN | {"out": tmp_path / "run"}))
    assert not (tmp_path / "run").exists()


def test_images_of_two_shapes_in_one_array_are_refused():
    with pytest.raises(DataError, match="one shape"):
        audit(MeanClassifier(), ([np.zeros((1, 8, 8)), np.zeros((1, 9, 8))], np.array([0, 1])), BRIGHT, **RUN)


def test_a_model_that_ignores_its_input_raises_the_alarm_and_gets_no_verdict():
    model = {
        "kind": "callable", "target": lambda x: torch.tensor([[0.0, 1.0]]).expand(len(x), 2), "classes": ["0", "1"],
        "output_kind": "logits", "preprocessing": {"channels": 1, "height": 8, "width": 8},
    }  # fmt: skip
    result = audit(model, (IMAGES, np.array([0, 1, 0, 1])), BRIGHT | {"rotation": (0, 9)}, n_base=32, **RUN)
    assert result.level == "alarm"
    assert any(m.code == "no_effect" for m in result.messages)
    assert result.arrays["gauge_verdict"].sel(quantity="probability").item() == "undefined"


def test_correlated_shifts_are_refused_with_the_reason():
    pair = [
        Parameter(name="brightness", distribution="uniform", options={"low": 0.5, "high": 1}),
        Parameter(name="contrast", distribution="uniform", options={"low": 0.5, "high": 1}),
    ]
    with pytest.raises(ConfigError, match="need independent shifts"):
        run(Space(pair, np.array([[1, 0.5], [0.5, 1]])))
