import io
import json
import os
import warnings
import zipfile

import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.archive_safety import check_archive
from shiftgauge.models.load import load_model


class Trap:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """An exported network with a free batch size and a symbolic product of sizes."""
    path = tmp_path_factory.mktemp("archive") / "good.pt2"
    net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 3)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = ({0: torch.export.Dim("n", min=1, max=64)},)
        torch.export.save(torch.export.export(net, (torch.rand(2, 3, 4, 4),), dynamic_shapes=batch), path)
    return path


def rewritten(source, target, change):
    """A copy of an archive with `change(name, content) -> content` applied to each member."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


def in_graph(text, replacement):
    def change(name, content):
        return content.replace(text.encode(), replacement.encode()) if name.endswith("models/model.json") else content

    return change


def refuse(path, message, flag):
    with pytest.raises(ModelError, match=message) as caught:
        load_model({"kind": "pt2", "path": path, "output_kind": "logits"})
    assert "\n" not in str(caught.value)
    assert "--trust" in str(caught.value)
    assert not flag.exists()


def test_ordinary_archive_passes_and_runs(good):
    check_archive(good)
    c = load_model({"kind": "pt2", "path": good, "output_kind": "logits"})
    assert c.outputs(torch.rand(3, 3, 4, 4)).shape == (3, 3)


def test_pickle_among_the_sample_inputs_is_refused(good, tmp_path):
    flag, buffer = tmp_path / "ran", io.BytesIO()
    torch.save(((Trap(flag),), {}), buffer)
    bad = rewritten(good, tmp_path / "b.pt2", lambda n, c: buffer.getvalue() if n.endswith("model.pt") else c)
    refuse(bad, r"`model\.pt` holds more than tensors", flag)


def test_pickled_weight_is_refused(good, tmp_path):
    flag, buffer = tmp_path / "ran", io.BytesIO()
    torch.save(Trap(flag), buffer)

    def change(name, content):
        if name.endswith("weights_config.json"):
            config = json.loads(content)
            next(iter(config["config"].values()))["use_pickle"] = True
            return json.dumps(config).encode()
        return buffer.getvalue() if name.endswith("weight_0") else content

    refuse(rewritten(good, tmp_path / "b.pt2", change), "holds more than tensors", flag)


@pytest.mark.parametrize("name", ["custom_obj_0", "opaque_obj_0"])
def test_pickled_object_is_refused(good, tmp_path, name):
    bad = tmp_path / "b.pt2"
    bad.write_bytes(good.read_bytes())
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr(f"good/data/constants/{name}", b"\x80\x04N.")
    refuse(bad, "pickled object", tmp_path / "ran")


def test_code_in_a_symbolic_size_is_refused(good, tmp_path):
    flag = tmp_path / "ran"
    with zipfile.ZipFile(good) as archive:
        graph = archive.read(next(n for n in archive.namelist() if n.endswith("models/model.json"))).decode()
    expression = json.dumps(graph.split('"expr_str": "', 1)[1].split('"', 1)[0])[1:-1]
    code = f"__import__('os').mkdir('{flag}')"
    refuse(rewritten(good, tmp_path / "b.pt2", in_graph(expression, code)), "is not arithmetic", flag)


@pytest.mark.parametrize(
    "target", ["torch.hub.load", "torch.ops.load_library", "os.system", "torch.load", "builtins.eval"]
)
def test_foreign_operator_is_refused(good, tmp_path, target):
    bad = rewritten(good, tmp_path / "b.pt2", in_graph("torch.ops.aten.linear.default", target))
    refuse(bad, f"operator `{target}`", tmp_path / "ran")


def test_operator_that_opens_files_is_refused(good, tmp_path):
    bad = rewritten(good, tmp_path / "b.pt2", in_graph("aten.linear.default", "aten.from_file.default"))
    refuse(bad, "opens files", tmp_path / "ran")


def test_two_members_of_one_name_are_refused(good, tmp_path):
    bad = tmp_path / "b.pt2"
    bad.write_bytes(good.read_bytes())
    with zipfile.ZipFile(bad, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(archive.namelist()[0].upper(), b"x")
    refuse(bad, "same name", tmp_path / "ran")


def test_trusted_archive_is_opened_without_the_check(good, tmp_path):
    with zipfile.ZipFile(good) as archive:
        names = archive.namelist()
    extra = tmp_path / "b.pt2"
    extra.write_bytes(good.read_bytes())
    with zipfile.ZipFile(extra, "a") as archive:
        archive.writestr(f"{names[0].split('/')[0]}/extra/other.pt", b"not a tensor")
    refuse(extra, "holds more than tensors", tmp_path / "ran")
    c = load_model({"kind": "pt2", "path": extra, "output_kind": "logits"}, trust=True)
    assert c.n_classes == 3
