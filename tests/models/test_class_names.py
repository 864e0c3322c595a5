import json

import pytest

from shiftgauge.errors import ModelError
from shiftgauge.models.class_names import imagenet_class_names, read_class_names, resolve_class_names


def test_text_and_json_forms_give_the_same_names(tmp_path):
    names = ("good", "bad part", "höhe")
    (tmp_path / "a.txt").write_text("good\nbad part\n\nhöhe\n", encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(names))
    (tmp_path / "c.json").write_text(json.dumps({"1": "bad part", "0": "good", "2": "höhe"}))
    (tmp_path / "d.json").write_text(json.dumps({"höhe": 2, "good": 0, "bad part": 1}))
    for file in ("a.txt", "b.json", "c.json", "d.json"):
        assert read_class_names(tmp_path / file) == names
        assert resolve_class_names(tmp_path / file, 3) == (names, f"file {file}")


@pytest.mark.parametrize("content", ["3", '{"a": 0, "b": 2}', '{"0": "a", "2": "b"}', "{"])
def test_json_of_another_form_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ModelError, match=r"x\.json"):
        read_class_names(tmp_path / "x.json")


def test_missing_and_binary_files_are_named(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00\x81")
    for file in ("b.txt", "no.txt"):
        with pytest.raises(ModelError, match=file):
            read_class_names(tmp_path / file)


def test_number_of_names_must_be_the_number_of_outputs():
    with pytest.raises(ModelError, match="3 outputs but `classes` has 2 names"):
        resolve_class_names(["a", "b"], 3)


def test_names_must_differ():
    with pytest.raises(ModelError, match="`a` more than once"):
        resolve_class_names(["a", "b", "a"], 3)


def test_imagenet_names_are_a_thousand_different_ones_in_the_usual_order():
    names = imagenet_class_names()
    assert len(set(names)) == 1000
    assert (names[0], names[281], names[282], names[967]) == ("tench", "tabby", "tiger cat", "espresso")
    assert names[134].startswith("crane (")
    assert resolve_class_names("imagenet-1k", 1000) == (names, "imagenet-1k")
