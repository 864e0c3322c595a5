"""One epoch of a training as Lightning runs it: batches, changes, loss, rate, and what validation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from shiftgauge.errors import NumericalError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.random import stream_key
from shiftgauge.train.augment import Augmenter
from shiftgauge.train.batches import InOrder, Share, batches_of, images_each
from shiftgauge.train.devices import agree, pl
from shiftgauge.train.images import Part
from shiftgauge.train.inner_mode import DEFAULT_INNER_MODE, InnerMode, inner_mode
from shiftgauge.train.losses import LossOptions, make_loss
from shiftgauge.train.monitor import epochs_without_gain, validation_values
from shiftgauge.train.moving_average import moving_average
from shiftgauge.train.objectives import AfterStep, Changed, Objective, Step
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.schedules import WITHIN_EPOCHS, multiplier


class ClassifierModule(pl.LightningModule):
    """A network in training: what Lightning asks for, as a function of seed, epoch and step alone.

    Args:
        network: The network; takes normalised images, gives logits (N, K).
        train: Training images.
        validation: Validation images, seen once each after every epoch, at their own prevalence.
        options: Resolved options.
        preprocessing: Its mean and standard deviation are applied on the device.
        n_classes: K.
        heads: Module paths of the layers that give the classes.
        objective: What is minimised; None for the loss of the options.
        inner: Mode in which an objective looks for its images, see `train.inner_mode`.
        after_step: Acts on the network after every step of the optimiser, its decay included, and before the average
            of the weights moves; None for nothing.
        class_names: Names for messages; default the numbers of the classes.

    Raises:
        ConfigError: Options that do not fit the images.
        DataError: Balanced weights for a class without images.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        train: Part,
        validation: Part,
        options: TrainOptions,
        preprocessing: Preprocessing,
        *,
        n_classes: int,
        heads: tuple[str, ...] = (),
        objective: Objective | None = None,
        inner: InnerMode = DEFAULT_INNER_MODE,
        after_step: AfterStep | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        # convolutions run fastest with channels last, on CPUs as on GPUs
        self.network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.average = None if options.ema_decay is None else moving_average(network, options.ema_decay)
        self.train_part, self.validation_part, self.options = train, validation, options
        self.heads, self.after_step = heads, after_step
        self.inner_mode: InnerMode = inner
        self.objective: Objective = objective or Changed()
        self.criterion = make_loss(
            options.loss or LossOptions(),
            task=train.task,
            counts_k=train.counts(n_classes),
            n_images=len(train),
            class_names=class_names,
        )
        shape = (1, -1, 1, 1)
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(shape), persistent=False)
        self.augmenter = Augmenter(options.augment, preprocessing.input_shape, options.seed)
        self.history: list[dict[str, float]] = []
        self._carried: Any = None
        self._logits: list[Tensor] = []
        self._lost: list[Tensor] = []

    @property
    def kept(self) -> nn.Module:
        """What is validated and kept: the network, or the moving average of its weights."""
        return self.network if self.average is None else self.average.module

    def normalised(self, images_nchw: Tensor) -> Tensor:
        """Logits that the network in training gives to images in [0, 1]."""
        return self._logits_of(self.network, images_nchw)

    def inner(self, images_nchw: Tensor) -> Tensor:
        """The same in the mode of the inner maximisation."""
        with inner_mode(self.network, self.inner_mode):
            return self.normalised(images_nchw)

    def _logits_of(self, network: nn.Module, images_nchw: Tensor) -> Tensor:
        normal = (images_nchw - self.mean) / self.std
        found = network(normal.contiguous(memory_format=torch.channels_last))
        return getattr(found, "logits", found)

    def train_dataloader(self) -> DataLoader[Any]:
        """The batches of the epoch that is about to begin."""
        n_devices, rank = self.trainer.world_size, self.trainer.global_rank
        batches = batches_of(
            self.train_part, self.options, self.current_epoch, each=images_each(self.network), n_devices=n_devices
        )
        share = Share(self.train_part, batches, rank, n_devices, replays=self.objective.replays)
        return DataLoader(share, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Every validation image once."""
        return DataLoader(InOrder(self.validation_part, self.options.validation_batch), batch_size=None)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; its rates are set at the start of every epoch."""
        optimizer = self.options.optimizer.make(self.network, self.heads)
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
        return optimizer

    def on_train_epoch_start(self) -> None:
        """Sets the rate that schedule and history give the epoch, and which statistics stay as they are."""
        self._set_rate(0.0)
        if self.options.frozen_statistics:
            for part in self.network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()
        self._lost, self._carried = [], self.objective.init()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Sets the rate of the step, where the schedule changes it within epochs."""
        if self.options.schedule.kind in WITHIN_EPOCHS:
            self._set_rate((batch_idx + 0.5) / int(self.trainer.num_training_batches))

    def _set_rate(self, within: float) -> None:
        options = self.options
        watched = [values[str(options.monitor)] for values in self.history if options.monitor != "last"]
        factor = multiplier(options.schedule, self.current_epoch, options.epochs, watched, within=within)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base_lr"] * factor

    def training_step(self, batch: tuple[Tensor, Tensor, int, int], batch_idx: int) -> Tensor:
        """The loss of one batch."""
        images, targets, number, replay = batch
        again = (replay,) if replay else ()
        torch.manual_seed(stream_key(self.options.seed, "train", "network", self.current_epoch, number, *again))
        images = self.augmenter(images, self.current_epoch, number)
        step = Step(
            logits=self.normalised,
            inner=self.inner,
            criterion=self.criterion,
            task=self.train_part.task,
            epoch=self.current_epoch,
            number=number,
            replay=replay,
        )
        loss = self.objective.loss(self._carried, step, images, targets)
        self._lost.append(loss.detach())
        return loss

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Takes the step, decay included, then lets `after_step` act on the weights."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.after_step is not None:
            torch.manual_seed(stream_key(self.options.seed, "train", "after step", epoch, batch_idx))
            with torch.no_grad():
                self.after_step(self.network)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Moves the average, if there is one."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Forgets the logits of the last epoch."""
        self._logits = []

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Keeps the logits of one batch."""
        self._logits.append(self._logits_of(self.kept, batch[0]).float().cpu())

    def on_validation_epoch_end(self) -> None:
        """Adds the epoch to the history; on several devices all take what the first one found.

        Raises:
            NumericalError: The training loss or an output on validation images is NaN or infinite.
        """
        lost = float(self.trainer.strategy.reduce(torch.stack(self._lost).mean(), reduce_op="mean"))
        logits = torch.cat(self._logits)
        agree(self.trainer, self._diverged(lost, logits))
        rate = self.trainer.optimizers[0].param_groups[0]
        share = rate["lr"] / rate["base_lr"]
        values = {
            **validation_values(logits.numpy(), self.validation_part.targets.numpy()),
            "train_loss": lost,
            "learning_rate": self.options.optimizer.learning_rate * share,
        }
        self.history.append(self.trainer.strategy.broadcast(values))
        patience = self.options.patience
        if patience is not None and epochs_without_gain(self.history, str(self.options.monitor)) >= patience:
            self.trainer.should_stop = True

    def _diverged(self, lost: float, logits_nk: Tensor) -> NumericalError | None:
        epoch, advice = self.current_epoch + 1, "the training diverged; lower `learning_rate`, or set `clip`"
        if not isfinite(lost):
            return NumericalError(f"the training loss is {lost} in epoch {epoch}: {advice}")
        bad = int((~logits_nk.isfinite()).any(dim=1).sum())
        if bad:
            return NumericalError(
                f"after epoch {epoch} the network gives NaN or infinity for {bad} of {len(logits_nk)} validation "
                f"images: {advice}"
            )
        return None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the history."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes the history back."""
        self.history = [dict(values) for values in checkpoint["history"]]
