from __future__ import annotations

import json

import pytest


def test_the_schema_is_printed_as_json(cli) -> None:
    found = cli("schema")
    assert found.code == 0
    assert json.loads(found.out)["title"] == "shiftgauge configuration"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("audit", "n_base"),
        ("train", "epochs"),
        ("table", "label_column"),
        ("explain", "counted_per_class"),
        ("attack", "snr_of"),
    ],
)
def test_the_keys_are_printed_as_tables(cli, kind: str, key: str) -> None:
    found = cli("schema", "--keys", kind)
    assert found.code == 0
    (row,) = [line for line in found.out.splitlines() if line.startswith(f"| `{key}` |")]
    assert len(row.split(" | ")) == 4


def test_an_unknown_kind_of_configuration_is_an_error(cli) -> None:
    found = cli("schema", "--keys", "trian")
    assert found.code == 2
    assert "--keys" in found.err
    assert "train" in found.err
