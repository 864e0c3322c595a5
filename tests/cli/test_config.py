from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from shiftgauge.cli.config import MODEL_KINDS, Config, ModelSection, json_schema
from shiftgauge.cli.data_section import DATA_KINDS, DataSection


def _sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _sections(field.annotation)


def test_every_key_says_what_it_means() -> None:
    bare = [
        f"{section.__name__}.{name}"
        for section in _sections(Config)
        for name, field in section.model_fields.items()
        if not field.description
    ]
    assert bare == []


def test_unknown_keys_are_errors_in_every_section() -> None:
    assert all(section.model_config["extra"] == "forbid" for section in _sections(Config))


def test_the_kinds_are_keys_of_their_sections() -> None:
    assert set(MODEL_KINDS) <= set(ModelSection.model_fields)
    assert set(DATA_KINDS) <= set(DataSection.model_fields)


def test_the_schema_is_plain_json_and_forbids_unknown_keys() -> None:
    schema = json.loads(json.dumps(json_schema()))
    kinds = [schema["$defs"][entry["$ref"].rpartition("/")[2]] for entry in schema["anyOf"]]
    needed = [["model", "data", "shifts"], *3 * [["model", "data"]], ["data"]]  # attacks name one `model`, or `models`
    assert [kind["required"] for kind in kinds] == needed
    objects: list[dict[str, Any]] = list(schema["$defs"].values())
    assert all(entry.get("additionalProperties") is False for entry in objects if "properties" in entry)


def test_the_schema_accepts_and_refuses_what_the_program_does() -> None:
    import jsonschema

    good = {"model": {"demo": True}, "data": {"demo": True}, "shifts": {"preset": "weld"}, "estimate": {"n_base": 64}}
    jsonschema.Draft202012Validator(json_schema()).validate(good)
    bad = {**good, "estimate": {"n_bse": 64}}
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(bad))
