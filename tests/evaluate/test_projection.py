"""Projections of block outputs: unbiased for the trace, the same everywhere, kept whole where small."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fakes import GreyImages, MeanClassifier, brighten
from grids import Grid
from shiftgauge.errors import ConfigError, InterruptedRunError, ModelError, NumericalError
from shiftgauge.evaluate import projection as module
from shiftgauge.evaluate.evaluator import Evaluator
from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions, block_options
from shiftgauge.evaluate.projection import BlockProjection, block_projection
from shiftgauge.evaluate.run import evaluate, make_plan
from shiftgauge.evaluate.store import Store
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Execution

SHAPES = {"map": (6, 5, 4), "small": (3,), "output": (2,)}


class Reciprocal(nn.Module):
    def forward(self, x):
        return 1 / x


def project(**options):
    return BlockProjection(**{"shapes": SHAPES, "directions": 8, "pooled": False, "seed": 3, **options})


def classifier():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    return TorchClassifier(
        net,
        preprocessing=Preprocessing(channels=1, height=8, width=8),
        device=torch.device("cpu"),
        classes=["dark", "bright"],
        output_kind="logits",
    )


def evaluator(blocks=True, **options):
    c = classifier()
    chosen = block_projection(c, BlockOptions(names=["1"], directions=5), 0) if blocks else None
    source = GreyImages((0.2, 0.4, 0.6))
    return Evaluator(
        classifier=c, source=source, perturb=brighten, names=("brightness",), nominal=(1.0,), blocks=chosen, **options
    )


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4, elementwise_affine=False)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1))


def channels_last():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), ChannelsLast(), nn.Flatten(), nn.Linear(144, 2))
    shape = Preprocessing(channels=1, height=8, width=8)
    return TorchClassifier(net, preprocessing=shape, device=torch.device("cpu"), output_kind="logits")


@pytest.mark.parametrize(
    ("layout", "entries"), [("auto", {"0": 4, "1": 4}), ("nchw", {"0": 4, "1": 6}), ("nhwc", {"0": 6, "1": 4})]
)
def test_pooling_follows_the_layout_of_each_block_or_the_one_that_is_stated(layout, entries):
    c = channels_last()
    p = block_projection(c, BlockOptions(names=["0", "1"], pooled=True, directions=16, layout=layout), 0)
    assert {name: p.entries(name) for name in ("0", "1")} == entries
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    _, found = c.outputs_and_blocks(images, ["1"], p.reduce)
    whole = c.module[1](c.module[0](images))
    assert torch.allclose(found["1"], whole.mean(dim=(2, 3) if layout == "nchw" else (1, 2)), atol=1e-6)


def test_the_layout_is_part_of_the_identity_of_a_run_where_it_matters():
    options = [BlockOptions(names=["1"], pooled=True, layout=layout) for layout in ("auto", "nhwc", "nchw")]
    auto, nhwc, nchw = (block_projection(channels_last(), o, 0).describe() for o in options)
    assert auto == nhwc != nchw
    assert "channel_axes" not in block_projection(channels_last(), BlockOptions(names=["1"]), 0).describe()


def test_columns_are_products_with_the_directions():
    p = project()
    z = torch.randn(7, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = z.reshape(7, -1).double().numpy() @ p.directions_of("map")
    np.testing.assert_allclose(p.reduce("map", z).numpy(), expected, atol=1e-5)
    assert p.columns == {"map": slice(0, 8), "small": slice(8, 11), "output": slice(11, 13)}
    assert p.n_columns == 13


@pytest.mark.parametrize("sparse_from", [1 << 14, 1])
def test_mean_over_directions_of_the_variance_is_the_trace_over_the_entries(sparse_from, monkeypatch):
    """E[w' S w] = tr S / D, with the standard error at most sqrt(2 tr S^2 / k) / D: checked over 200 seeds."""
    monkeypatch.setattr(module, "SPARSE_FROM", sparse_from)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 120))
    covariance = np.cov(z.T)
    truth = np.trace(covariance) / 120
    error = np.sqrt(2 * np.sum(covariance**2) / 10) / 120
    maps = torch.from_numpy(z.reshape(400, 6, 5, 4))
    found = []
    for seed in range(200):
        p = project(directions=10, shapes={"map": (6, 5, 4)}, seed=seed)
        found.append(p.reduce("map", maps).double().numpy().var(axis=0, ddof=1).mean())
    assert abs(np.mean(found) - truth) < 4 * error / np.sqrt(200)
    assert np.std(found) < 1.15 * error
    assert error > 0.1 * truth


