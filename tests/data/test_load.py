import numpy as np
import pandas as pd
import pytest
from PIL import Image

from shiftgauge.data.load import load_data
from shiftgauge.data.table import TableDataset
from shiftgauge.errors import ConfigError, DataError


def test_kind_is_found_from_the_path(folder, tmp_path):
    from_folder = load_data(folder)
    pd.DataFrame({"path": from_folder.names, "label": [n.split("/")[0] for n in from_folder.names]}).to_csv(
        tmp_path / "m.csv", index=False
    )
    listed = load_data({"path": str(tmp_path / "m.csv"), "root": str(folder)})
    assert listed.fingerprint == from_folder.fingerprint
    np.savez(
        tmp_path / "d.npz",
        images=np.stack([from_folder.load(i) for i in range(len(from_folder))]),
        labels=from_folder.labels,
        classes=from_folder.class_names,
    )
    stacked = load_data(tmp_path / "d.npz")
    np.testing.assert_array_equal(stacked.load(4), from_folder.load(4))
    assert stacked.class_counts == from_folder.class_counts
    assert load_data(stacked) is stacked


def test_table_needs_its_kind(tmp_path):
    pd.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]}).to_csv(tmp_path / "t.csv", index=False)
    table = load_data({"kind": "table", "path": tmp_path / "t.csv", "label_column": "y"})
    assert isinstance(table, TableDataset)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({}, ConfigError, "lacks `path`"),
        ({"kind": "foldr", "path": "x"}, ConfigError, "did you mean `folder`"),
        ({"kind": "folder", "path": "x", "skip_unreadble": True}, ConfigError, "did you mean `skip_unreadable`"),
        ({"kind": "table", "path": "x"}, ConfigError, "lacks `label_column`"),
        ("nowhere", DataError, "does not exist"),
        ({"kind": "folder", "path": "nowhere"}, DataError, "does not exist"),
    ],
)
def test_bad_specification_is_one_line(spec, error, message):
    with pytest.raises(error, match=message) as caught:
        load_data(spec)
    assert "\n" not in str(caught.value)


def test_unknown_file_asks_for_the_kind(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"1")
    with pytest.raises(DataError, match="state `kind`"):
        load_data(tmp_path / "x.bin")


def test_equal_images_in_two_class_folders_are_named(tmp_path):
    for name in ("good", "scratch"):
        (tmp_path / name).mkdir()
        for k in range(2):
            Image.fromarray(np.full((4, 4), 10 + k, np.uint8)).save(tmp_path / name / f"{k}.png")
    (note,) = load_data(tmp_path).notes
    assert note.startswith("4 images of the same content have contradictory labels, in 2 group(s): `good/0.png (good)`")
    assert load_data({"path": tmp_path, "task": "multi"}).notes[0].startswith("2 image(s) lie in the data more than")
