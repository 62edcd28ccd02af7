"""ConvLSTM: an encoder reads the past frame by frame, a forecaster unrolls the future."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from nowcast.models.blocks import Norm, make_norm, output_conv, pad_to_multiple, relu_conv

State = tuple[Tensor, Tensor]
LEAK = 0.2


class ConvLSTMCell(nn.Module):
    """An LSTM cell whose gates are convolutions; a state is (hidden, memory), (B, width, H, W).

    Args:
        inputs: Channels of the input, 0 where the state alone drives the cell.
        width: Channels of the state.
        norm: Normalisation of the gates.
        kernel: Side of the convolution, odd.

    Source: Shi et al., 2015, Advances in Neural Information Processing Systems 28, 802-810.
    """

    def __init__(self, inputs: int, width: int, norm: Norm = "none", kernel: int = 3) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Conv2d(inputs + width, 4 * width, kernel, padding=kernel // 2)
        self.norm = make_norm(norm, 4 * width)
        nn.init.xavier_uniform_(self.gates.weight)
        if self.gates.bias is not None:
            nn.init.zeros_(self.gates.bias)
            nn.init.ones_(self.gates.bias[width : 2 * width])

    def forward(self, features: Tensor, state: State | None) -> State:
        """The state after one more step of (B, inputs, H, W); it starts from zero."""
        if state is None:
            zeros = features.new_zeros(features.shape[0], self.width, *features.shape[-2:])
            state = zeros, zeros
        hidden, memory = state
        seen = torch.cat([features, hidden], dim=1) if features.shape[1] else hidden
        gates = self.norm(self.gates(seen))
        enter, keep, leave, new = gates.chunk(4, dim=1)
        memory = torch.sigmoid(keep) * memory + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(memory), memory


class ConvLSTM(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W) for any H and W, one cell pair a level.

    Args:
        inputs: Channels of all past frames, frame after frame.
        outputs: Future frames.
        frames: Past frames; inputs ÷ frames channels belong to each.
        widths: Channels of each level's state, from fine to coarse; each level halves the grid.
        norm: Normalisation of the gates.
        shuffle: Pixels per side folded into channels before the first level.
        zero_output: Whether the untrained network answers 0 everywhere.

    Raises:
        ValueError: If the inputs do not divide into frames.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        frames: int = 3,
        widths: Sequence[int] = (64, 96),
        norm: Norm = "group",
        shuffle: int = 2,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        if inputs % frames:
            raise ValueError(f"ConvLSTM: expected inputs for {frames} frames, found {inputs}")
        self.frames, self.steps, self.shuffle = frames, outputs, shuffle
        self.multiple = shuffle * 2 ** (len(widths) - 1)
        self.stem = relu_conv(inputs // frames * shuffle**2, widths[0])
        self.encoder = nn.ModuleList(ConvLSTMCell(width, width, norm) for width in widths)
        self.down = nn.ModuleList(halve(a, b) for a, b in pairwise(widths))
        self.forecaster = nn.ModuleList(
            ConvLSTMCell(0 if top else width, width, norm)
            for width, top in zip(widths, [False] * (len(widths) - 1) + [True], strict=True)
        )
        self.up = nn.ModuleList(relu_conv(b, a) for a, b in pairwise(widths))
        self.refine = relu_conv(widths[0], widths[0])
        self.head = output_conv(widths[0], shuffle**2, zero=zero_output)

    def forward(self, frames: Tensor) -> Tensor:
        """The future frames, each unrolled from the one before."""
        height, width = frames.shape[-2:]
        padded = pad_to_multiple(frames, self.multiple)
        states: list[State] | None = None
        for frame in padded.chunk(self.frames, dim=1):
            states = self.read(F.pixel_unshuffle(frame, self.shuffle), states)
        future: list[Tensor] = []
        for _ in range(self.steps):
            states, frame = self.unroll(states or [])
            future.append(frame)
        return torch.cat(future, dim=1)[..., :height, :width]

    def read(self, frame: Tensor, states: list[State] | None) -> list[State]:
        """Every level's state after one more past frame."""
        features = F.leaky_relu(self.stem(frame), LEAK)
        after: list[State] = []
        for level, cell in enumerate(self.encoder):
            if level:
                features = self.down[level - 1](features)
            after.append(cell(features, states[level] if states else None))
            features = after[-1][0]
        return after

    def unroll(self, states: list[State]) -> tuple[list[State], Tensor]:
        """Every level's state one step later, and that step's frame (B, 1, H, W)."""
        after = list(states)
        features = states[-1][0][:, :0]
        for level in reversed(range(len(states))):
            features, memory = self.forecaster[level](features, states[level])
            after[level] = features, memory
            if level:
                larger = F.interpolate(features, scale_factor=2.0, mode="bilinear")
                features = F.leaky_relu(self.up[level - 1](larger), LEAK)
        frame = self.head(F.leaky_relu(self.refine(after[0][0]), LEAK))
        return after, F.pixel_shuffle(frame, self.shuffle)


def halve(inputs: int, outputs: int) -> nn.Module:
    """(B, inputs, H, W) -> (B, outputs, H/2, W/2)."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.LeakyReLU(LEAK, inplace=True))
