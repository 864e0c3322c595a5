"""The blocks of a network for people to choose from: shapes, receptive fields, and which are found by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.blocks import Block, find_blocks, list_blocks, weighted_parts
from shiftgauge.models.receptive_field import ReceptiveField, receptive_fields


@dataclass(frozen=True, kw_only=True)
class ListedBlock:
    """A block and what is to know about it.

    Args:
        block: Name, kind and shape.
        field: Its receptive field; None where it gives no map that depends on the image.
        found: Whether it is among the blocks that are taken where none are named.
    """

    block: Block
    field: ReceptiveField | None
    found: bool


def listed_blocks(module: nn.Module, images_nchw: torch.Tensor) -> tuple[ListedBlock, ...]:
    """Lists the blocks that are found by themselves and the parts with weights, in the order of the network.

    Parts that do not give one tensor per batch are left out.

    Args:
        module: The network; its mode and flags are as before afterwards.
        images_nchw: At least one normalised image (N, C, H, W).

    Raises:
        ModelError: The network has no parts to name.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
        >>> [(b.block.name, str(b.field), b.found) for b in listed_blocks(net, torch.rand(1, 1, 4, 4))]
        [('0', '3×3', True), ('3', 'whole image', True)]
    """
    found = find_blocks(module, images_nchw)
    wanted = {*found, *weighted_parts(module)}
    names = [name for name, _ in module.named_modules() if name in wanted]
    if not names:
        raise ModelError(f"a {type(module).__name__} has no named parts with weights, so it has no blocks to list")
    blocks = _listable(module, images_nchw, names)
    fields = receptive_fields(module, images_nchw, [block.name for block in blocks])
    return tuple(ListedBlock(block=b, field=fields[b.name], found=b.name in found) for b in blocks)


def _listable(module: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]) -> list[Block]:
    try:
        return list(list_blocks(module, images_nchw, names))
    except ModelError:
        blocks: list[Block] = []
        for name in names:
            try:
                blocks += list_blocks(module, images_nchw, [name])
            except ModelError:
                continue
        return blocks
