"""`shiftgauge explain`: a look inside a network from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftgauge.cli.exits import INTERRUPTED, Debug, Quiet, exit_codes
from shiftgauge.cli.tell import tell

if TYPE_CHECKING:
    from shiftgauge.cli.reader import LoadedExplain
    from shiftgauge.results.explain import ExplainResult


def explain_command(
    config: Annotated[
        Path, typer.Argument(help="A configuration; see `shiftgauge init --explain`.", show_default=False)
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
    """Look inside a network: maps of its blocks, attributions, images of classes, pushes towards other classes.

    A run that was stopped, however, goes on with the same command. After changed options only what they change is done
    again.
    """
    with exit_codes(debug=debug) as ending:
        from shiftgauge.cli.reader import load_explain_config

        loaded = load_explain_config(config, overrides or ())
        folder = loaded.run_folder(out, loaded.config.out)
        ending.code = INTERRUPTED  # until there is a result
        result = run_explain(loaded, folder, trust=trust, progress=False if quiet else None)
        ending.code = 0
        from shiftgauge.report.explain_terminal import explain_summary

        tell(result, folder, explain_summary, quiet=quiet, open_page=open_page)


def run_explain(loaded: LoadedExplain, folder: Path, *, trust: bool, progress: bool | None) -> ExplainResult:
    """Looks inside as a checked configuration says.

    Args:
        loaded: The configuration.
        folder: The run folder.
        trust: Open model files that can run code.
        progress: Show progress bars; None only on a terminal.

    Raises:
        ShiftgaugeError: Bad input.
        InterruptedRunError: The run was stopped and can go on.
    """
    from shiftgauge.cli.audit import data_name
    from shiftgauge.cli.build import load_section_data, relabelled
    from shiftgauge.cli.explain_build import explain_options
    from shiftgauge.cli.model_build import load_section_model
    from shiftgauge.studies.explain import explain

    config = loaded.config
    options = explain_options(loaded)
    data = load_section_data(loaded, config.data, config.explain.seed)
    device = config.explain.device
    model = load_section_model(loaded, config.model, device=device, trust=trust)
    others = {
        name: load_section_model(loaded, section, device=device, trust=trust, at=("compare", name))
        for name, section in config.compare.items()
    }
    return explain(
        model,
        relabelled(loaded, config.data, data, model),
        out=folder,
        options=options,
        compare=others,
        progress=progress,
        title=config.title,
        data_name=data_name(config.data),
        record=config.model_dump(mode="json"),
    )