def test_every_entry_of_a_large_map_goes_into_one_direction(monkeypatch):
    monkeypatch.setattr(module, "SPARSE_FROM", 100)
    monkeypatch.setattr(module, "_TILE", 50)
    p = project(shapes={"map": (23, 5)}, directions=8)
    matrix = p.directions_of("map")
    assert matrix.shape == (115, 8)
    np.testing.assert_allclose(np.abs(matrix).sum(axis=1), np.sqrt(8 / 115))
    z = torch.randn(3, 23, 5, generator=torch.Generator().manual_seed(0))
    expected = z.reshape(3, -1).double().numpy() @ matrix
    np.testing.assert_allclose(p.reduce("map", z).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert p.is_sparse("map")


def test_small_block_is_kept_as_it_is_and_not_as_a_view():
    p = project()
    z = torch.arange(6.0).reshape(2, 3)
    kept = p.reduce("small", z)
    z.relu_().mul_(0)
    assert kept.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert p.is_exact("small")
    assert not p.is_exact("map")


def test_pooled_columns_follow_the_channels():
    p = project(pooled=True, shapes={"map": (6, 5, 4), "words": (5, 30), "flat": (6,)})
    z = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(p.reduce("map", z), z.mean(dim=(2, 3)))
    assert p.entries("words") == 30
    assert p.reduce("words", torch.ones(2, 5, 30)).shape == (2, 8)
    torch.testing.assert_close(p.reduce("flat", z[:, :, 0, 0]), z[:, :, 0, 0])


def test_directions_depend_on_seed_and_block_and_not_on_memory_order_or_layout(monkeypatch):
    z = torch.randn(3, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    first = project().reduce("map", z)
    assert torch.equal(pickle.loads(pickle.dumps(project())).reduce("map", z), first)
    assert torch.equal(project().reduce("map", z.to(memory_format=torch.channels_last)), first)
    assert not torch.allclose(project(seed=4).reduce("map", z), first)
    other = project(shapes={"else": (6, 5, 4)})
    assert not torch.allclose(other.reduce("else", z), first)
    monkeypatch.setattr(module, "HELD_BYTES", 0)
    p = project()
    assert torch.equal(p.reduce("map", z), first)
    assert torch.equal(p.reduce("map", z), first)
    assert not p._held.tiles


def test_long_maps_are_projected_tile_by_tile(monkeypatch):
    monkeypatch.setattr(module, "_TILE", 16)
    p = project()
    z = torch.randn(3, 6, 5, 4, generator=torch.Generator().manual_seed(0))
    expected = z.reshape(3, -1).double().numpy() @ p.directions_of("map")
    np.testing.assert_allclose(p.reduce("map", z).numpy(), expected, atol=1e-5)
    assert p.directions_of("map").shape == (120, 8)
    assert len(p._held.tiles) == 8


def test_travelling_projection_leaves_its_directions_behind():
    p = project()
    p.reduce("map", torch.zeros(1, 6, 5, 4))
    assert p._held.size > 0
    assert len(pickle.dumps(p)) < 1000


def test_values_without_blocks_are_the_first_columns(tmp_path):
    points = Grid(30, 3).points(0, 30)
    plan = ExecutionOptions(batch_size=7, chunk_rows=20)
    with Store(tmp_path, {}) as store:
        execution = make_plan(evaluator(), Grid(30, 3), plan, store).execution
    plain = evaluator(blocks=False).values(points, execution)
    found = evaluator().values(points, execution)
    assert found[:, : plain.shape[1]].tobytes() == plain.tobytes()
    assert found.shape == (30, 5 + 5 + 2)
    e = evaluator()
    raw = e.outputs(points, execution)
    np.testing.assert_array_equal(found[:, -2:], raw)
    with torch.no_grad():
        hidden = torch.relu(e.classifier.module[0](e.shifted(points)))
    expected = hidden.reshape(30, -1).double().numpy() @ e.blocks.directions_of("1")
    np.testing.assert_allclose(found[:, 5:10], expected, atol=1e-5)


def test_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    design, options = Grid(50, 3), ExecutionOptions(batch_size=5, chunk_rows=20)
    with Store(tmp_path / "whole", {}) as store:
        e = evaluator()
        whole = evaluate(e, design, make_plan(e, design, options, store), store)

    def stop(rows):
        raise KeyboardInterrupt

    with Store(tmp_path / "cut", {}) as store:
        e = evaluator()
        plan = make_plan(e, design, options, store)
        with pytest.raises(InterruptedRunError):
            evaluate(e, design, plan, store, on_chunk=stop)
    with Store(tmp_path / "cut", {}) as store:
        e = evaluator()
        again = evaluate(e, design, make_plan(e, design, ExecutionOptions(), store), store)
    assert again.tobytes() == whole.tobytes()
    assert again.shape == (50, 12)


def test_several_streams_give_the_same_values():
    points = Grid(40, 3).points(0, 40)
    e = evaluator()
    one = e.values(points, Execution(batch_size=4))
    assert e.values(points, Execution(batch_size=4, streams=3)).tobytes() == one.tobytes()
    assert not any(m._forward_hooks for m in e.classifier.module.modules())


def test_infinite_values_inside_the_network_name_the_image():
    e = evaluator()
    net = nn.Sequential(Reciprocal(), nn.Tanh(), nn.Flatten(), nn.Linear(64, 2))
    c = TorchClassifier(
        net,
        preprocessing=Preprocessing(channels=1, height=8, width=8),
        device=torch.device("cpu"),
        classes=["dark", "bright"],
        output_kind="logits",
    )
    shown = replace(e, classifier=c, blocks=block_projection(c, BlockOptions(names=["0"], directions=5), 0))
    shown = replace(shown, source=GreyImages((0.5, 0.0)))
    assert np.isfinite(shown.outputs(shown.at_rest(), Execution())).all()
    with pytest.raises(NumericalError, match=r"grey_1\.png"):
        shown.values(shown.at_rest(), Execution())


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: block_options("all"), ConfigError, "must be auto, none or a list"),
        (lambda: block_options([]), ConfigError, "empty list"),
        (lambda: BlockOptions(directions=1), ConfigError, "directions"),
        (lambda: BlockOptions(pooled=True, layout="nhcw"), ConfigError, "layout"),
        (lambda: BlockOptions(layout="nhwc"), ConfigError, "belongs to pooled blocks"),
        (lambda: BlockOptions(directions=5000), ConfigError, "directions"),
        (lambda: block_projection(MeanClassifier(), BlockOptions(), 0), ConfigError, "needs a torch network"),
        (lambda: block_projection(classifier(), BlockOptions(names=["9"]), 0), ModelError, "unknown block `9`"),
    ],
)
def test_wrong_options_are_said_in_one_line(make, error, text):
    with pytest.raises(error, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_output_comes_last_and_only_once():
    p = block_projection(classifier(), BlockOptions(names=["output", "1"]), 0)
    assert list(p.shapes) == ["1", "output"]
    auto = block_projection(classifier(), BlockOptions(), 0)
    assert list(auto.shapes) == ["0", "3", "output"]
