"""Transfer: every entry is what a loop over sources and targets gives; images are made once and kept."""

import numpy as np
import pytest
import torch

from attack_cases import conv, images_of
from fakes import MeanClassifier
from shiftgauge.attack.budget import Budget, budgets_at
from shiftgauge.attack.cache import ImageCache
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import FGSM, PGD, Square, UniformNoise
from shiftgauge.attack.transfer import transfer_matrix
from shiftgauge.errors import ConfigError, ModelError, StoreError
from shiftgauge.estimate.proportion import paired_difference, wilson_interval
from small_networks import ConvNet, wrap

BUDGETS = budgets_at([0.0, 0.03, 0.08])
ATTACKS = {"fgsm": FGSM(), "pgd": PGD(steps=2), "noise": UniformNoise()}


def _models(std=(0.25, 0.25, 0.25)):
    models = {"a": conv(n_classes=4, std=std[0])}
    for name, seed, sigma in (("b", 1, std[1]), ("c", 2, std[2])):
        net = ConvNet(n_classes=4)
        rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in net.parameters():
                p.add_(0.3 * torch.randn(p.shape, generator=rng))
            net.head.weight.mul_(6)
        models[name] = wrap(net, mean=0.5, std=sigma)
    return models


def _data(models, n=24):
    images = images_of(n)
    return images, next(iter(models.values())).outputs(images).argmax(dim=1)


def test_every_entry_is_what_the_plain_double_loop_gives():
    models = _models()
    images, labels = _data(models)
    found = transfer_matrix(models, images, labels, ATTACKS, BUDGETS)
    assert found.right.shape == (3, 3, 3, 3, 24)
    for a, attack in enumerate(ATTACKS.values()):
        for b, budget in enumerate(BUDGETS):
            for s, source in enumerate(models.values()):
                made = attack_images(source, images, labels, attack, budget)
                assert found.set_snr_db[a, b, s] == pytest.approx(made.set_snr_db)
                np.testing.assert_allclose(found.image_snr_db[a, b, s], made.snr_db)
                for t, target in enumerate(models.values()):
                    said = target.outputs(made.images).argmax(dim=1)
                    assert found.right[a, b, s, t].tolist() == (said == labels).tolist()
    np.testing.assert_array_equal(found.accuracy, found.right.mean(axis=-1))
    low, high = wilson_interval(found.right.sum(axis=-1), 24)
    np.testing.assert_array_equal(found.low, low)
    np.testing.assert_array_equal(found.high, high)


def test_images_are_made_once_for_all_targets_and_budgets():
    models = _models()
    images, labels = _data(models)
    found = transfer_matrix(models, images, labels, {"fgsm": FGSM()}, BUDGETS)
    assert found.gradients == 3 * 24
    noise = transfer_matrix(models, images, labels, {"noise": UniformNoise()}, BUDGETS)
    assert noise.evaluations == 3 * 24 * (1 + 2)
    np.testing.assert_array_equal(noise.right[:, :, 0], noise.right[:, :, 2])


def test_diagonal_is_white_box_and_no_weaker_than_a_transfer():
    models = _models()
    images, labels = _data(models, 48)
    found = transfer_matrix(models, images, labels, {"pgd": PGD(steps=5)}, BUDGETS)
    frame = found.to_dataframe()
    assert frame[frame["white_box"]].equals(frame[frame["source"] == frame["target"]])
    own = found.white_box("pgd")
    for t, name in enumerate(found.targets):
        made = attack_images(models[name], images, labels, PGD(steps=5), BUDGETS[2])
        assert own[2, t] == made.accuracy
        assert (own[2, t] <= found.accuracy[0, 2, :, t] + 1e-9).all()


def test_differences_are_paired_by_image():
    models = _models()
    images, labels = _data(models, 40)
    found = transfer_matrix(models, images, labels, ATTACKS, BUDGETS)
    gap = found.difference("fgsm", 2, "a", "b")
    assert gap == paired_difference(found.right[0, 2, 0, 1], found.right[0, 2, 1, 1])
    assert found.difference("fgsm", 2, "b", "b").difference == 0
    two = found.compare("pgd", 1, "a", "b", "c")
    assert two.difference == pytest.approx(found.accuracy[1, 1, 0, 1] - found.accuracy[1, 1, 0, 2])
    own = found.compare_white_box("pgd", 1, "b", "c")
    assert own.difference == pytest.approx(found.white_box("pgd")[1, 1] - found.white_box("pgd")[1, 2])
    people = [str(i // 8) for i in range(40)]
    grouped = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, groups=people, resamples=300)
    assert grouped.difference("fgsm", 2, "a", "b").difference == gap.difference
    assert grouped.difference("fgsm", 2, "a", "b") != gap


def test_sources_and_targets_may_be_chosen():
    models = _models()
    images, labels = _data(models)
    whole = transfer_matrix(models, images, labels, ATTACKS, BUDGETS)
    part = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, sources=["c"], targets=["a", "b"])
    np.testing.assert_array_equal(part.right[:, :, 0], whole.right[:, :, 2, :2])
    with pytest.raises(ConfigError, match="source"):
        part.difference("fgsm", 1, "c", "a")


