"""Small runs of attacks on small networks, for the tests of what is found and what is shown."""

import numpy as np
import pytest
import torch

import shiftgauge
from explain_runs import classifier
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.attack.pgd import PGD
from shiftgauge.studies.attack_options import AttackOptions, NaturalLevels, PictureOptions

CLASSES = ("a", "b", "c", "d")
MODELS = ("plain", "<i>o</i>")


def models():
    """Two networks of the same input and classes."""
    return dict(zip(MODELS, (classifier(), classifier(seed=1)), strict=True))


def data(n=60, seed=0, wrong=0.1):
    """Noise images, labelled as the first network sees them, but for a share that is wrong."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(size=(n, 3, 8, 8)).astype(np.float32)
    labels = classifier().outputs(torch.from_numpy(images)).argmax(dim=1).numpy()
    return images, np.where(rng.random(n) < wrong, (labels + 1) % 4, labels)


def options(**changed):
    """A few budgets, a few steps, one natural shift."""
    chosen = {
        "attacks": {"fgsm": FGSM(), "pgd": PGD(steps=3), "noise": UniformNoise()},
        "snr_db": (40.0, 30.0, 20.0),
        "shifts": (NaturalLevels(name="brightness", levels=(0.9, 0.5)),),
        "pictures": PictureOptions(images=2, snr_db=(40.0, 25.0), ways=("fgsm", "noise")),
    }
    return AttackOptions(**{**chosen, **changed})


def run(folder, chosen=None, given=None, of=None, **more):
    """A run without figures, which take most of the time and are tested by themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shiftgauge.studies.attack.write_attack_figures", lambda result, folder: [])
        return shiftgauge.attack(
            models() if of is None else of, data() if given is None else given, out=folder,
            options=options() if chosen is None else chosen, progress=False, **more,
        )  # fmt: skip
