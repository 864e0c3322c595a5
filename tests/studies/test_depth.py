"""Sensitivity through the depth of a network: closed forms, the whole vector beside its projections, resumption."""

import numpy as np
import pytest
import torch
from torch import nn

from fakes import MeanClassifier
from shiftgauge.errors import ConfigError, InterruptedRunError, ModelError, StoreError
from shiftgauge.evaluate import run as driver
from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.results.audit import AuditResult
from shiftgauge.studies.audit import audit

GREYS = np.array([0.3, 0.4, 0.5, 0.6])
FLAT = (GREYS[:, None, None, None] * np.ones((1, 1, 8, 8))).astype(np.float32)
LABELS = np.array([1, 1, 1, 1])
RUN = {
    "progress": False,
    "n_base": 64,
    "resamples": 100,
    "execution": ExecutionOptions(batch_size=32, precision="float32", channels_last=True, streams=1, chunk_rows=96),
}
SPACE = {"brightness": (0.5, 1.5), "rotation": (-40, 40)}


def wrap(net):
    return TorchClassifier(
        net.eval(),
        preprocessing=Preprocessing(channels=1, height=8, width=8),
        device=torch.device("cpu"),
        classes=["dark", "bright"],
        output_kind="logits",
    )


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
            nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
            nn.Flatten(),
            nn.Linear(128, 2),
        )


def textures():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 0.8, (6, 1, 4, 4)).repeat(2, axis=2).repeat(2, axis=3).astype(np.float32)


def run(net=None, space=SPACE, images=None, labels=None, **options):
    images = textures() if images is None else images
    labels = np.arange(len(images)) % 2 if labels is None else labels
    return audit(wrap(net or network()), (images, labels), space, **{**RUN, **options})


@pytest.fixture(scope="module")
def shown():
    return run(blocks=BlockOptions(names=["0", "1"], directions=32))


