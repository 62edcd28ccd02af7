"""What transposed convolutions are, and the pattern that they may leave."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nowcast.explain.codes import checkerboard_energy
from nowcast.models.upsampling import make_rise

GRID = torch.tensor([[4, 5, 8, 7], [1, 8, 8, 8], [3, 6, 6, 4], [6, 5, 7, 8]]).double()
KERNEL = torch.tensor([[1, 4, 1], [1, 4, 3], [3, 3, 1]]).double()


def convolution_matrix(kernel: Tensor, side: int, stride: int = 1) -> Tensor:
    """C of y = C x for a square image laid out row by row, without padding."""
    width = kernel.shape[0]
    out = (side - width) // stride + 1
    matrix = torch.zeros(out * out, side * side, dtype=kernel.dtype)
    for row, column in itertools.product(range(out), repeat=2):
        for i, j in itertools.product(range(width), repeat=2):
            pixel = (row * stride + i) * side + column * stride + j
            matrix[row * out + column, pixel] = kernel[i, j]
    return matrix


def test_the_worked_convolution_is_its_matrix_times_the_grid() -> None:
    expected = torch.tensor([[122, 148], [126, 134]]).double()
    assert torch.equal(F.conv2d(GRID[None, None], KERNEL[None, None])[0, 0], expected)
    matrix = convolution_matrix(KERNEL, 4)
    assert matrix.shape == (4, 16)
    assert torch.equal((matrix @ GRID.flatten()).reshape(2, 2), expected)


@pytest.mark.parametrize(("side", "stride"), [(4, 1), (5, 2), (9, 2), (7, 4)])
def test_the_transposed_convolution_is_the_transposed_matrix(side: int, stride: int) -> None:
    matrix = convolution_matrix(KERNEL, side, stride)
    out = math.isqrt(matrix.shape[0])
    answer = torch.randn(1, 1, out, out, dtype=torch.double)
    restored = F.conv_transpose2d(answer, KERNEL[None, None], stride=stride)
    assert restored.shape == (1, 1, side, side)
    torch.testing.assert_close(restored.flatten(), matrix.T @ answer.flatten())


def test_the_transposed_matrix_restores_the_shape_but_not_the_grid() -> None:
    matrix = convolution_matrix(KERNEL, 4)
    restored = (matrix.T @ (matrix @ GRID.flatten())).reshape(4, 4)
    assert restored.shape == GRID.shape
    assert restored[0].tolist() == [122, 122 * 4 + 148, 122 + 148 * 4, 148]


def test_a_pattern_from_pixel_to_pixel_has_all_its_energy_at_the_nyquist_frequencies() -> None:
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    board, stripes = (-1.0) ** (x + y), (-1.0) ** y
    wave, flat = torch.cos(2 * math.pi * x / 8), torch.full((16, 16), 3.0)
    images = torch.stack([board, 5 + stripes, wave, flat])[:, None]
    energy = checkerboard_energy(images)
    torch.testing.assert_close(energy, torch.tensor([1.0, 1, 0, 0]), atol=1e-6, rtol=0)
    dice = torch.Generator().manual_seed(0)
    noise = checkerboard_energy(torch.randn(500, 2, 16, 15, generator=dice))
    assert float(noise.mean()) == pytest.approx((16 + 14 - 1) / (16 * 14 - 1), rel=0.03)


@pytest.mark.parametrize(("kernel", "energy"), [(2, 0.0), (3, 1.0), (4, 0.0), (5, 1.0)])
def test_odd_windows_overlap_unevenly_at_stride_two(kernel: int, energy: float) -> None:
    rise = make_rise("transposed", 1, 1, kernel=kernel, bias=False)
    nn.init.ones_(rise.weight)
    larger = rise(torch.ones(1, 1, 16, 16)).detach()[..., 4:-4, 4:-4]
    assert float(checkerboard_energy(larger)) == pytest.approx(energy, abs=1e-6)


def test_resize_convolutions_have_no_checkerboard_where_transposed_ones_do() -> None:
    torch.manual_seed(0)
    rough = torch.randn(16, 8, 24, 24)
    smooth = F.avg_pool2d(F.avg_pool2d(rough, 5, 1), 5, 1)
    energy = {}
    for up in ("transposed", "nearest", "bilinear", "bicubic"):
        larger = make_rise(up, 8, 4, kernel=3)(smooth).detach()[..., 4:-4, 4:-4]
        energy[up] = float(checkerboard_energy(larger).mean())
    assert energy["transposed"] > 0.2
    assert max(energy[up] for up in ("nearest", "bilinear", "bicubic")) < 0.01
