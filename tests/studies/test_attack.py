"""A run of attacks agrees with the attacks themselves, goes on where it was stopped, and refuses what it cannot do."""

import os
import signal

import numpy as np
import pytest
import torch

import shiftgauge
from attack_runs import MODELS, data, models, options, run
from explain_runs import classifier
from shiftgauge.attack.budget import Budget, budgets_at_snr
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.attack.pgd import PGD
from shiftgauge.attack.square import Square
from shiftgauge.attack.transfer import transfer_matrix
from shiftgauge.errors import ConfigError, InterruptedRunError, ShiftgaugeError
from shiftgauge.estimate.proportion import paired_difference, wilson_interval
from shiftgauge.results.attack import AttackResult
from shiftgauge.studies import attack_parts
from shiftgauge.studies.attack_gates import AccuracyGate, AttackGates
from shiftgauge.studies.attack_options import AttackOptions


def rows(result, **where):
    """Rows of the table of accuracies."""
    table = result.to_dataframe()
    for key, value in where.items():
        table = table[table[key] == value]
    return table


def test_accuracies_are_those_of_each_attack_by_itself(attacked):
    _, result = attacked
    images, labels = (torch.from_numpy(values) for values in data())
    for name, model in models().items():
        for way, attack in (("fgsm", FGSM()), ("pgd", PGD(steps=3)), ("noise", UniformNoise())):
            for ratio in (40.0, 30.0, 20.0):
                found = attack_images(model, images, labels.tolist(), attack, Budget.from_snr(ratio))
                (row,) = rows(result, model=name, way=way, asked=ratio).to_dict("records")
                assert row["accuracy"] == found.accuracy
                assert row["set_snr_db"] == pytest.approx(found.set_snr_db)
                low, high = wilson_interval(found.accuracy * 60, 60)
                assert (row["low"], row["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_the_matrix_is_that_of_transfer_in_one_go_and_its_diagonal_is_white_box(attacked):
    _, result = attacked
    images, labels = (torch.from_numpy(values) for values in data())
    ways = {"fgsm": FGSM(), "pgd": PGD(steps=3)}
    known = transfer_matrix(models(), images, labels.tolist(), ways, budgets_at_snr([40, 30, 20]))
    assert np.array_equal(result.arrays["transfer_right"].values > 0, known.right)
    table = result.transfer_to_dataframe()
    own = table[table["white_box"]].sort_values(["attack", "target", "asked"])["accuracy"]
    curves = result.to_dataframe().query("kind == 'attack'").sort_values(["way", "model", "asked"])["accuracy"]
    assert own.tolist() == curves.tolist()
    gap = known.difference("pgd", 1, MODELS[0], MODELS[1])
    (row,) = table.query("attack == 'pgd' and asked == 30 and not white_box and target == @MODELS[1]").to_dict(
        "records"
    )
    assert (row["difference"], row["difference_low"]) == (pytest.approx(gap.difference), pytest.approx(gap.low))


def test_models_are_compared_on_the_same_images(attacked):
    _, result = attacked
    right = {name: result.arrays["row_right"].values[k] for k, name in _places(result, "pgd", 30.0)}
    found = paired_difference(right[MODELS[1]], right[MODELS[0]])
    (row,) = result.comparison_to_dataframe().query("way == 'pgd' and at == 30").to_dict("records")
    assert (row["first"], row["second"]) == (MODELS[1], MODELS[0])
    assert (row["difference"], row["high"]) == (pytest.approx(found.difference), pytest.approx(found.high))


def _places(result, way, at):
    data = result.arrays
    return [
        (k, str(data["row_model"].values[k]))
        for k in range(data.sizes["row"])
        if data["row_way"].values[k] == way and data["row_asked"].values[k] == at
    ]


def test_natural_shifts_have_the_ratio_that_they_turn_out_to_have(attacked):
    found = rows(attacked[1], model="plain", way="brightness")
    assert found["set_snr_db"].round(2).tolist() == [20.0, 6.02]
    assert found["kind"].tolist() == ["shift", "shift"]


def test_pictures_show_what_the_curves_count(attacked):
    _, result = attacked
    data_ = result.arrays
    series = list(zip(data_["series_model"].values, data_["series_way"].values, strict=True)).index(("plain", "fgsm"))
    right = data_["attacked_said"].values[series, 0] == data_["shown_label"].values
    (k,) = [k for k, name in _places(result, "fgsm", 40.0) if name == "plain"]
    names = [str(name) for name in data_["image"].values]
    assert [
        bool(data_["row_right"].values[k][names.index(str(n))]) for n in data_["shown_name"].values
    ] == right.tolist()
    assert np.allclose(data_["attacked_snr"].values[series], [[40, 40], [25, 25]], atol=0.01)
    change = data_["attacked_picture"].values[series, 1] - data_["picture"].values
    assert np.allclose(np.abs(change).max(axis=(1, 2, 3)), data_["attacked_epsilon"].values[series, 1], rtol=1e-4)


def test_a_result_comes_back_from_its_folder(attacked):
    folder, result = attacked
    again = AttackResult.from_disk(folder)
    assert again.arrays.equals(result.arrays)
    assert (again.headline, again.messages) == (result.headline, result.messages)
    assert {"accuracy.csv", "transfer.csv", "comparison.csv", "report.html"} <= {p.name for p in folder.iterdir()}


def test_a_finished_run_is_not_computed_again_and_a_model_that_joins_leaves_the_others(tmp_path, monkeypatch):
    first = run(tmp_path / "run", of={"plain": classifier()})
    made, real = [], attack_parts.budget_curve
    monkeypatch.setattr(attack_parts, "budget_curve", lambda model, *a, **k: made.append(model) or real(model, *a, **k))
    run(tmp_path / "run", of={"plain": classifier()})
    assert made == []
    joined = run(tmp_path / "run")
    assert len(made) == 3
    assert rows(joined, model="plain")["accuracy"].tolist() == rows(first, model="plain")["accuracy"].tolist()
    assert not list((tmp_path / "run" / "parts" / "attacked").iterdir())


def test_a_killed_run_goes_on_with_the_same_numbers(tmp_path, attacked):
    """A child is killed by SIGKILL after two curves, at the end of a third; attacked images are not made again."""
    child = os.fork()
    if child == 0:
        made, real = [], attack_parts.budget_curve

        def stop(*arguments, **named):
            made.append(1)
            if len(made) == 3:
                real(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        attack_parts.budget_curve = stop
        run(tmp_path / "run")
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    parts = tmp_path / "run" / "parts"
    assert len(list(parts.glob("curve-*.npz"))) == 2
    assert len(list(parts.glob("attacked/*/*.npz"))) > 0
    assert not (tmp_path / "run" / "run.json").exists()
    again = run(tmp_path / "run")
    assert again.arrays.drop_attrs().equals(attacked[1].arrays.drop_attrs())
    spent = [int(np.load(path)["facts of the part"].tolist().count('"gradients": 0')) for path in parts.glob("curve-*")]
    assert sum(spent) == 3  # two of noise, and the one whose images were there


def test_an_interrupt_says_that_the_run_goes_on(tmp_path, monkeypatch):
    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(attack_parts, "transfer_matrix", interrupt)
    with pytest.raises(InterruptedRunError, match="goes on"):
        run(tmp_path / "run")


def test_groups_make_intervals_of_whole_groups(tmp_path):
    from shiftgauge.data.arrays import from_arrays

    images, labels = data()
    source = from_arrays(images, labels, class_names=("a", "b", "c", "d"), groups=[f"p{k // 6}" for k in range(60)])
    plain = {"plain": classifier()}
    grouped = run(tmp_path / "a", given=source, of=plain, chosen=options(pictures=None, shifts=()))
    alone = run(tmp_path / "b", given=source, of=plain, chosen=options(pictures=None, shifts=(), groups=False))
    assert "image_group" in grouped.arrays
    assert "image_group" not in alone.arrays
    assert rows(grouped)["accuracy"].tolist() == rows(alone)["accuracy"].tolist()
    assert rows(grouped)["low"].tolist() != rows(alone)["low"].tolist()
    assert "groups" in {message.code for message in grouped.messages}


def test_a_target_is_reached_or_not_and_its_own_images_are_left_out(tmp_path):
    chosen = options(target="d", pictures=None, shifts=(), snr_db=(30.0, 0.0))
    result = run(tmp_path / "run", chosen=chosen, of={"plain": classifier()})
    assert result.arrays.sizes["image"] == int((data()[1] != 3).sum())
    assert "d" not in set(result.arrays["image_label"].values)
    table = rows(result, way="pgd")
    assert table["reached"].iloc[1] > table["reached"].iloc[0]
    assert rows(result, way="noise")["reached"].isna().all()
    images, labels = (values[data()[1] != 3] for values in data())
    found = attack_images(
        classifier(), torch.from_numpy(images), labels.tolist(), PGD(steps=3), Budget.from_snr(0.0), targets="d"
    )
    assert table["reached"].iloc[1] == pytest.approx(found.success_rate)
    assert "transfer_accuracy" not in result.arrays


def test_lengths_and_a_model_without_gradients(tmp_path):
    from shiftgauge.models.callable_model import CallableClassifier

    net = classifier()
    blind = CallableClassifier(
        net.module, preprocessing=net.preprocessing, device=torch.device("cpu"),
        classes=("a", "b", "c", "d"), output_kind="logits", fingerprint="blind",
    )  # fmt: skip
    square = {"square": Square(queries=20)}
    chosen = AttackOptions(attacks=square, epsilon=(0.0, 0.1), snr_db=None, pictures=None)
    result = run(tmp_path / "run", chosen=chosen, of={"blind": blind})
    table = rows(result, way="square")
    assert table["set_snr_db"].iloc[0] == np.inf
    assert table["accuracy"].iloc[0] == rows(result, kind="clean")["accuracy"].iloc[0]
    assert table["accuracy"].iloc[1] <= table["accuracy"].iloc[0]
    with pytest.raises(ShiftgaugeError, match=r"model `blind`.*needs gradients"):
        run(tmp_path / "other", of={"blind": blind})


def test_limits_are_judged_on_the_accuracy_or_on_its_lower_end(tmp_path):
    gates = AttackGates(
        min_clean_accuracy=0.5,
        min_accuracy=(
            AccuracyGate(accuracy=0.0, at=20.0),
            AccuracyGate(accuracy=1.0, at=30.0, way="pgd", model="plain"),
            AccuracyGate(accuracy=0.85, at=40.0, way="noise", lower_end=True),
            AccuracyGate(accuracy=0.0, at=0.5, way="brightness"),
        ),
    )
    result = run(tmp_path / "run", of={"plain": classifier()}, gates=gates)
    found = {gate.name: gate for gate in result.gates}
    assert {name: gate.passed for name, gate in found.items()} == {
        "min_clean_accuracy.plain": True,
        "min_accuracy.plain.fgsm@20": True,
        "min_accuracy.plain.pgd@20": True,
        "min_accuracy.plain.pgd@30": False,
        "min_accuracy.plain.noise@40": False,
        "min_accuracy.plain.brightness@0.5": True,
    }
    noise = rows(result, way="noise", asked=40.0)
    assert found["min_accuracy.plain.noise@40"].value == noise["low"].iloc[0] < noise["accuracy"].iloc[0]
    assert not result.passed


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"accuracy": 0.5, "at": 35.0}, "must be `at` one of 40, 30, 20"),
        ({"accuracy": 0.5, "at": 30.0, "way": "pdg"}, "pgd"),
        ({"accuracy": 0.5, "at": 30.0, "model": "plian"}, "plain"),
        ({"accuracy": 0.5, "at": 0.7, "way": "brightness"}, "must be `at` one of 0.9, 0.5"),
    ],
)
def test_a_limit_on_what_is_not_measured_is_refused_before_anything_is_done(tmp_path, gate, said):
    with pytest.raises(ConfigError, match=said):
        run(tmp_path / "run", gates=AttackGates(min_accuracy=(AccuracyGate(**gate),)))
    assert not (tmp_path / "run").exists()


def test_the_function_is_the_package(attacked):
    import inspect

    assert list(inspect.signature(shiftgauge.attack).parameters)[:3] == ["models", "data", "out"]
    assert attacked[1].models == MODELS
