"""`shiftgauge schema`: the JSON schema of a configuration, for editors, and its keys as tables, for readers."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from shiftgauge.cli.exits import exit_codes


def schema_command(
    keys: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Print the keys of a configuration as tables: audit, train, explain, attack or table."
        ),
    ] = None,
) -> None:
    """Print the JSON schema of a configuration file, or its keys as tables.

    Save the schema and name it in the first line of a configuration, so that an editor completes and checks the file:
    # yaml-language-server: $schema=shiftgauge.schema.json
    """
    with exit_codes(debug=False):
        if keys is None:
            from shiftgauge.cli.config import json_schema

            typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
            return
        from shiftgauge.checks import require_in
        from shiftgauge.cli.keys import KINDS, tables

        typer.echo(tables(KINDS[require_in("--keys", keys, tuple(KINDS))]))
