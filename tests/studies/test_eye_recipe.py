"""What the eye-state study trains: the published recipe, its networks, and the controls of its copies."""

import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.models.architectures import build_network
from shiftgauge.studies.eye_data import PixelScale
from shiftgauge.studies.eye_models import CNN, CNN_DECAY, SCALED, UNSCALED, WIDE, WIDE_FGSM, WIDE_PGD, eye_models
from shiftgauge.studies.eye_published import COPY_EPSILONS, SHARES
from shiftgauge.studies.eye_recipe import EyeRecipe
from shiftgauge.studies.eye_trainings import cells
from shiftgauge.train.replaced import ReplaceOptions
from shiftgauge.train.schedules import multiplier

SCALE = PixelScale(mean=0.5, std=0.25)


def models(**given):
    return eye_models(EyeRecipe(**given), SCALE)


def network(model, n_classes=4):
    built = build_network(
        model.network.architecture, n_classes=n_classes, channels=1, arguments=dict(model.network.arguments)
    )
    return getattr(built, "network", built)


def test_the_published_recipe_has_the_published_values():
    recipe, wide = EyeRecipe(), models()[WIDE]
    options = wide.options
    assert (recipe.k, options.epochs, options.sampling.batch_size, recipe.size) == (10, 50, 64, 32)
    assert (options.optimizer.kind, options.optimizer.learning_rate, options.optimizer.momentum) == ("sgd", 0.1, 0.9)
    rates = [options.optimizer.learning_rate * multiplier(options.schedule, e, 50) for e in (0, 10, 20, 30, 40)]
    assert rates == pytest.approx([0.1, 0.01, 1e-3, 1e-4, 1e-5])
    assert recipe.curve == tuple(i / 1000 for i in range(40))
    assert (recipe.shares, recipe.copies) == (SHARES, COPY_EPSILONS)
    assert models()[CNN].options.optimizer.learning_rate == 0.01


def test_networks_have_the_published_numbers_of_parameters():
    found = {name: sum(p.numel() for p in network(m).parameters()) for name, m in models().items()}
    assert (found[WIDE], found[UNSCALED]) == (174644, 174644 + 3)
    assert found[WIDE] == found[WIDE_FGSM] == found[WIDE_PGD]


def test_both_decays_are_those_of_a_squared_norm():
    decay = {name: m.options.optimizer.weight_decay for name, m in models().items()}
    assert (decay[WIDE], decay[CNN], decay[CNN_DECAY]) == (2e-4, 0.0, 2e-3)


def test_the_half_batch_is_the_published_one():
    options = models()[WIDE_FGSM].adversarial
    assert (options.method, options.share, options.ramp, options.epsilon, options.unit) == (
        "fgsm",
        0.5,
        True,
        0.032,
        "input",
    )
    assert ReplaceOptions(epsilon=0.032, ramp=True).share == 0.5


def test_the_network_done_right_never_enlarges():
    torch.manual_seed(0)
    found = models(name="small")[SCALED]
    assert dict(found.network.arguments)["normalisation"] == "mean_only"
    assert found.options.epochs == 2 * EyeRecipe(name="small").epochs_each
    assert found.constraint.beta == 0.02
    assert models()[UNSCALED].constraint.beta == 0.001


def test_peculiarities_of_the_code_are_those_of_the_published_recipe_alone():
    assert dict(models()[WIDE].network.arguments)["bn_momentum"] == 0.9
    for given in ({"name": "small"}, {"quick": True}):
        assert "bn_momentum" not in dict(models(**given)[WIDE].network.arguments)
    assert EyeRecipe().published
    assert not any(EyeRecipe(**given).published for given in ({"quick": True}, {"epochs": 3}, {"name": "small"}))


def test_the_grid_is_forty_cells_and_its_controls():
    found = cells(EyeRecipe())
    assert sum(c.epsilon is not None for c in found) == 40
    assert [c.name for c in found if c.kind == "clean"] == [f"clean copies, {s:.0%}" for s in SHARES]
    assert len({c.folder for c in found}) == len(found) == 48
    assert len({m.folder for m in models().values()}) == 10


@pytest.mark.parametrize("given", [{"name": "large"}, {"epochs": 0}, {"folds": 1}, {"seed": -1}])
def test_what_is_no_recipe_is_refused(given):
    with pytest.raises(ConfigError):
        EyeRecipe(**given)
