"""ConvLSTM: an encoder reads the past frame by frame, a forecaster unrolls the future."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.blocks import ConvBlock, Norm, make_norm, output_conv, pad_to_multiple

State = tuple[Tensor, Tensor]


class ConvLSTMCell(nn.Module):
    """An LSTM cell whose gates are convolutions; a state is (hidden, memory), (B, width, H, W).

    Args:
        inputs: Channels of the input, 0 where the state alone drives the cell.
        width: Channels of the state.
        kernel: Side of the convolution, odd.

    Source: Shi et al., 2015, Advances in Neural Information Processing Systems 28, 802-810.
    """

    def __init__(self, inputs: int, width: int, kernel: int = 3) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Conv2d(inputs + width, 4 * width, kernel, padding=kernel // 2)
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
        enter, keep, leave, new = self.gates(seen).chunk(4, dim=1)
        memory = torch.sigmoid(keep) * memory + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(memory), memory


class ConvLSTM(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W) for any H and W, one pair of cells a level.

    Every future frame is drawn from the forecaster's finest state beside the features of the
    latest past frame, so that its detail need not pass through the states.

    Args:
        inputs: Channels of all past frames, frame after frame.
        outputs: Future frames.
        frames: Past frames; inputs ÷ frames channels belong to each.
        widths: Channels of each level's state, from fine to coarse; each level halves the grid.
        norm: Normalisation behind every convolution outside the cells.
        shuffle: Pixels per side folded into channels before the first level and unfolded after it.
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
        norm: Norm = "batch",
        shuffle: int = 4,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        if inputs % frames:
            raise ValueError(f"ConvLSTM: expected inputs for {frames} frames, found {inputs}")
        self.frames, self.steps, self.shuffle = frames, outputs, shuffle
        self.multiple = shuffle * 2 ** (len(widths) - 1)
        finest = widths[0]
        self.stem = layer(inputs // frames * shuffle**2, finest, norm)
        self.encoder = nn.ModuleList(ConvLSTMCell(width, width) for width in widths)
        self.down = nn.ModuleList(layer(a, b, norm, stride=2) for a, b in pairwise(widths))
        fed = (*widths[:-1], 0)
        self.forecaster = nn.ModuleList(map(ConvLSTMCell, fed, widths))
        self.up = nn.ModuleList(layer(b, a, norm) for a, b in pairwise(widths))
        self.draw = ConvBlock(2 * finest, finest, norm)
        self.head = output_conv(finest, shuffle**2, zero=zero_output)

    def forward(self, frames: Tensor) -> Tensor:
        """The future frames, each unrolled from the one before."""
        height, width = frames.shape[-2:]
        folded = F.pixel_unshuffle(pad_to_multiple(frames, self.multiple), self.shuffle)
        states: list[State] = []
        for frame in folded.chunk(self.frames, dim=1):
            latest = self.stem(frame)
            states = self.read(latest, states)
        future: list[Tensor] = []
        for _ in range(self.steps):
            states = self.unroll(states)
            drawn = self.head(self.draw(torch.cat([states[0][0], latest], dim=1)))
            future.append(F.pixel_shuffle(drawn, self.shuffle))
        return torch.cat(future, dim=1)[..., :height, :width]

    def read(self, features: Tensor, states: list[State]) -> list[State]:
        """Every level's state after one more past frame; no states before the first."""
        after: list[State] = []
        for level, cell in enumerate(self.encoder):
            if level:
                features = self.down[level - 1](features)
            after.append(cell(features, states[level] if states else None))
            features = after[-1][0]
        return after

    def unroll(self, states: list[State]) -> list[State]:
        """Every level's state one step later, the coarsest first."""
        after = list(states)
        features = states[-1][0][:, :0]
        for level in reversed(range(len(states))):
            hidden, memory = self.forecaster[level](features, states[level])
            after[level] = hidden, memory
            if level:
                larger = F.interpolate(hidden, scale_factor=2.0, mode="bilinear")
                features = self.up[level - 1](larger)
        return after


def layer(inputs: int, outputs: int, norm: Norm, stride: int = 1) -> nn.Module:
    """Convolution, norm and leaky ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=norm == "none")
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, make_norm(norm, outputs), nn.LeakyReLU(0.2, inplace=True))
