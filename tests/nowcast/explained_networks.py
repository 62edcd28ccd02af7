"""Networks whose inside is known, and small ones of the table."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models import build_network

DENSE = {"widths": (8,) * 5, "hidden": (16,)}
SMALL = {
    "unet": {"widths": (4, 8)},
    "convlstm": {"widths": (4, 8)},
    "convnet": {"widths": (4, 8)},
    "vgg": {**DENSE, "depth": 11},
    "alexnet": DENSE,
    "googlenet": {"width": 0.125},
    "resnet": {"width": 8},
    "resnet-cifar": {"depth": 8},
    "resnet-wide": {"depth": 10, "width": 1},
    "efficientnet-b0": {"width": 0.25},
    "window": {"side": 23, "width": 8, "padding": False},
    "vit": {"size": 28, "patch": 4, "width": 24, "depth": 2, "heads": 3, "hidden": 32},
}
SIDES = {
    "window": 23,
    "alexnet": 64,
    "vgg": 32,
    "googlenet": 64,
    "efficientnet-b0": 64,
    "resnet": 64,
}
FORECASTERS = ("unet", "convlstm")


def small_network(name: str) -> tuple[nn.Module, Tensor]:
    """A network of the table with random weights, none 0, its norms set by the frames for it."""
    torch.manual_seed(0)
    radar = name in FORECASTERS
    inputs, outputs = (6, 2) if radar else (1, 4)
    frames = torch.rand(2, inputs, *(2 * [SIDES.get(name, 28)]))
    network = build_network(name, inputs, outputs, SMALL.get(name))
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1 and not weight.any():
                weight.normal_(0, 0.1)
        network.train()(frames)
    return network.eval(), frames


class Quadrant(nn.Module):
    """Class 1 if the upper right quadrant of (B, 1, 16, 16) is bright, else class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        nn.init.dirac_(self.seen.weight[:1])
        nn.init.zeros_(self.seen.weight[1:])
        self.act = nn.ReLU(inplace=True)

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.act(self.seen(frames))
        bright = maps[:, 0, :8, 8:].mean((-2, -1))
        return torch.stack([1 - bright, bright], 1)


class Stack(nn.Module):
    """Convolutions of 3 × 3 equal weights, one after the other."""

    def __init__(self, count: int) -> None:
        super().__init__()
        convs = [nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(count)]
        for conv in convs:
            nn.init.constant_(conv.weight, 1 / 9)
        self.convs = nn.Sequential(*convs)

    def forward(self, frames: Tensor) -> Tensor:
        answer: Tensor = self.convs(frames)
        return answer


def stripes(count: int = 40, side: int = 16) -> tuple[Tensor, Tensor]:
    """Noisy images (count, 1, side, side), 0 to 1, of level (0) and upright (1) stripes."""
    dice = torch.Generator().manual_seed(1)
    wave = 0.5 + 0.4 * torch.sin(torch.arange(side) * 2 * torch.pi / 8)
    labels = torch.arange(count) % 2
    level, upright = wave[:, None].expand(side, side), wave.expand(side, side)
    images = torch.stack([upright if label else level for label in labels])
    noise = 0.05 * torch.randn(images.shape, generator=dice)
    return (images + noise).clamp(0, 1)[:, None], labels


def trained_on_stripes() -> nn.Module:
    """A small classifier that tells the stripes apart."""
    torch.manual_seed(0)
    network = build_network("convnet", 1, 2, {"widths": (8, 8)})
    images, labels = stripes()
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(30):
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimiser.step()
    return network.eval()
