"""`shiftgauge attack`: attacks on classifiers from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftgauge.cli.exits import GATE_MISSED, INTERRUPTED, Debug, Quiet, exit_codes
from shiftgauge.cli.tell import tell

if TYPE_CHECKING:
    from shiftgauge.cli.reader import LoadedAttack
    from shiftgauge.results.attack import AttackResult


def attack_command(
    config: Annotated[
        Path, typer.Argument(help="A configuration; see `shiftgauge init --attack`.", show_default=False)
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.SUB=VALUE", help="Override a value of the file; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, instead of the file's `out`.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Open model files that can run code when opened.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Attack classifiers, and measure noise and natural shifts of the same loudness beside it.

    A run that was stopped, however, goes on with the same command; a model, an attack or a shift that joins leaves what
    is finished as it is.
    """
    with exit_codes(debug=debug) as ending:
        from shiftgauge.cli.reader import load_attack_config

        loaded = load_attack_config(config, overrides or ())
        folder = loaded.run_folder(out, loaded.config.out)
        ending.code = INTERRUPTED  # until there is a result
        result = run_attack(loaded, folder, trust=trust, progress=False if quiet else None)
        ending.code = 0 if result.passed else GATE_MISSED
        from shiftgauge.report.attack_terminal import attack_summary

        tell(result, folder, attack_summary, quiet=quiet, open_page=open_page)


def run_attack(loaded: LoadedAttack, folder: Path, *, trust: bool, progress: bool | None) -> AttackResult:
    """Attacks as a checked configuration says.

    Args:
        loaded: The configuration.
        folder: The run folder.
        trust: Open model files that can run code.
        progress: Show progress bars; None only on a terminal.

    Raises:
        ShiftgaugeError: Bad input.
        InterruptedRunError: The run was stopped and can go on.
    """
    from shiftgauge.cli.attack_build import attack_gates, attack_models, attack_options, plain_record
    from shiftgauge.cli.audit import data_name
    from shiftgauge.cli.build import load_section_data, relabelled
    from shiftgauge.studies.attack import attack

    config = loaded.config
    options = attack_options(loaded)
    gates = attack_gates(loaded, options)
    data = load_section_data(loaded, config.data, config.attack.seed)
    models = attack_models(loaded, trust=trust)
    return attack(
        models,
        relabelled(loaded, config.data, data, next(iter(models.values()))),
        out=folder,
        options=options,
        gates=gates,
        audit=None if config.audit is None else loaded.resolve(config.audit),
        progress=progress,
        title=config.title,
        data_name=data_name(config.data),
        record=plain_record(config),
    )
