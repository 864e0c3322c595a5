"""What was noted while images were read reaches the page and the record of an audit."""

import numpy as np
import xarray as xr

from fakes import MeanClassifier
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.load import load_data
from shiftgauge.results.audit import AuditResult
from shiftgauge.studies.audit import audit
from shiftgauge.studies.data_messages import data_messages, noted_once, split_messages


def test_contradictory_labels_are_a_caution_and_other_notes_one_line():
    notes = [
        "2 images of the same content have contradictory labels, in 1 group(s): `a (x)`, `b (y)`",
        "3 have no file",
    ]
    found = data_messages([*notes, *notes, "class `c` left out."])
    assert [(m.level, m.code) for m in found] == [("caution", "contradictory_labels"), ("info", "data_notes")]
    assert found[0].text == f"{notes[0]}; at least one label of each group is wrong: correct it"
    assert found[1].text == "3 have no file; class `c` left out"
    assert data_messages([]) == []
    assert data_messages([f"note {k}" for k in range(8)])[0].text.endswith("note 4; 3 more are listed under provenance")


def test_contradictory_labels_that_data_and_split_name_are_said_once():
    read, divided = "2 images have contradictory labels, of all", "2 images have contradictory labels, of those used"
    assert noted_once([read, "3 have no file"], [divided, "1 left out"]) == (
        ("3 have no file", divided),
        ("1 left out",),
    )
    assert noted_once([read], ["1 left out"]) == ((read,), ("1 left out",))


def test_a_label_that_a_part_lacks_is_a_caution_from_the_counts_and_other_notes_of_the_split_are_lines():
    axes = {"split_part": ["train", "validation", "test"], "label": ["chip", "stain", "hole"]}
    counts = xr.DataArray([[3, 4, 5], [0, 2, 0], [1, 0, 1]], axes)
    notes = ["class `chip` has no image in `validation`, 4 in all", "2 images left out of `train`."]
    found = split_messages(counts, notes, "the epoch is")
    assert [(m.level, m.code, m.text) for m in found] == [
        ("caution", "missing_in_validation", "No image in validation of chip, hole: the epoch is chosen without them"),
        ("caution", "missing_in_test", "No image in test of stain: nothing is known of them"),
        ("info", "split", "2 images left out of `train`"),
    ]


def test_an_audit_passes_on_what_was_noted_while_reading(tmp_path):
    levels = np.array([0.2, 0.3, 0.7, 0.7])
    images = (255 * levels[:, None, None] * np.ones((4, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.array([0, 0, 1, 0]), classes=np.array(["Dark", "Bright"]))
    data = load_data(tmp_path / "data.npz")
    assert len(data.notes) == 1
    audit(
        MeanClassifier(),
        data,
        {"brightness": (0.9, 1.1)},
        n_base=32,
        second_order=False,
        out=tmp_path / "run",
        progress=False,
    )
    result = AuditResult.from_disk(tmp_path / "run")
    texts = {m.code: m for m in result.messages}
    assert texts["contradictory_labels"].level == "caution"
    assert "`2 (Bright)`, `3 (Dark)`" in texts["contradictory_labels"].text
    assert "matched to `dark`" in texts["data_notes"].text
    assert len(result.provenance["notes"]) == 3
    order = [m.level for m in result.messages]
    assert order == sorted(order, key=["alarm", "caution", "info"].index)
    assert "contradictory" in (tmp_path / "run" / "report.html").read_text()
    plain = audit(
        MeanClassifier(),
        from_arrays(images[:3], ["dark", "dark", "bright"]),
        {"brightness": (0.9, 1.1)},
        n_base=32,
        progress=False,
    )
    assert not {"contradictory_labels", "data_notes"} & {m.code for m in plain.messages}
