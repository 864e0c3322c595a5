from __future__ import annotations

import json


def test_the_schema_is_printed_as_json(cli) -> None:
    found = cli("schema")
    assert found.code == 0
    assert json.loads(found.out)["title"] == "shiftgauge configuration"
