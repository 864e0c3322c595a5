"""`shiftgauge study`: published studies done again, each claim beside what is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shiftgauge.cli.exits import Debug, Quiet, exit_codes
from shiftgauge.cli.study_options import Device, Epochs, Open, Out, Quick, TrainingFolder, Weights, where
from shiftgauge.cli.tell import tell

study_app = typer.Typer(
    help="Do a published study again and check its claims.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@study_app.callback()
def _root() -> None:
    pass


@study_app.command("diabetes")
def diabetes_command(
    data: Annotated[Path, typer.Option(help="The Pima Indians diabetes table, a CSV file.", show_default=False)],
    weights: Annotated[
        Path | None, typer.Option(help="The published model1.pth; left out, a network is trained.", show_default=False)
    ] = None,
    out: Out = Path("diabetes-study"),
    n_base: Annotated[int, typer.Option(help="Base samples N; 28 N evaluations, and layers, ranges, seeds.")] = 65536,
    seeds: Annotated[int, typer.Option(help="Networks trained for each set of features.")] = 20,
    epochs: Annotated[int | None, typer.Option(help="Steps of each training, for a quick look.")] = None,
    seed: Annotated[int, typer.Option(help="Of designs and bootstrap.")] = 0,
    open_page: Open = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Sensitivity of a small network on the diabetes table: figures 1 to 4, retraining, components, claims checked.

    It takes about a minute on two cores. The table (768 rows, Smith et al. 1988) is public as "Pima Indians Diabetes".
    """
    with exit_codes(debug=debug):
        from shiftgauge.errors import InterruptedRunError
        from shiftgauge.report.diabetes_terminal import study_summary
        from shiftgauge.studies.diabetes import diabetes

        try:
            result = diabetes(
                data,
                weights,
                out=out,
                n_base=n_base,
                seeds=seeds,
                epochs=epochs,
                seed=seed,
                progress=False if quiet else None,
            )
        except KeyboardInterrupt as error:
            text = "interrupted; the study keeps nothing on the way, and the same command starts it again"
            raise InterruptedRunError(text) from error
        tell(result, out, study_summary, quiet=quiet, open_page=open_page)


