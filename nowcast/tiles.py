"""Pictures of any size through a network, tile by tile, with the answer of one pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from nowcast.explain.layers import evaluating
from nowcast.tasks.segmentation import SegmentTask

COARSEST = 32
PROBE = 1024
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))

_reaches: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


class Span(NamedTuple):
    """One tile along one axis, in pixels of the picture with its mirrored borders.

    Args:
        start: First pixel that the network is given.
        kept: First and last pixel but one of its answer that counts.
    """

    start: int
    kept: tuple[int, int]


class Axis(NamedTuple):
    """How one axis of a picture is cut.

    Args:
        places: Of every pixel with the mirrored borders, where it lies in the picture.
        before: Mirrored pixels before the first one.
        side: Of a tile, in pixels.
        spans: Of the tiles.
    """

    places: Tensor
    before: int
    side: int
    spans: tuple[Span, ...]


def predict_tiled(
    network: nn.Module,
    task: SegmentTask,
    picture: Tensor,
    tile: int | None = 512,
    overlap: int | None = None,
    batch: int = 1,
    flips: bool = False,
    mirror: int | None = None,
) -> Tensor:
    """The probability of each class at each pixel, (K, H, W) float32.

    Tiles overlap so far that what counts of each does not feel its edges, and lie on the grid of
    the network's pooling: the answer is that of one pass over the whole picture with its mirrored
    borders. Beside picture and answer, memory holds one batch of tiles. A network whose every
    answer depends on the whole picture, by a norm or a mean over it, has no such overlap.

    Args:
        network: (B, C, h, w) -> (B, outputs, h − 2 margin, w − 2 margin), margin its attribute.
        task: Of which the network was trained.
        picture: (C, H, W) of any type and size.
        tile: Greatest side that the network is given, and shorter where as many tiles do; None
            for one pass.
        overlap: Pixels of a tile's answer that do not count, on the sides where others follow;
            None for as many as the network reaches, see `reach_of`.
        batch: Tiles at once.
        flips: Whether to take the mean over the picture and its mirror images.
        mirror: Pixels added on each side for a network with padding; None for one cell of its
            coarsest grid. Without padding it is the network's margin.

    Raises:
        ValueError: If the tile is too small for the overlap.
    """
    lost, multiple = _loss_of(network), _multiple_of(network)
    if tile is None:
        overlap = lost
    elif overlap is None or lost:
        overlap = reach_of(network, len(picture))
    before = lost or -(-(multiple if mirror is None else mirror) // multiple) * multiple
    axes = [
        _axis(size, network, before, _fitted(tile, network), overlap) for size in picture.shape[1:]
    ]
    device = next(network.parameters()).device
    answer = torch.empty((task.classes, *picture.shape[1:]))
    with evaluating(network), torch.inference_mode():
        tiles = list(product(axes[0].spans, axes[1].spans))
        for first in range(0, len(tiles), batch):
            spans = tiles[first : first + batch]
            pieces = torch.stack([_piece(picture, axes, span) for span in spans])
            found = _probabilities(network, task, pieces.to(device), flips).cpu()
            for probability, place in zip(found, spans, strict=True):
                _keep(answer, probability, axes, place, lost)
    return answer


def reach_of(network: nn.Module, channels: int) -> int:
    """How many pixels beyond an edge on its grid a network lets an answer depend on.

    Rounded up to its coarsest grid; its margin for one without padding. What is not a number
    spreads to all that depends on it, whatever the weights.

    Raises:
        ValueError: If an answer depends on the whole picture.
    """
    if lost := _loss_of(network):
        return lost
    if network not in _reaches:
        multiple, parameter = _multiple_of(network), next(network.parameters())
        probe = torch.zeros((1, channels, multiple, PROBE), dtype=parameter.dtype)
        middle = PROBE // 2 // multiple * multiple
        reaches = []
        with evaluating(network), torch.inference_mode():
            for side in (probe[..., :middle], probe[..., middle:]):
                probe.zero_()
                side.fill_(torch.nan)
                unknown = network(probe.to(parameter.device)).isnan().any((0, 1, 2))
                reaches.append(int(unknown.sum()) - side.shape[-1])
        if not max(reaches) < middle - multiple:
            raise ValueError(
                f"{type(network).__name__}: expected answers that depend on what is near, found "
                "some that depend on the whole picture; give an overlap, or tile=None for one pass"
            )
        _reaches[network] = -(-max(*reaches, 1) // multiple) * multiple
    return _reaches[network]


def _axis(size: int, network: nn.Module, before: int, tile: int | None, overlap: int) -> Axis:
    lost, multiple = _loss_of(network), _multiple_of(network)
    rest = _offset(network)
    least = size + 2 * before
    total = least + (rest - least) % multiple
    side, step = total, total
    if tile is not None and tile < total:
        step = _least_step(total - 2 * overlap, tile - 2 * overlap, multiple)
        if not step:
            raise ValueError(
                f"tiles: expected a tile of {2 * overlap + multiple + rest} pixels or more for an "
                f"overlap of {overlap}, found {tile}; give a larger tile"
            )
        side = step + 2 * overlap
        side += (rest - side) % multiple
    starts = [*range(0, total - side, step), total - side]
    seams = [lost, *(start + overlap for start in starts[1:]), total - lost]
    places = np.pad(np.arange(size), (before, total - size - before), mode="reflect")
    spans = (Span(start, kept) for start, kept in zip(starts, pairwise(seams), strict=True))
    return Axis(torch.from_numpy(places), before, side, tuple(spans))


def _least_step(whole: int, core: int, multiple: int) -> int:
    """The shortest step that takes no more tiles than the longest; 0 if there is none."""
    longest = core // multiple * multiple
    if longest < multiple:
        return 0
    count = -(-whole // longest)
    return -(-whole // (count * multiple)) * multiple


def _piece(picture: Tensor, axes: Sequence[Axis], spans: Sequence[Span]) -> Tensor:
    rows, columns = (
        axis.places[span.start : span.start + axis.side]
        for axis, span in zip(axes, spans, strict=True)
    )
    return picture[:, rows][:, :, columns].float()


def _probabilities(network: nn.Module, task: SegmentTask, pieces: Tensor, flips: bool) -> Tensor:
    frames = task.scaling.encode(pieces)
    frames = torch.where(frames.isnan(), 0, frames)
    views = FLIPS if flips else FLIPS[:1]
    total = sum(
        task.logits(network(frames.flip(view))).float().softmax(1).flip(view) for view in views
    )
    return torch.as_tensor(total) / len(views)


def _keep(
    answer: Tensor, probability: Tensor, axes: Sequence[Axis], spans: Sequence[Span], lost: int
) -> None:
    """Write what counts of a tile's answer where it belongs."""
    there, here = [], []
    for axis, span, size in zip(axes, spans, answer.shape[1:], strict=True):
        first, last = (min(max(seam - axis.before, 0), size) for seam in span.kept)
        there.append(slice(first, last))
        moved = axis.before - span.start - lost
        here.append(slice(first + moved, last + moved))
    answer[:, there[0], there[1]] = probability[:, here[0], here[1]]


def _fitted(tile: int | None, network: nn.Module) -> int | None:
    """The greatest side of at most `tile` that the network takes."""
    if tile is None:
        return None
    return tile - (tile - _offset(network)) % _multiple_of(network)


def _loss_of(network: nn.Module) -> int:
    return int(getattr(network, "margin", 0))


def _multiple_of(network: nn.Module) -> int:
    """Side of a cell of the coarsest grid; 1 where windows lie round every pixel."""
    anywhere = _loss_of(network) > 0 and not hasattr(network, "input_side")
    return int(getattr(network, "multiple", 1 if anywhere else COARSEST))


def _offset(network: nn.Module) -> int:
    """By how much a side that the network takes exceeds a multiple of its coarsest grid."""
    shortest = getattr(network, "input_side", None)
    if not _loss_of(network) or shortest is None:
        return 0
    return int(shortest(1)) % _multiple_of(network)
