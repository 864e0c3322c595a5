"""What a training is set up from: how it is measured, the network for the data, and the images of each part."""

from __future__ import annotations

from dataclasses import replace

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.models.model_record import NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.train_data import Divided, task_of
from shiftgauge.studies.train_measure import MeasureOptions, check_measuring
from shiftgauge.studies.train_options import NetworkChoice, ThresholdOptions
from shiftgauge.studies.train_verdict import refuse_thresholds
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.fit import check_options
from shiftgauge.train.images import Part, read_part
from shiftgauge.train.options import TrainOptions


def measuring_for(
    measuring: MeasureOptions,
    dataset: ImageDataset,
    options: TrainOptions,
    thresholds: ThresholdOptions | None,
    averaging: AveragingOptions | None,
) -> MeasureOptions:
    """How the network is measured, with what the training and its data decide.

    Args:
        measuring: As asked for.
        dataset: The images.
        options: Of the training, resolved.
        thresholds: How thresholds are chosen; None for the default.
        averaging: Views over which probabilities are averaged; None for none.

    Raises:
        ConfigError: Thresholds of one class an image.
    """
    if thresholds is not None:
        refuse_thresholds(task_of(dataset))
    return replace(
        measuring,
        thresholds=thresholds or ThresholdOptions(),
        averaging=averaging or AveragingOptions(),
        seed=options.seed,
        batch_size=options.validation_batch,
    )


def network_for(
    choice: NetworkChoice, dataset: ImageDataset, options: TrainOptions, measuring: MeasureOptions
) -> tuple[Preprocessing, NetworkOptions]:
    """Preprocessing and network for the data, once everything asked for is known to go with them.

    Args:
        choice: The network as asked for.
        dataset: The images.
        options: Of the training, resolved.
        measuring: How it is measured.

    Raises:
        ConfigError: Options that do not fit the images.
    """
    task, names = task_of(dataset), dataset.class_names
    preprocessing = choice.preprocessing_for(dataset.n_channels)
    check_measuring(measuring, task, names, preprocessing)
    architecture = choice.network_options(len(names), preprocessing.channels, options.seed)
    check_options(options, task, names, preprocessing.input_shape)
    return preprocessing, architecture


def read_parts(
    divided: Divided, preprocessing: Preprocessing, memory_gb: float, progress: bool | None
) -> dict[str, Part]:
    """The images of each part at the network's input size.

    Args:
        divided: The images and their parts.
        preprocessing: Of the network.
        memory_gb: A part that needs less is held in memory.
        progress: Show a bar for each part; None on a terminal alone.

    Raises:
        DataError: An image that cannot be read.
    """
    parts = {}
    for name in divided.split.parts:
        with progress_bar(f"{name} images", wanted=progress) as advance:
            parts[name] = read_part(divided.part(name), preprocessing, memory_gb=memory_gb, progress=advance)
    return parts