@study_app.command("weld")
def weld_command(
    data: Annotated[
        Path,
        typer.Option(help="The folder al5083, a folder of class folders, a manifest or an NPZ.", show_default=False),
    ],
    weights: Annotated[
        str, typer.Option(help="none: random; packaged: EfficientNet-Lite0 of the extra demo; or a ResNet-18 file.")
    ] = "none",
    out: Out = Path("weld-study"),
    size: Annotated[int | None, typer.Option(help="Input size; default 224, with packaged 128.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Default 13, with packaged 8.")] = None,
    n_base: Annotated[int, typer.Option(help="Base samples N of each audit: 8 N and 10 N evaluations.")] = 512,
    points: Annotated[int, typer.Option(help="Points of surrogates and ways of shifting; as published.")] = 10000,
    watch: Annotated[bool, typer.Option(help="Measure what watching the test images is worth.")] = True,
    quick: Quick = False,
    seed: Annotated[int, typer.Option(help="Of split, training and designs.")] = 0,
    open_page: Open = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fine-tuning and sensitivity of an image classifier under rotation, brightness and tilt, for one image and all.

    The images of the publication are public as "TIG Aluminium 5083"; any other folder of class folders serves as well.
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.weld_terminal import study_summary
        from shiftgauge.studies.weld import weld

        result = weld(
            data,
            out=out,
            weights=weights,
            size=size,
            epochs=epochs,
            n_base=n_base,
            points=points,
            watch=watch,
            quick=quick,
            seed=seed,
            progress=False if quiet else None,
        )
        tell(result, out, study_summary, quiet=quiet, open_page=open_page)


@study_app.command("glass")
def glass_command(
    data: Annotated[
        Path,
        typer.Option(
            help="A folder with img and txt (or train, test, if wanted val with both) or manifest.csv; or an NPZ file.",
            show_default=False,
        ),
    ],
    task: Annotated[int, typer.Option(help="2: several labels on one image.")] = 2,
    recipe: Annotated[
        str, typer.Option(help="published: EfficientNet-B3 at 336; small: EfficientNet-Lite0 of the extra demo at 96.")
    ] = "published",
    weights: Weights = "imagenet",
    out: Out = Path("glass-study"),
    epochs: Annotated[int | None, typer.Option(help="Default 30, with small 8.")] = None,
    watch: Annotated[bool, typer.Option(help="Measure what choosing on test would have claimed.")] = True,
    quick: Quick = False,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Of split, training and bootstrap.")] = 0,
    open_page: Open = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Several labels on one image: the recipe without its leaks, what each part of it is worth, and what leaks claim.

    Three trainings; after an interruption the same command goes on. The images of the publication cannot be had; any
    images with several labels serve as well, and every page says which it used.
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.glass_terminal import study_summary
        from shiftgauge.studies.glass import glass

        asked: dict[str, Any] = {"task": task, "recipe": recipe, "weights": weights, "epochs": epochs, "seed": seed}
        result = glass(data, out=out, watched=watch, quick=quick, **asked, **where(device, quiet=quiet))
        tell(result, out, study_summary, quiet=quiet, open_page=open_page)


@study_app.command("cifar")
def cifar_command(
    data: Annotated[
        Path,
        typer.Option(
            help="A folder with a train and a test NPZ file, or with train and test of class folders; or an NPZ file.",
            show_default=False,
        ),
    ],
    out: Out = Path("cifar-study"),
    quick: Quick = False,
    full: Annotated[bool, typer.Option("--full", help="The published training: 15 epochs of each network.")] = False,
    vgg16: TrainingFolder = None,
    resnet18: TrainingFolder = None,
    epochs: Epochs = None,
    images: Annotated[int | None, typer.Option(help="Test images whose maps are taken; default 100.")] = None,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Of split, weights and training.")] = 0,
    open_page: Open = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """What the blocks of VGG-16 and ResNet-18 answer to a push of a pixel, and what raises a class: figures 5 to 14.

    Two trainings, then maps of test images; after an interruption the same command goes on.
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.cifar_terminal import study_summary
        from shiftgauge.studies.cifar import cifar
        from shiftgauge.studies.cifar_look import Looks

        given = {name: path for name, path in (("vgg16", vgg16), ("resnet18", resnet18)) if path is not None}
        asked: dict[str, Any] = {"quick": quick, "full": full, "trained": given, "epochs": epochs, "seed": seed}
        looks = Looks.usual(quick=quick, images=images)
        result = cifar(data, out=out, looks=looks, **asked, **where(device, quiet=quiet))
        tell(result, out, study_summary, quiet=quiet, open_page=open_page)


@study_app.command("lung")
def lung_command(
    data: Annotated[
        Path, typer.Option(help="NPZ with images, labels and group (the recording), or its folder.", show_default=False)
    ],
    recipe: Annotated[
        str, typer.Option(help="published: VGG-16 at 224; small: EfficientNet-Lite0 of the extra demo at 160.")
    ] = "published",
    weights: Weights = "imagenet",
    out: Out = Path("lung-study"),
    epochs: Annotated[int | None, typer.Option(help="Default 5, with small 8.")] = None,
    folds: Annotated[int | None, typer.Option(help="Folds by recording; default 5, quick 2.")] = None,
    border: Annotated[str, typer.Option(help="Trainings without the border: paint, cut, both or none.")] = "paint",
    at_random: Annotated[bool, typer.Option(help="Measure what dividing frames, not recordings, would claim.")] = True,
    frames: Annotated[int | None, typer.Option(help="Of each fold and class to look into; default 4, quick 2.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of activation maximisation; default 500, small 40.")] = None,
    quick: Quick = False,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Of folds, training and draws.")] = 0,
    open_page: Open = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """COVID-19, pneumonia or healthy: accuracy by recording, activation maximisation beside Grad-CAM, the border.

    After an interruption the same command goes on. The frames of the publication are public as "covid19_ultrasound".
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.lung_terminal import study_summary
        from shiftgauge.studies.lung import lung

        asked: dict[str, Any] = {"recipe": recipe, "weights": weights, "epochs": epochs, "folds": folds, "seed": seed}
        asked |= {"border": border, "at_random": at_random, "frames": frames, "steps": steps, "quick": quick}
        result = lung(data, out=out, **asked, **where(device, quiet=quiet))
        tell(result, out, study_summary, quiet=quiet, open_page=open_page)


@study_app.command("eye")
def eye_command(
    data: Annotated[
        Path,
        typer.Option(
            help="The published data.pz, an NPZ with images, labels and if wanted group (the person), or a folder.",
            show_default=False,
        ),
    ],
    recipe: Annotated[
        str, typer.Option(help="published: 50 epochs, ten folds, 2 x 20 cells; small: an hour of one processor core.")
    ] = "published",
    out: Out = Path("eye-study"),
    epochs: Annotated[int | None, typer.Option(help="Default 50, with small 6.")] = None,
    folds: Annotated[int | None, typer.Option(help="Folds by person; default 10, small 5, quick 2.")] = None,
    quick: Quick = False,
    device: Device = "auto",
    seed: Annotated[int, typer.Option(help="Of folds, training and draws.")] = 0,
    open_page: Open = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Adversarial examples on crops of eyes: copies with their controls, adversarial training, Parseval networks.

    Every network is attacked on itself and in the published way; after an interruption the same command goes on.
    """
    with exit_codes(debug=debug):
        from shiftgauge.report.eye_terminal import study_summary
        from shiftgauge.studies.eye import eye

        asked: dict[str, Any] = {"recipe": recipe, "epochs": epochs, "folds": folds, "quick": quick, "seed": seed}
        result = eye(data, out=out, **asked, **where(device, quiet=quiet))
        tell(result, out, study_summary, quiet=quiet, open_page=open_page)
