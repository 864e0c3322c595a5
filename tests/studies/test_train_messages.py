"""What a training's page warns of."""

from __future__ import annotations

import numpy as np
import pytest

from report.train_results import train_result
from shiftgauge.errors import ConfigError
from shiftgauge.studies.train_messages import find_train_messages
from shiftgauge.studies.train_options import ThresholdOptions


def messages(arrays, **more):
    given = {
        "notes": (),
        "data_notes": (),
        "kept": (),
        "facts": {"torn_by_a_plain_split": 0},
        "stopped": "epochs",
        "skipped": 0,
    }
    return {m.code: m for m in find_train_messages(arrays, **{**given, **more})}


def test_what_was_noted_while_images_were_read_is_said_once():
    wrong = "2 images of the same content have contradictory labels, in 1 group(s)"
    found = find_train_messages(
        train_result().arrays,
        notes=(wrong, "1 image left out"),
        data_notes=(wrong, "12 of 18 images have no label file"),
        kept=(),
        facts={"torn_by_a_plain_split": 0},
        stopped="epochs",
        skipped=0,
    )
    texts = [(m.level, m.text) for m in found]
    assert ("info", "12 of 18 images have no label file.") in texts
    assert ("caution", "1 image left out.") in texts
    assert [level for level, text in texts if "contradictory labels" in text] == ["caution"]


def floors(value, low, *, support=200, floor=0.95):
    arrays = train_result(task="multi", n_classes=3, aim="recall", asked=floor).arrays
    arrays["support"][:] = support
    arrays["class_metric"].loc[{"part": "test", "measure": "recall"}] = [value, 1.0, 1.0]
    arrays["class_metric_interval"].loc[{"part": "test", "measure": "recall"}] = [[low, 1.0]] + [[0.99, 1.0]] * 2
    return messages(arrays)


def test_a_recall_below_its_floor_is_a_caution_with_both_numbers_and_the_images_it_was_chosen_on():
    found = floors(0.9, 0.8)["floor_missed"]
    assert found.level == "caution"
    assert "“defect 0” 0.900 [0.800, 1.000], floor 0.95, chosen on 200 validation images" in found.text
    assert "defect 1" not in found.text


def test_an_interval_that_reaches_below_the_floor_is_said():
    found = floors(0.97, 0.93)
    assert "floor_missed" not in found
    assert "0.970 [0.930, 1.000], floor 0.95" in found["floor_unsure"].text


def test_a_floor_that_is_held_needs_no_word_unless_it_hangs_on_few_images():
    assert not {"floor_missed", "floor_unsure", "few_for_floor"} & set(floors(0.99, 0.96))
    found = floors(0.99, 0.96, support=29)["few_for_floor"]
    assert found.level == "caution"
    assert "“defect 0” (29)" in found.text
    assert "few_for_floor" not in floors(0.99, 0.96, support=30)


def test_an_undefined_recall_misses_no_floor():
    assert not {"floor_missed", "floor_unsure"} & set(floors(np.nan, np.nan))


@pytest.mark.parametrize(
    ("counts", "bare", "said"),
    [
        ((3, 0), 0, "are decided both “defect 0” and another label, which"),
        ((0, 5), 0, "are decided to have no label at all, which"),
        ((3, 5), 0, " and 5 ("),
        ((0, 0), 0, None),
        ((0, 5), 1, None),
    ],
)
def test_contradictory_decisions_are_a_caution_with_their_share(counts, bare, said):
    arrays = train_result(task="multi", inconsistent=counts).arrays
    arrays["n_unlabelled"][:] = bare
    found = messages(arrays).get("contradictory")
    assert (found is None) == (said is None)
    if found is not None:
        assert found.level == "caution"
        assert said in found.text
        assert " %)" in found.text


def learnt_by_heart(train, validation):
    arrays = train_result().arrays
    arrays["overall"].loc[{"part": "test", "summary": "accuracy"}] = 0.1
    arrays["history_train_loss"][-1] = train
    arrays["history_loss"][-1] = validation
    return messages(arrays)


def test_training_images_that_are_learnt_alone_are_told_from_nothing_learnt():
    found = learnt_by_heart(0.1, 3.0)
    assert "nothing_learnt" not in found
    text = found["not_carried_over"].text
    assert found["not_carried_over"].level == "alarm"
    for word in ("training loss is 0.1", "validation loss 3", "batch normalisation", "smaller batches", "split"):
        assert word in text
    for losses in ((1.4, 1.5), (1.38, 5.0)):  # as at the start, and a validation loss that ran away
        assert "learning rate" in learnt_by_heart(*losses)["nothing_learnt"].text


@pytest.mark.parametrize(
    ("monitor", "score", "told"), [("macro_f1", 0.9, True), ("macro_f1", 1, False), ("loss", 1, False)]
)
def test_more_epochs_are_not_advised_where_there_is_nothing_to_gain(monitor, score, told):
    arrays = train_result(epochs=4).arrays
    arrays["history_macro_f1"][-1] = score
    arrays.attrs["monitor"] = monitor
    assert ("still_improving" in messages(arrays)) is told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recall_floor": 0.9}, "`recall_floor` counts with `aim: recall` alone; add `aim: recall`"),
        ({"aim": "cost", "cost_ratio": 5, "recall_floor": 0.9}, "add `aim: recall`"),
        ({"cost_ratio": 20}, "`cost_ratio` counts with `aim: cost` alone; add `aim: cost`"),
        ({"aim": "cost"}, "needs `cost_ratio`"),
    ],
)
def test_a_number_that_would_do_nothing_and_a_ratio_that_nobody_chose_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        ThresholdOptions(**given)


def test_the_recall_floor_in_effect_is_recorded():
    assert ThresholdOptions(aim="recall").to_dict()["recall_floor"] == 0.95
    assert ThresholdOptions().to_dict()["recall_floor"] is None
