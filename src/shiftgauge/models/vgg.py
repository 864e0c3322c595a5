"""VGG-16 with batch normalisation for small images."""

import torch
from torch import nn

_HIDDEN = 4096


class SmallVgg(nn.Module):
    """VGG-16 for images of 32×32: thirteen convolutions in five blocks, three linear layers.

    Every convolution (3×3, padding 1, with bias) is followed by batch normalisation and ReLU, every block by 2×2 max
    pooling, so that a 32×32 image becomes a vector of 512. Larger images are averaged to one value per channel before
    the linear layers, which changes nothing at 32×32. Dropout stands after the ReLU of both hidden linear layers.

    Args:
        n_classes: Outputs, ≥ 1; default 10.
        channels: Channels of the images, ≥ 1; default 3.
        hidden_dropout: Chance that a hidden unit is dropped while training, in [0, 1]; default 0.5.

    Example:
        >>> net = SmallVgg(n_classes=10).eval()
        >>> sum(p.numel() for p in net.parameters()), tuple(net(torch.zeros(1, 3, 32, 32)).shape)
        (33646666, (1, 10))

    References:
        Simonyan, K.; Zisserman, A. (2015). Very Deep Convolutional Networks for Large-Scale Image Recognition.
        arXiv:1409.1556
        Ioffe, S.; Szegedy, C. (2015). Batch Normalization: Accelerating Deep Network Training by Reducing Internal
        Covariate Shift. arXiv:1502.03167
    """

    def __init__(self, *, n_classes: int = 10, channels: int = 3, hidden_dropout: float = 0.5) -> None:
        super().__init__()
        self.block1 = _block(channels, 64, 2)
        self.block2 = _block(64, 128, 2)
        self.block3 = _block(128, 256, 3)
        self.block4 = _block(256, 512, 3)
        self.block5 = _block(512, 512, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(512, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(hidden_dropout),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(hidden_dropout),
            nn.Linear(_HIDDEN, n_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Normalised images (N, C, H, W), H and W ≥ 32 → logits (N, n_classes)."""
        features = self.block3(self.block2(self.block1(images_nchw)))
        return self.classifier(self.pool(self.block5(self.block4(features))).flatten(1))


def _block(width: int, wider: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(width, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU(inplace=True)]
        width = wider
    return nn.Sequential(*layers, nn.MaxPool2d(2))
