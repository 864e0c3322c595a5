"""The loop example: what it trains and audits, which shifts it takes, and the table at its end."""

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shiftgauge.cli.audit import run_audit
from shiftgauge.cli.reader import load_config, load_train_config
from shiftgauge.cli.train import run_training

ROOT = Path(__file__).resolve().parents[1] / "examples" / "loop"
SMALL = ["--set=model.architecture=resnet18_small", "--set=model.pretrained=false", "--set=train.epochs=1"]
SMALL += ["--set=model.size=16", "--set=train.sampling.batch_size=8", "--set=train.precision=float32"]
FEW = ["estimate.n_base=32", "execution.batch_size=32", "execution.precision=float32", "execution.channels_last=false"]
FEW += ["execution.compile=false", "execution.streams=1"]


def loop_module():
    spec = importlib.util.spec_from_file_location("loop_example", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def here(kind, config, folder, *settings):
    """What `command` does, in this process and on less."""
    given = [entry.removeprefix("--set=") for entry in settings]
    if kind == "train":
        small = [entry.removeprefix("--set=") for entry in SMALL]
        run_training(load_train_config(config, [*given, *small]), folder, progress=False)
    else:
        loaded = load_config(config, [*given, *FEW])
        run_audit(loaded, folder, trust=False, progress=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop")
    rng = np.random.default_rng(0)
    for label, level in (("bright", 190), ("dark", 60)):
        (folder / "images" / label).mkdir(parents=True)
        for i in range(19):
            pixels = np.clip(rng.normal(level, 20, (20, 20)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / label / f"{i}.png")
            if i == 0:  # one image twice
                Image.fromarray(pixels).save(folder / "images" / label / "again.png")
    module = loop_module()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "command", here)
        patch.setattr(sys, "argv", ["run.py", str(folder / "images"), str(folder / "out")])
        module.main()
    return module, folder / "out"


def test_the_loop_ends_with_both_networks_side_by_side(ran):
    _, out = ran
    table = (out / "before-and-after.md").read_text(encoding="utf-8")
    for row in ("Accuracy, test images as they are", "Accuracy under the shifts", "Total index, rotation"):
        assert f"| {row} |" in table
    assert "| trained plain | trained on shifts |" in table
    assert "The network trained on shifts loses" in table


def test_both_networks_see_the_same_division_with_every_class_in_every_part(ran):
    _, out = ran
    tables = []
    for name in ("plain", "shifted"):
        with (out / name / "split.csv").open(encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        counts = Counter((row["split"], row["label"]) for row in rows)
        assert len(rows) == 40
        assert set(counts) == {(p, c) for p in ("train", "validation", "test") for c in ("bright", "dark")}
        tables.append({(out / name / row["path"]).resolve(): row["split"] for row in rows})
    assert tables[0] == tables[1]


def test_both_trainings_keep_together_what_is_alike_and_are_equally_long(ran):
    module, out = ran
    results = [module.TrainResult.from_disk(out / name) for name in ("plain", "shifted")]
    units = [result.arrays["split_units"].values.tolist() for result in results]
    assert units[0] == units[1]
    assert sum(units[0]) == 38
    epochs = {load_train_config(ROOT / f"{name}.yaml", []).config.train.epochs for name in ("plain", "shifted")}
    assert epochs == {12}


def test_audits_are_of_test_images_alone(ran):
    module, out = ran
    for name in ("plain-audit", "shifted-audit"):
        audit = module.AuditResult.from_disk(out / name)
        assert audit.arrays.attrs["n_images"] == 10
        assert "trained_on" not in {message.code for message in audit.messages}


def test_a_second_run_goes_through_every_step_again_and_other_data_or_options_are_refused(ran):
    module, out = ran
    images = out.parent / "images"
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "command", lambda kind, config, folder, *settings: asked.append(folder.name))
        patch.setattr(sys, "argv", ["run.py", str(images), str(out)])
        module.main()
        assert asked == ["plain", "plain-audit", "shifted", "shifted-audit"]
        for other in ([str(images), str(out), "--quick"], [str(images / "dark"), str(out)]):
            patch.setattr(sys, "argv", ["run.py", *other])
            with pytest.raises(SystemExit, match="take another folder"):
                module.main()
    assert len(asked) == 4


def test_shifts_matter_when_their_interval_reaches_a_twentieth(ran):
    module, out = ran
    audit = module.AuditResult.from_disk(out / "plain-audit")
    bounds = audit.arrays["total_order_interval"].copy(deep=True)
    bounds.loc[{"bound": "high"}] = 0.5
    bounds.loc[{"bound": "high", "input": "tilt"}] = 0.04
    audit.arrays["total_order_interval"] = bounds
    assert module.shifts_that_matter(audit) == (["brightness", "rotation"], ["tilt"])


def test_a_shift_that_does_not_matter_can_be_taken_out_of_the_training():
    loaded = load_train_config(ROOT / "shifted.yaml", ["train.augment.shifts.parameters.tilt=null"])
    from shiftgauge.cli.train_build import train_options

    options = train_options(loaded)
    assert options.augment.space is not None
    assert set(options.augment.space.names) == {"brightness", "rotation"}
