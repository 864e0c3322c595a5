"""ResNet-18 for small images."""

import torch
from torch import nn

_WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions with batch normalisation, added to their input: relu(F(x) + shortcut(x)).

    Args:
        width: Channels of the input.
        wider: Channels of the output.
        stride: Stride of the first convolution; with a stride above 1 or another width the shortcut is a 1×1
            convolution with batch normalisation, else the identity.
    """

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, wider, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.shortcut = nn.Sequential()
        if stride != 1 or width != wider:
            self.shortcut = nn.Sequential(nn.Conv2d(width, wider, 1, stride=stride, bias=False), nn.BatchNorm2d(wider))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, width, H, W) → (N, wider, H / stride, W / stride)."""
        inner = torch.relu(self.bn1(self.conv1(features)))
        return torch.relu(self.bn2(self.conv2(inner)) + self.shortcut(features))


class SmallResNet(nn.Module):
    """ResNet-18 for images of 32×32: a 3×3 stem of stride 1 and no max pooling.

    Four stages of two basic blocks with 64, 128, 256 and 512 channels and strides 1, 2, 2, 2; the mean over the image;
    one linear layer. Nothing in it depends on the size of the image.

    Args:
        n_classes: Outputs, ≥ 1; default 10.
        channels: Channels of the images, ≥ 1; default 3.

    Example:
        >>> net = SmallResNet(n_classes=10).eval()
        >>> sum(p.numel() for p in net.parameters()), tuple(net(torch.zeros(1, 3, 32, 32)).shape)
        (11173962, (1, 10))

    References:
        He, K.; Zhang, X.; Ren, S.; Sun, J. (2016). Deep Residual Learning for Image Recognition. arXiv:1512.03385
    """

    def __init__(self, *, n_classes: int = 10, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, _WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU(inplace=True)
        )
        self.layer1 = _stage(_WIDTHS[0], _WIDTHS[0], 1)
        self.layer2 = _stage(_WIDTHS[0], _WIDTHS[1], 2)
        self.layer3 = _stage(_WIDTHS[1], _WIDTHS[2], 2)
        self.layer4 = _stage(_WIDTHS[2], _WIDTHS[3], 2)
        self.fc = nn.Linear(_WIDTHS[3], n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Normalised images (N, C, H, W) → logits (N, n_classes)."""
        features = self.layer2(self.layer1(self.stem(images_nchw)))
        return self.fc(self.layer4(self.layer3(features)).mean(dim=(2, 3)))


def _stage(width: int, wider: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(width, wider, stride), BasicBlock(wider, wider, 1))
