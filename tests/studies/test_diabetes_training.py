"""The batched training against a plain PyTorch loop over one network."""

import numpy as np
import torch

from shiftgauge.models.tabular_net import TabularNet
from shiftgauge.studies.diabetes import network_of
from shiftgauge.studies.diabetes_training import Recipe, Trained, train


def world(n=60, p=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p)) * [1.0, 20.0, 100.0][:p]
    return x, (x[:, 0] + rng.normal(size=n) > 0).astype(int)


def plain(seed, x, y, test, recipe, leak):
    torch.manual_seed(seed)
    network = TabularNet(x.shape[1], recipe.hidden)
    optimiser = torch.optim.SGD(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    rows, truth, other = (torch.tensor(a, dtype=torch.float32) for a in (x, y, test))
    for epoch in range(recipe.epochs):
        if epoch == recipe.drop_at:
            for group in optimiser.param_groups:
                group["lr"] *= 0.1
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy(network(rows)[:, 0], truth).backward()
        optimiser.step()
        if leak:
            with torch.no_grad():
                network(other)
    return network.eval()


def test_every_seed_goes_the_way_of_a_plain_loop():
    x, y = world()
    recipe = Recipe(epochs=80, drop_at=60, hidden=4)
    found = train(x[:40], y[:40], x[40:], seeds=3, recipe=recipe)
    for leak in (False, True):
        network = plain(2, x[:40], y[:40], x[40:], recipe, leak)
        with torch.no_grad():
            wanted = network(torch.tensor(x, dtype=torch.float32))[:, 0].numpy()
        assert np.allclose(found.probabilities(x, leaked=leak)[2], wanted, atol=2e-5)


def test_the_leak_changes_no_weight_but_the_statistics():
    x, y = world()
    recipe = Recipe(epochs=20, hidden=4)
    a, b = (train(x[:40], y[:40], test, seeds=1, recipe=recipe) for test in (x[40:], x[40:] + 50))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters, b.parameters, strict=True))
    assert torch.equal(a.clean.mean1, b.clean.mean1)
    assert not torch.equal(a.leaked.mean1, b.leaked.mean1)


def test_a_network_goes_into_a_set_and_comes_out_of_it():
    x, y = world()
    found = train(x[:40], y[:40], x[40:], seeds=2, recipe=Recipe(epochs=5, hidden=4))
    again = Trained.of(network_of(found, 1))
    assert np.allclose(again.probabilities(x)[0], found.probabilities(x)[1], atol=1e-6)


def test_training_leaves_the_global_random_state_alone():
    x, y = world()
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    train(x[:40], y[:40], x[40:], seeds=2, recipe=Recipe(epochs=1, hidden=4))
    assert torch.equal(torch.rand(1), wanted)
