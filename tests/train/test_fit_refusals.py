import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, DataError, ModelError, NumericalError
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.fit import check_options
from shiftgauge.train.images import HeldPixels, Part
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions
from shiftgauge.train.sampling import SamplingOptions
from train.toy import network, options, run, stripes


def test_a_batch_of_one_image_trains_unless_batches_are_normalised(tmp_path):
    chosen = options(epochs=1, sampling=SamplingOptions(batch_size=1))
    start = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    before = start[1].weight.detach().clone()
    net, _ = run(tmp_path / "a", start, chosen, train=stripes(9))
    assert not torch.equal(net[1].weight, before)
    with pytest.raises(ConfigError, match=r"batch normalisation needs two images.*`batch_size` of 2 or more"):
        run(tmp_path / "b", chosen=chosen)


def test_one_image_left_over_joins_the_batch_before(tmp_path):
    seen = []

    def count(logits, images, targets, epoch, step):
        seen.append(len(images))
        return images

    run(tmp_path, chosen=options(epochs=1), train=stripes(33), perturb=count)
    assert seen == [16, 17]


def test_a_class_without_a_training_image_is_named(tmp_path):
    part = stripes(60)
    rows = torch.nonzero(part.targets != 2).flatten().tolist()
    lacking = Part(
        pixels=HeldPixels(part.pixels.bytes_nchw[rows]), targets=part.targets[rows], names=tuple(map(str, rows))
    )
    names = ("pore", "crack", "slag")
    with pytest.warns(UserWarning, match="no training image is of `slag`"):
        run(tmp_path / "a", chosen=options(epochs=1), train=lacking, class_names=names)
    balanced = options(epochs=1, loss=LossOptions(class_weights="balanced"))
    with pytest.raises(DataError, match="class `slag` has 0 training images"):
        run(tmp_path / "b", chosen=balanced, train=lacking, class_names=names)


def test_outputs_that_are_no_numbers_on_validation_images_are_said(tmp_path):
    class Overflowing(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            return self.inner(x) * (1 if self.training else torch.nan)

    with pytest.raises(NumericalError, match="after epoch 1 the network gives NaN or infinity for 40 of 40"):
        run(tmp_path, Overflowing())


def test_momentum_that_looks_ahead_needs_momentum():
    with pytest.raises(ConfigError, match="`nesterov` needs a `momentum` above 0"):
        OptimizerOptions(kind="sgd", momentum=0, nesterov=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": LossOptions(class_weights=(1, 2))}, "2 numbers for 3 classes"),
        ({"loss": LossOptions(kind="binary_cross_entropy")}, "does not fit one class an image"),
        ({"augment": AugmentOptions(flips=("quarter_turns",))}, "needs square images"),
    ],
)
def test_options_are_refused_before_there_are_images(changed, message):
    check_options(options(), "single", ("a", "b", "c"), (1, 12, 16))
    with pytest.raises(ConfigError, match=message):
        check_options(options(**changed), "single", ("a", "b", "c"), (1, 12, 16))


def test_divergence_is_said(tmp_path):
    chosen = options(optimizer=OptimizerOptions(kind="sgd", learning_rate=1e30), clip=None)
    with pytest.raises(NumericalError, match="the training diverged"):
        run(tmp_path, chosen=chosen)


def test_a_network_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(ModelError, match="cannot be trained on these images"):
        run(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(7, 3)))


def test_parts_of_another_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match="single targets"):
        run(tmp_path, validation=stripes(10, multi=True))


def test_half_precision_of_16_bits_needs_cuda(tmp_path):
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        run(tmp_path, chosen=options(precision="float16"))
