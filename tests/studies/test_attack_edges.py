"""What a run of attacks refuses, names, or does a few images at a time."""

import numpy as np
import pytest
import torch

from attack_runs import data, options, run
from explain_runs import ConvNet, classifier, wrap
from shiftgauge.attack.noise import GaussianNoise, UniformNoise
from shiftgauge.errors import ConfigError, DataError, NumericalError, StoreError
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.studies import attack_parts
from shiftgauge.studies.attack_options import AttackOptions, NaturalLevels


def test_what_cannot_be_done_is_refused_in_one_line(tmp_path):
    images, labels = data()
    with pytest.raises(ConfigError, match="same classes"):
        run(tmp_path / "run", of={"one": classifier(), "two": _other_classes()})
    with pytest.raises(ConfigError, match="target"):
        run(tmp_path / "run", chosen=options(target="e"))
    with pytest.raises(DataError, match="no image"):
        run(tmp_path / "run", given=(images[labels == 1], labels[labels == 1]), chosen=options(target="b"))
    with pytest.raises(ConfigError, match="at least two models"):
        run(tmp_path / "run", of={"one": classifier()}, chosen=options(transfer=True))
    noise = AttackOptions(attacks={"g": GaussianNoise()}, epsilon=(0.1,), snr_db=None)
    with pytest.raises(ConfigError, match="l2"):
        run(tmp_path / "run", chosen=noise)
    with pytest.raises(ConfigError, match="at least one model"):
        run(tmp_path / "run", of={})
    with pytest.raises(StoreError, match="audit"):
        run(tmp_path / "run", audit=tmp_path / "nothing")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("loud", [{"snr_db": (np.inf,)}, {"snr_db": None, "epsilon": (0.0,)}])
def test_a_run_that_allows_no_change_says_so_and_leaves_every_accuracy(tmp_path, loud):
    result = run(tmp_path / "run", of={"plain": classifier()}, chosen=options(pictures=None, shifts=(), **loud))
    assert "infinite dB" in result.headline or "ε = 0" in result.headline
    assert (result.arrays["row_accuracy"] == float(result.arrays["clean_accuracy"][0])).all()


class _Overexposed(torch.nn.Module):
    """Gives NaN for bright images."""

    def __init__(self):
        super().__init__()
        self.net = ConvNet()

    def forward(self, x):
        return torch.where((x.amax(dim=(1, 2, 3)) > 0.5)[:, None], torch.nan, self.net(x))


def test_the_model_that_gives_nan_is_named(tmp_path):
    of = {"plain": classifier(), "odd": wrap(_Overexposed(), classes=("a", "b", "c", "d"))}
    noise = options(attacks={"hiss": UniformNoise()}, pictures=None, shifts=(), snr_db=(20.0,))
    with pytest.raises(NumericalError, match="“hiss” on “odd”: the model gives NaN for"):
        run(tmp_path / "run", of=of, chosen=noise)
    shifts = options(attacks={}, pictures=None, snr_db=(20.0,))
    with pytest.raises(NumericalError, match="model `odd` gives NaN for"):
        run(tmp_path / "shifts", of=of, chosen=shifts)


def test_images_are_shifted_a_few_at_a_time_as_all_at_once():
    shift = NaturalLevels(name="gaussian_noise", levels=(0.1,))
    pipeline = ShiftPipeline(["gaussian_noise"], seed=3)
    images, held = torch.rand(2 * attack_parts._SHIFTED + 3, 1, 8, 8), []

    def counted(part, theta, rows):
        held.append(len(part))
        return pipeline(part, theta, rows)

    found = attack_parts.as_natural(shift, counted).apply(images, 0.1)
    whole = pipeline(images, torch.full((len(images), 1), 0.1, dtype=torch.float64), torch.arange(len(images)))
    assert torch.equal(found, whole)
    assert max(held) == attack_parts._SHIFTED


def _other_classes():
    return wrap(ConvNet(), classes=("a", "b", "c", "e"))


def test_other_data_are_refused_in_the_same_folder(tmp_path):
    alone = options(pictures=None, shifts=())
    run(tmp_path / "run", of={"plain": classifier()}, chosen=alone)
    with pytest.raises(StoreError, match="another data"):
        run(tmp_path / "run", of={"plain": classifier()}, given=data(seed=1), chosen=alone)
