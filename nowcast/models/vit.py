"""Vision transformer: an image as a sequence of patches."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.layers import check_side

VIT_B16: Mapping[str, object] = MappingProxyType(
    {"size": 224, "patch": 16, "width": 768, "depth": 12, "heads": 12, "hidden": 3072}
)
VIT_TINY: Mapping[str, object] = MappingProxyType(
    {"size": 28, "patch": 4, "width": 96, "depth": 6, "heads": 3, "hidden": 192}
)


class ViT(nn.Module):
    """(B, inputs, size, size) -> (B, outputs).

    B/16 as it stands and in VIT_B16: 86,567,656 weights for colour images and 1000 classes; the
    names of the weights are torchvision's. VIT_TINY suits 28 × 28 pixels.
    First weights: truncated normal for patches and the last layer, Glorot's uniform within the
    layers, normal of deviation 0.02 for positions, 0 for the class token.

    Args:
        inputs: Channels in.
        outputs: Numbers out, e.g. one logit a class.
        size: Side of the images.
        patch: Side of a patch; `size` is a multiple of it.
        width: Numbers by which a patch is described.
        depth: Layers of the encoder.
        heads: Heads of the attention; `width` is a multiple of them.
        hidden: Units of the hidden dense layer in a layer of the encoder.
        dropout: Share of the numbers behind each part that a training step leaves out.

    Raises:
        ValueError: If patches do not fill the image, or heads the width.

    Source: Dosovitskiy et al., 2021, International Conference on Learning Representations,
        arXiv:2010.11929.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 224,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        hidden: int = 3072,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_divides("size", size, "patch", patch)
        check_divides("width", width, "heads", heads)
        self.size = size
        self.conv_proj = nn.Conv2d(inputs, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        places = (size // patch) ** 2 + 1
        self.encoder = Encoder(places, width, depth, heads, hidden, dropout)
        dense = nn.Linear(width, outputs)
        self.heads = nn.Sequential(OrderedDict(head=dense))
        self.head = "heads.head"
        fan_in = inputs * patch**2
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / fan_in))
        nn.init.trunc_normal_(dense.weight, std=0.02)
        for layer in (self.conv_proj, dense):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """The numbers of the whole image."""
        check_side(self, frames, self.size)
        patches = self.conv_proj(frames).flatten(2).transpose(1, 2)
        token = self.class_token.expand(len(frames), -1, -1)
        encoded = self.encoder(torch.cat([token, patches], dim=1))
        classes: Tensor = self.heads(encoded[:, 0])
        return classes

    def adapted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights of another image size or of torchvision's older names, as this network has them.

        Positions are interpolated bicubically.
        """
        renamed = {
            name.replace(".mlp.linear_1.", ".mlp.0.").replace(".mlp.linear_2.", ".mlp.3."): weight
            for name, weight in weights.items()
        }
        key = "encoder.pos_embedding"
        places = self.encoder.pos_embedding.shape[1]
        if key in renamed and renamed[key].ndim == 3 and renamed[key].shape[1] != places:
            renamed[key] = resized(renamed[key], places)
        return renamed


class Encoder(nn.Module):
    """Positions, attention layers and a last norm; (B, places, width) -> (B, places, width)."""

    def __init__(
        self, places: int, width: int, depth: int, heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, places, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (f"encoder_layer_{place}", EncoderLayer(width, heads, hidden, dropout))
                for place in range(depth)
            )
        )
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """The encoded tokens."""
        encoded: Tensor = self.ln(self.layers(self.dropout(tokens + self.pos_embedding)))
        return encoded


class EncoderLayer(nn.Module):
    """Attention and two dense layers, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        entry, leave = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.mlp = nn.Sequential(entry, nn.GELU(), nn.Dropout(dropout), leave, nn.Dropout(dropout))
        for dense in (entry, leave):
            nn.init.xavier_uniform_(dense.weight)
            nn.init.normal_(dense.bias, std=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens, each after a look at all others."""
        normed = self.ln_1(tokens)
        seen, _ = self.self_attention(normed, normed, normed, need_weights=False)
        tokens = tokens + self.dropout(seen)
        encoded: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return encoded


def check_divides(whole: str, size: int, part: str, count: int) -> None:
    """Refuse a whole that is no multiple of its parts.

    Raises:
        ValueError: If it is not.
    """
    if count < 1 or size < 1 or size % count:
        raise ValueError(f"ViT: expected {whole} to be a multiple of {part}, found {size}, {count}")


def resized(positions: Tensor, places: int) -> Tensor:
    """Positions (1, places, width) of a square grid behind a class token, on another such grid."""
    token, grid = positions[:, :1], positions[:, 1:]
    before, after = math.isqrt(grid.shape[1]), math.isqrt(places - 1)
    square = grid.transpose(1, 2).reshape(1, -1, before, before)
    larger = F.interpolate(square, (after, after), mode="bicubic", align_corners=True)
    return torch.cat([token, larger.flatten(2).transpose(1, 2)], dim=1)
