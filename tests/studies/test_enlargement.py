"""Copies of training images: what they are for their kind, and what is refused."""

import numpy as np
import pytest
import torch

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.enlargement import EnlargeOptions, enlarge
from shiftgauge.train.images import read_part
from shiftgauge.train.options import TrainOptions
from train.toy import stripes

NAMES = tuple(f"class {k}" for k in range(3))


def images(n=60):
    part = stripes(n)
    return from_arrays(part.pixels.bytes_nchw[:, 0].numpy(), [f"class {c}" for c in part.targets.tolist()])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A network that knows the stripes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    options = {
        "epochs": 12,
        "precision": "float32",
        "sampling": {"batch_size": 8},
        "optimizer": {"learning_rate": 3e-3},
    }
    network, split = {"architecture": "test_resnet", "size": 16}, {"near_duplicates": False}
    more = {"split": split, "device": "cpu", "progress": False, "resamples": 100}
    result = shiftgauge.train(network, images(90), out=tmp_path_factory.mktemp("s"), options=options, **more)
    torch.set_num_threads(before)
    return result.model_folder


def made(prepared, source=None, n=60, names=NAMES, **values):
    part = read_part(images(n), prepared)
    found = enlarge(part, EnlargeOptions(source=source, **values), TrainOptions(), prepared, names, device="cpu")
    copies = found.part.pixels.batch(range(len(part), len(found.part)))
    rows = [part.names.index(name.removesuffix(", copy"))
            for name in found.part.names[len(part):]]  # fmt: skip
    return found, part.pixels.batch(rows), copies, np.array(rows)


@pytest.fixture(scope="module")
def prepared(source):
    return load_model_folder(source, "cpu").preprocessing


def test_adversarial_copies_fool_their_source_and_stay_within_epsilon(source, prepared):
    model = load_model_folder(source, "cpu")
    found, originals, copies, rows = made(prepared, source, kind="pgd", epsilon=0.1)
    assert len(rows) == 60
    change = (copies - originals).abs().flatten(1).amax(dim=1)
    assert (change <= 0.1 + 1e-7).all()
    labels = torch.from_numpy(images().labels[rows])
    right = [(model.outputs(x).argmax(dim=1) == labels).float().mean().item() for x in (originals, copies)]
    assert right[0] > 0.8
    assert right[1] < right[0] - 0.3
    assert found.record["source"] == model.fingerprint


def test_a_copy_does_not_depend_on_which_others_are_made(source, prepared):
    for values in ({"kind": "uniform_noise"}, {"kind": "fgsm", "source": source}):
        few, many = (made(prepared, epsilon=0.01, share=share, **values) for share in (0.25, 0.75))
        place = [many[3].tolist().index(row) for row in few[3]]
        assert torch.allclose(few[2], many[2][place], atol=1e-7)


def test_uniform_noise_has_mean_0_and_the_spread_of_its_epsilon(prepared):
    _, originals, copies, _ = made(prepared, kind="uniform_noise", epsilon=0.02, unit="input", clip=False)
    noise = (copies - originals) / prepared.std[0]
    assert noise.abs().max() <= 0.02 * (1 + 1e-5)
    assert abs(noise.mean()) < 4 * 0.02 / np.sqrt(3 * noise.numel())
    assert noise.std() == pytest.approx(0.02 / np.sqrt(3), rel=0.02)


def test_copies_are_kept_in_the_range_unless_asked_otherwise(prepared):
    bright = [made(prepared, kind="uniform_noise", epsilon=0.9, clip=clip)[2].max() for clip in (True, False)]
    assert bright[0] <= 1 < bright[1]


def test_another_seed_draws_other_images_and_other_noise(prepared):
    rows = [made(prepared, kind="clean", share=0.5, seed=seed)[3].tolist() for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]
    noise = [made(prepared, kind="uniform_noise", epsilon=0.01, seed=seed)[2] for seed in (0, 1)]
    assert not torch.equal(*noise)


def test_a_source_of_other_images_or_classes_is_refused(source, prepared):
    larger = Preprocessing(height=20, width=20, channels=1)
    with pytest.raises(ModelError, match=r"takes images of \(1, 16, 16\), the network \(1, 20, 20\)"):
        made(larger, source, kind="fgsm", epsilon=0.01)
    with pytest.raises(ModelError, match="does not know the class `other`"):
        made(prepared, source, names=("class 0", "class 1", "class 2", "other"), kind="fgsm", epsilon=0.01)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "noise"}, "unknown kind of copies `noise`"),
        ({"kind": "clean", "epsilon": 0.1}, "`kind: clean` changes no image, so `epsilon` does not count"),
        ({"kind": "uniform_noise"}, "need `epsilon` or `snr_db`, got 0 of them"),
        ({"kind": "uniform_noise", "epsilon": 0.1, "snr_db": 40}, "got 2 of them"),
        ({"kind": "uniform_noise", "epsilon": 0}, "`epsilon` must be above 0"),
        ({"kind": "uniform_noise", "epsilon": 0.1, "share": 0}, "`share` must be above 0"),
        ({"kind": "uniform_noise", "epsilon": 0.1, "source": "x"}, "`source` counts with `kind` fgsm or pgd alone"),
        ({"kind": "pgd", "epsilon": 0.1}, "need `source`, the model folder that they fool"),
        ({"kind": "gaussian_noise", "epsilon": 0.1}, "Gaussian noise has no largest entry"),
        ({"kind": "uniform_noise", "snr_db": float("nan")}, "`snr_db` must be finite"),
        ({"kind": "clean", "clip": 0}, "`clip` must be true or false"),
    ],
)
def test_wrong_options_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        EnlargeOptions(**values)
