"""`shiftgauge schema`: the JSON schema of a configuration, for editors."""

from __future__ import annotations

import json

import typer


def schema_command() -> None:
    """Print the JSON schema of a configuration file.

    Save it and name it in the first line of a configuration, so that an editor completes and checks the file:
    # yaml-language-server: $schema=shiftgauge.schema.json
    """
    from shiftgauge.cli.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
