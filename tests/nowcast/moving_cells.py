"""Rain of known motion, and an untrained network to forecast it."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nowcast.forecasters import Rollout
from nowcast.models import build_network
from nowcast.tasks import NowcastTask
from pipeline.batch import NO_ECHO

CELLS = [(60.0, 50.0, 9.0), (95.0, 88.0, 12.0), (52.0, 104.0, 7.0), (110.0, 45.0, 10.0)]
Field = Callable[[Tensor, Tensor], Tensor]


def rain(x: Tensor, y: Tensor) -> Tensor:
    """Reflectivity of a few cells at any place, below 12 dBZ no echo."""
    linear = torch.zeros_like(x)
    for column, row, radius in CELLS:
        linear += torch.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * radius**2))
    dbz = 45 + 20 * torch.log10(linear + 1e-6)
    return torch.where(dbz > 12, dbz, NO_ECHO)


def places(height: int = 150, width: int = 161) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return x.float(), y.float()


def moving(u: float, v: float, ages: range = range(-2, 1)) -> Tensor:
    """(1, T, H, W) frames of the cells, each `age` steps from when they stand at CELLS."""
    x, y = places()
    return torch.stack([rain(x - u * age, y - v * age) for age in ages])[None]


def waves(x: Tensor, y: Tensor) -> Tensor:
    """Rain everywhere, with enough texture for spin to be seen."""
    lengths = [(0.31, 0.12), (-0.17, 0.28), (0.05, -0.36), (0.22, 0.21), (-0.33, 0.04)]
    return 25 + 4 * sum(torch.sin(a * x + b * y + 9 * a) for a, b in lengths)


def turning(field: Field, angle: float, ages: range = range(-2, 1)) -> Tensor:
    """Frames of a field turning about (80, 75) by an angle (radians) a step, clockwise."""
    frames = []
    for age in ages:
        x, y = places()
        x, y = x - 80, y - 75
        cos, sin = math.cos(age * angle), math.sin(age * angle)
        frames.append(field(80 + cos * x + sin * y, 75 - sin * x + cos * y))
    return torch.stack(frames)[None]


def rotation(angle: float) -> Tensor:
    x, y = places()
    return angle * torch.stack((75 - y, x - 80))[None]


def uniform(u: float, v: float, height: int = 40, width: int = 50, batch: int = 1) -> Tensor:
    return torch.tensor([u, v]).view(1, 2, 1, 1).expand(batch, 2, height, width)


def storm(u: float, v: float, ages: range = range(-2, 1)) -> Tensor:
    """(1, T, 96, 128) frames of three cells that move u and v pixels a step."""
    y, x = torch.meshgrid(torch.arange(96), torch.arange(128), indexing="ij")
    frames = []
    for age in ages:
        linear = torch.zeros(96, 128)
        for column, row, radius in ((50, 40, 7.0), (75, 55, 9.0), (60, 64, 5.0)):
            square = (x - column - u * age) ** 2 + (y - row - v * age) ** 2
            linear += torch.exp(-square / (2 * radius**2))
        frames.append(45 + 20 * torch.log10(linear + 1e-6))
    dbz = torch.stack(frames)[None]
    return torch.where(dbz > 8, dbz, NO_ECHO)


def rolled_out(coordinates: str) -> Rollout:
    task = NowcastTask(coordinates=coordinates)
    torch.manual_seed(0)
    network = build_network("unet", task.inputs, task.outputs, {"widths": (4, 8), "norm": "group"})
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.05)
    return Rollout(network, task)
