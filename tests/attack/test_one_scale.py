"""Attacks, noise and natural shifts on one scale of decibels."""

import numpy as np
import pytest
import torch

from attack_cases import conv, images_of, labelled
from shiftgauge.attack.budget import budgets_at_snr
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.kinds import FGSM, PGD, GaussianNoise
from shiftgauge.attack.natural import NaturalShift, level_at_snr
from shiftgauge.attack.one_scale import one_scale
from shiftgauge.attack.snr import set_snr_db, snr_db
from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.proportion import paired_difference

DIM = NaturalShift(name="dimmed", levels=(0.95, 0.7, 1.0), apply=lambda images, factor: images * factor)
WAYS = {"fgsm": FGSM(), "pgd": PGD(steps=3), "noise": GaussianNoise()}
ASKED = (40.0, 25.0, 15.0)


def _models():
    return {"one": conv(mean=0.5, std=0.25), "two": conv(mean=0.4, std=0.5)}


def _scale(models, n=20, **more):
    images, labels = labelled(models["one"], n)
    return images, labels, one_scale(models, images, labels, attacks=WAYS, snr_db=ASKED, shifts=[DIM], **more)


def test_curves_are_those_of_each_model_and_way():
    models = _models()
    images, labels, found = _scale(models)
    assert [(c.model, c.way, c.kind) for c in found.curves] == [
        (model, way, kind)
        for way, kind in (("fgsm", "attack"), ("pgd", "attack"), ("noise", "noise"), ("dimmed", "shift"))
        for model in models
    ]
    for name, model in models.items():
        for way, attack in WAYS.items():
            alone = budget_curve(model, images, labels, attack, budgets_at_snr(ASKED))
            curve = found.curve(name, way)
            np.testing.assert_array_equal(curve.right, alone.right)
            np.testing.assert_array_equal(curve.low, alone.low)
            np.testing.assert_allclose(curve.set_snr_db, alone.set_snr_db)
        dimmed = found.curve(name, "dimmed")
        for i, factor in enumerate(DIM.levels):
            said = model.outputs(images * factor).argmax(dim=1)
            assert dimmed.right[i].tolist() == (said == labels).tolist()
            np.testing.assert_allclose(dimmed.image_snr_db[i], snr_db(images, images * factor))
            assert dimmed.set_snr_db[i] == pytest.approx(set_snr_db(images, images * factor))
    assert found.curve("one", "noise").set_snr_db == pytest.approx(list(ASKED), abs=1e-3)
    np.testing.assert_array_equal(found.clean[0], True)


def test_shift_is_applied_once_for_all_models():
    calls = []

    def jitter(images, size):
        calls.append(size)
        return images + size * torch.rand(images.shape, generator=torch.Generator().manual_seed(len(calls)))

    models = _models()
    images, labels = labelled(models["one"], 6)
    shift = NaturalShift(name="jitter", levels=(0.1, 0.2), apply=jitter)
    found = one_scale(models, images, labels, attacks={}, snr_db=[], shifts=[shift])
    assert calls == [0.1, 0.2]
    np.testing.assert_array_equal(found.curve("one", "jitter").set_snr_db, found.curve("two", "jitter").set_snr_db)


def test_ratio_is_one_of_what_each_network_sees_where_that_is_asked():
    models = _models()
    images, _, found = _scale(models, unit="input")
    for name, model in models.items():
        seen = [model.preprocessing.normalise(x.double()) for x in (images, images * 0.7)]
        assert found.curve(name, "dimmed").set_snr_db[1] == pytest.approx(set_snr_db(*seen))


def test_tables_hold_every_curve_and_interpolate_no_further_than_was_measured():
    _, _, found = _scale(_models())
    frame = found.to_dataframe()
    assert len(frame) == 2 + 2 * (3 * 3 + 3)
    assert frame.iloc[0]["kind"] == "clean"
    assert frame[["accuracy", "low", "high"]].notna().all().all()
    table = found.table([np.inf, 40, 25, 20, 5])
    assert table.loc[("one", "noise"), 25] == pytest.approx(found.curve("one", "noise").accuracy[1])
    two = found.curve("one", "noise").accuracy[1:]
    assert table.loc[("one", "noise"), 20] == pytest.approx(two.mean(), abs=1e-3)
    assert np.isnan(table.loc[("one", "fgsm"), 5])
    assert table.loc[("two", "fgsm"), np.inf] == found.clean_accuracy[1]


def test_models_and_ways_are_compared_on_the_same_images():
    _, _, found = _scale(_models())
    for i, gap in enumerate(found.compare("one", "two", "pgd")):
        assert gap == paired_difference(found.curve("one", "pgd").right[i], found.curve("two", "pgd").right[i])
    assert len(found.compare_ways("one", "pgd", "noise")) == 3
    with pytest.raises(ConfigError, match="no common ratios"):
        found.compare_ways("one", "pgd", "dimmed")
    with pytest.raises(ConfigError, match="did you mean `pgd`"):
        found.curve("one", "pdg")


def test_run_is_kept_and_told(tmp_path):
    told = []
    _, _, first = _scale(_models(), cache=tmp_path, progress=lambda *at: told.append(at))
    assert told == [(i, 8) for i in range(1, 9)]
    _, _, again = _scale(_models(), cache=tmp_path)
    assert (first.gradients > 0, again.gradients) == (True, 0)
    for one, other in zip(first.curves, again.curves, strict=True):
        np.testing.assert_array_equal(one.right, other.right)


def test_strength_of_a_ratio_is_found_by_bisection():
    images = images_of(10)
    for asked in (10.0, 20.0, 33.0):
        factor = level_at_snr(DIM, images, asked, weak=1.0, strong=0.0)
        assert set_snr_db(images, images * factor) == pytest.approx(asked, abs=0.06)
        assert factor == pytest.approx(1 - 10 ** (-asked / 20), abs=0.005)
    with pytest.raises(ConfigError, match=r"`snr_db` must lie between 0 dB"):
        level_at_snr(DIM, images, -3.0, weak=1.0, strong=0.0)


def test_shift_that_gives_no_images_is_named():
    for apply, error, message in (
        (lambda images, level: images[:1], DataError, "`odd` must give images of the shape"),
        (lambda images, level: images * float("nan"), NumericalError, "`odd` gives NaN or infinity at the strength 1"),
    ):
        odd = NaturalShift(name="odd", levels=(1.0,), apply=apply)
        with pytest.raises(error, match=message):
            odd.images(images_of(2), 1.0)
    for wrong in ({"name": ""}, {"levels": ()}, {"levels": (float("inf"),)}):
        with pytest.raises(ConfigError):
            NaturalShift(**{"name": "x", "levels": (1.0,), "apply": lambda images, level: images, **wrong})


def test_ways_need_names_of_their_own():
    models = _models()
    images, labels = labelled(models["one"], 2)
    twice = NaturalShift(name="fgsm", levels=(1.0,), apply=lambda images, level: images)
    with pytest.raises(ConfigError, match="each of another name"):
        one_scale(models, images, labels, attacks=WAYS, snr_db=ASKED, shifts=[twice])
    with pytest.raises(ConfigError, match="at least one ratio"):
        one_scale(models, images, labels, attacks=WAYS, snr_db=[])