def test_linear_blocks_of_a_product_have_its_closed_form_indices():
    """Each entry is w g b + c, with grey g of four images and brightness b on [0.5, 1.5]: the indices are g b's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 5, 8), nn.Flatten(), nn.Linear(5, 300), nn.Linear(300, 2))
    blocks = BlockOptions(names=["0", "2"], directions=16)
    found = run(net, {"brightness": (0.5, 1.5)}, FLAT, LABELS, n_base=256, blocks=blocks)
    g, vg, vb = GREYS.mean(), GREYS.var(), 1 / 12
    total = vg + g**2 * vb + vg * vb
    for name, share in {"image": vg / total, "brightness": g**2 * vb / total}.items():
        at = found.arrays.sel(input=name)
        assert at["block_first_order"].values == pytest.approx(np.full(3, share), abs=1e-4)
        assert at["block_total_order"].values == pytest.approx(np.full(3, share + vg * vb / total), abs=1e-4)
    assert list(found.arrays["block"].values) == ["0", "2", "output"]
    assert found.arrays["block_entries"].values.tolist() == [5, 300, 2]
    assert found.arrays["block_directions"].values.tolist() == [0, 16, 0]


def test_projected_indices_hold_those_of_the_whole_block():
    whole = run(blocks=BlockOptions(names=["0", "1"], directions=384)).arrays
    assert whole["block_directions"].values.tolist() == [0, 0, 0]
    miss = 0
    for seed in range(4):
        some = run(blocks=BlockOptions(names=["0", "1"], directions=16), seed=seed).arrays
        for kind in ("block_first_order", "block_total_order"):
            low, high = some[f"{kind}_interval"].values[..., 0], some[f"{kind}_interval"].values[..., 1]
            spare = 0.5 * np.diff(whole[f"{kind}_interval"].values)[..., 0]
            miss += int(((whole[kind] + spare < low) | (whole[kind] - spare > high)).sum())
    assert miss <= 3  # of 72


def test_audit_with_blocks_is_the_audit_without_in_everything_else(shown):
    plain = run()
    for name in plain.arrays.variables:
        assert plain.arrays[name].identical(shown.arrays[name]), name
    assert plain.arrays.attrs == shown.arrays.attrs
    assert plain.headline == shown.headline
    assert plain.cost["evaluations"] == shown.cost["evaluations"]
    assert {str(n) for n in shown.arrays.data_vars} - {str(n) for n in plain.arrays.data_vars} == {
        "block_first_order",
        "block_first_order_interval",
        "block_total_order",
        "block_total_order_interval",
        "block_variance",
        "block_entries",
        "block_directions",
        "block_pooled",
        "block_shape",
    }


def test_output_as_a_block_is_the_sum_over_its_logits():
    """Two logits with opposite signs: the aggregated indices of both are those of the margin of either."""
    net = network()
    with torch.no_grad():
        net[3].weight[1] = -net[3].weight[0]
        net[3].bias[:] = 0
    found = run(net, labels=np.zeros(6, int), blocks=["0"], estimator="pick_freeze").arrays
    margin, output = found.sel(quantity="margin"), found.sel(block="output")
    for kind in ("first_order", "total_order", "first_order_interval", "total_order_interval"):
        np.testing.assert_allclose(output[f"block_{kind}"], margin[kind], atol=1e-4)


def test_total_is_at_least_first_within_the_error(shown):
    at = shown.arrays
    slack = np.diff(at["block_total_order_interval"].values)[..., 0] / 2
    assert (at["block_total_order"].values + slack >= at["block_first_order"].values).all()
    assert (at["block_first_order"].sum("input") < 1.1).all()


def test_interrupted_audit_goes_on_to_the_same_arrays(tmp_path, monkeypatch, shown):
    options = {"blocks": BlockOptions(names=["0", "1"], directions=32), "out": tmp_path / "cut"}
    whole = driver.Store.put
    calls = []

    def put(self, section, number, values):
        whole(self, section, number, values)
        calls.append(section)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(driver.Store, "put", put)
    with pytest.raises(InterruptedRunError):
        run(**options)
    monkeypatch.setattr(driver.Store, "put", whole)
    again = run(**options)
    assert again.cost["rows_from_store"] > 0
    for name in shown.arrays.variables:
        assert again.arrays[name].identical(shown.arrays[name]), name
    with pytest.raises(StoreError, match=r"another blocks \(there: 0, 1, output on 32 directions; now: nothing\)"):
        run(out=tmp_path / "cut")
    with pytest.raises(StoreError, match="another blocks"):
        run(**{**options, "blocks": BlockOptions(names=["0"], directions=32)})


def test_design_that_doubles_ends_with_the_blocks_of_one_that_was_given():
    blocks = BlockOptions(names=["0", "1"], directions=32)
    grown = run(estimator="pick_freeze", n_base=16, budget=1000, blocks=blocks)
    given = run(estimator="pick_freeze", n_base=grown.cost["evaluations"] // 8, blocks=blocks)
    assert grown.cost["evaluations"] > 16 * 8
    for kind in ("block_first_order", "block_total_order", "block_total_order_interval"):
        assert grown.arrays[kind].identical(given.arrays[kind])


def test_run_folder_keeps_the_blocks(tmp_path, shown):
    shown.to_disk(tmp_path)
    again = AuditResult.from_disk(tmp_path)
    assert again.arrays["block_total_order"].identical(shown.arrays["block_total_order"])
    table = again.blocks_to_dataframe()
    assert (tmp_path / "blocks.csv").read_text().splitlines()[0] == "block,kind,input,estimate,low,high"
    assert len(table) == 3 * 2 * 3
    row = table.query("block == '1' and kind == 'total_order' and input == 'rotation'").iloc[0]
    assert row.estimate == float(shown.arrays["block_total_order"].sel(block="1", input="rotation"))
    assert row.low < row.estimate < row.high
    assert list(table.columns) == ["block", "kind", "input", "estimate", "low", "high"]


def test_pick_freeze_and_fixed_images_and_pooling_serve_too(shown):
    plain = run(estimator="pick_freeze", blocks=BlockOptions(names=["0", "1"], directions=32)).arrays
    np.testing.assert_allclose(plain["block_total_order"], shown.arrays["block_total_order"], atol=0.25)
    pooled = run(blocks=BlockOptions(names=["0", "1"], pooled=True)).arrays
    assert pooled["block_entries"].values.tolist() == [6, 8, 2]
    assert pooled["block_pooled"].values.all()
    images = audit(wrap(network()), (textures(), np.arange(6) % 2), SPACE, **RUN, blocks=["1"], images=["0", "3"])
    assert list(images.arrays["input"].values) == ["brightness", "rotation"]
    total = images.arrays["block_total_order"].values
    assert np.isfinite(total).all()
    assert (total.sum(axis=1) > 0.9).all()


def test_block_that_never_changes_is_undefined_and_the_rest_is_shown():
    net = network()
    with torch.no_grad():
        net[1][1].weight[:] = 0
        net[1][1].bias[:] = -1
    found = run(net, blocks=["0", "1"]).arrays
    assert np.isnan(found["block_total_order"].sel(block="1")).all()
    assert np.isfinite(found["block_total_order"].sel(block="0")).all()


def test_one_image_and_noise_as_inputs():
    found = run(space={"gaussian_noise": (0.02, 0.1), "brightness": (0.8, 1.2)}, blocks=["0"]).arrays
    assert "repeat" in found["input"].values
    one = run(images=textures()[:1], labels=np.zeros(1, int), blocks=["0"]).arrays
    assert list(one["input"].values) == ["brightness", "rotation"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"blocks": "all"}, ConfigError, "must be auto, none or a list of module paths, got `all`"),
        ({"blocks": ["9"]}, ModelError, "unknown block `9`"),
        ({"blocks": "auto", "estimator": "gpc", "n_base": 1024}, ConfigError, "needs the estimator"),
        ({"blocks": "auto", "execution": ExecutionOptions(compiled=True)}, ConfigError, "compiled network"),
    ],
)
def test_what_blocks_cannot_do_is_said_in_one_line(options, error, text):
    with pytest.raises(error, match=text) as caught:
        run(**options)
    assert "\n" not in str(caught.value)


def test_model_that_is_no_torch_network_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="`blocks` needs a torch network") as caught:
        audit(MeanClassifier(), (FLAT, LABELS), SPACE, blocks="auto", out=tmp_path / "run", **RUN)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
