"""What a later part of a look inside would refuse, refused before the first one is begun."""

from __future__ import annotations

from shiftgauge.errors import ConfigError
from shiftgauge.explain.cam_layer import cam_layer, require_cam_layer
from shiftgauge.explain.captum_methods import captum_attributions
from shiftgauge.explain.objectives import Objectives
from shiftgauge.studies.explain_images import ChosenImages, require_about
from shiftgauge.studies.explain_options import ExplainOptions


def check_parts(chosen: ChosenImages, options: ExplainOptions) -> None:
    """Refuses what a later part would refuse, before the first one is begun.

    Raises:
        MissingExtraError: Captum is not installed.
        ConfigError: An unknown class or unit, a place outside a block's output, an image that is not there, more cells
            than pixels, or a logit of a network that gives probabilities.
        ModelError: An unknown block or layer, or a network without the layer that Grad-CAM needs.
    """
    network, image = chosen.network, chosen.one(0)
    require_about(options.about, network.class_names)
    if options.methods:
        captum_attributions()
        if options.curves is not None and options.curves.quantity == "logit" and network.output_kind != "logits":
            raise ConfigError(
                "the network gives probabilities, so that it has no `logit`; take `quantity: probability`"
            )
    if "grad_cam" in options.methods:
        if options.layer is None:
            cam_layer(network, image)
        else:
            require_cam_layer(network, options.layer, image)
    if options.maximize is not None:
        Objectives(network, [*chosen.classes, *options.units])
        require_start(chosen, options)
    if options.blocks is not None:
        network.block_shapes(options.blocks)
    if options.masks is not None and any(
        n > size for n, size in zip(options.masks.shape, image.shape[2:], strict=True)
    ):
        rows, columns = options.masks.shape
        raise ConfigError(
            f"masks of {rows}×{columns} cells are finer than images of {image.shape[2]}×{image.shape[3]} pixels"
        )


def require_start(chosen: ChosenImages, options: ExplainOptions) -> None:
    """Refuses an image to begin climbs at that is not there.

    Raises:
        ConfigError: No image of the data set has the name that was given.
    """
    if options.start_image is not None and options.start_image not in chosen.dataset.names:
        raise ConfigError(f"no image of the data is named `{options.start_image}`; give a name as the page shows it")