def test_each_source_has_the_ball_of_its_own_scale():
    models = _models(std=(0.25, 0.5, 0.1))
    images, labels = _data(models)
    budgets = [Budget(epsilon=0.125, unit="input")]
    found = transfer_matrix(models, images, labels, ATTACKS, budgets)
    for a, attack in enumerate(ATTACKS.values()):
        for s, source in enumerate(models.values()):
            made = attack_images(source, images, labels, attack, budgets[0])
            assert found.accuracy[a, 0, s, s] == made.accuracy


def test_images_that_are_kept_are_not_made_again(tmp_path):
    models = _models()
    images, labels = _data(models)
    first = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path / "kept")
    files = {f: f.read_bytes() for f in (tmp_path / "kept").iterdir()}
    assert len(files) == 2 * 3 * 3 + 3  # noise is one file for each budget, whatever the source
    again = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path / "kept")
    assert (first.gradients, again.gradients) == (3 * 24 + 2 * 3 * 2 * 24, 0)
    np.testing.assert_array_equal(first.right, again.right)
    assert {f: f.read_bytes() for f in (tmp_path / "kept").iterdir()} == files
    other = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path / "kept", seed=1)
    assert other.gradients == first.gradients


def test_run_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    models = _models()
    images, labels = _data(models)
    whole = transfer_matrix(models, images, labels, ATTACKS, BUDGETS)
    write, written = ImageCache.write, []

    def stop_later(self, key, crafted):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(key)
        write(self, key, crafted)

    monkeypatch.setattr(ImageCache, "write", stop_later)
    with pytest.raises(KeyboardInterrupt):
        transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path)
    monkeypatch.setattr(ImageCache, "write", write)
    resumed = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path)
    np.testing.assert_array_equal(resumed.right, whole.right)
    assert 0 < resumed.gradients < whole.gradients


def test_damaged_file_counts_as_not_there(tmp_path):
    models = _models()
    images, labels = _data(models)
    whole = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path)
    for i, file in enumerate(sorted(tmp_path.iterdir())):
        content = file.read_bytes()
        file.write_bytes((b"", content[: len(content) // 2], b"no archive", content[::-1])[i % 4])
    again = transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path)
    assert again.gradients == whole.gradients
    np.testing.assert_array_equal(again.right, whole.right)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="it is a file; name a folder"):
        transfer_matrix(models, images, labels, ATTACKS, BUDGETS, cache=tmp_path / "file")


def test_model_without_gradients_is_a_target_and_a_source_of_squares():
    models = {"mean": MeanClassifier(gain=20), "other": MeanClassifier(gain=30)}
    images = torch.full((4, 1, 8, 8), 0.51)
    found = transfer_matrix(models, images, [1] * 4, {"square": Square(queries=30)}, budgets_at([0.05]))
    assert found.accuracy.max() == 0
    with pytest.raises(ModelError, match=r"source `mean`: the attack `fgsm` needs gradients"):
        transfer_matrix(models, images, [1] * 4, {"fgsm": FGSM()}, budgets_at([0.05]))


def test_models_that_cannot_be_compared_are_refused():
    models = _models()
    images, labels = _data(models)
    with pytest.raises(ConfigError, match="`a` and `d` differ"):
        transfer_matrix({**models, "d": conv(n_classes=5)}, images, labels, ATTACKS, BUDGETS)
    with pytest.raises(ConfigError, match="`labels` must be stated"):
        transfer_matrix(models, images, None, ATTACKS, BUDGETS)
    with pytest.raises(ConfigError, match="at least one attack"):
        transfer_matrix(models, images, labels, {}, BUDGETS)
    with pytest.raises(ConfigError, match="at least one model"):
        transfer_matrix({}, images, labels, ATTACKS, BUDGETS)
    with pytest.raises(ConfigError, match="unknown target `d`"):
        transfer_matrix(models, images, labels, ATTACKS, BUDGETS, targets=["d"])
