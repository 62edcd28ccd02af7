"""What segmentation costs beside the network: deformed crops, border weights, tiles, memory.

Everything on one thread; of several rounds that take turns the fastest counts.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from nowcast.models import UNet
from nowcast.tasks import SegmentTask
from nowcast.tiles import predict_tiled, reach_of
from pipeline.deformation import Deformation
from pipeline.masks import MaskLoader, MaskSet
from pipeline.masks.pixel_weights import PixelWeights, border_weights, separated

ROUNDS, BATCH = 2, 4
WIDTHS = (16, 32, 64, 128)
SIDE = 4096
MEGABYTES = """
import torch
from pathlib import Path
from nowcast.models import UNet
from nowcast.tasks import SegmentTask
from nowcast.tiles import predict_tiled
torch.set_num_threads(1)
network, task = UNet(1, 2, widths={widths}), SegmentTask()
picture = torch.zeros((1, {side}, {side}), dtype=torch.uint8)
def peak():
    # getrusage would tell the peak of the process that started this one
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
before = peak()
answer = predict_tiled(network, task, picture, {tile})
print(before, peak(), answer.numel() * 4 / 2**20)
"""

torch.set_num_threads(1)


def _fastest(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            begun = time.process_time()
            work()
            seconds[name].append(time.process_time() - begun)
    return {name: min(taken) for name, taken in seconds.items()}


def _tell(benchmark: Any, words: str, **figures: float) -> None:
    benchmark.extra_info |= figures
    sys.stderr.write(f"\n{words}\n")


@pytest.mark.parametrize("side", [256, 512])
def test_deformed_crops_are_no_bottleneck(benchmark: Any, side: int) -> None:
    split = MaskSet.open("isbi2012_em").split("train")
    change = Deformation(rotate=20, zoom=0.1, brightness=0.1, contrast=0.2)
    loader = MaskLoader(
        split, BATCH, side, deformation=change, pixel_weights=PixelWeights(), threads=0
    )
    network, task = UNet(1, 2, widths=WIDTHS), SegmentTask()
    batch = loader.batch(0)

    def step() -> None:
        example = task.pose(batch)
        task.loss(network(example.inputs), example).backward()

    for i in range(len(loader)):
        loader.samples.sample(i)
    taken = _fastest({"crops": lambda: loader.batch(1), "step": step})
    benchmark.pedantic(lambda: loader.batch(2), rounds=1)
    speed, share = BATCH / taken["crops"], taken["crops"] / taken["step"]
    words = f"{side}²: {speed:,.0f} deformed crops/s, {share:.3f} of a training step of a U-Net"
    _tell(benchmark, f"{words} of {WIDTHS}", speed=speed, share=share)
    assert share < 0.1


def _naive(objects: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    maps = [ndimage.distance_transform_edt(objects != k) for k in np.unique(objects) if k]
    nearest = np.sort(maps, axis=0)[:2].sum(0)
    return np.where(objects > 0, 0, 10 * np.exp(-(nearest**2) / 50))


def test_border_weights_are_faster_than_the_formula_by_the_letter(benchmark: Any) -> None:
    split = MaskSet.open("dsb2018_nuclei").split("train")
    crowd = max((split.label(i) for i in range(len(split))), key=np.max)
    objects = separated(crowd)
    taken = _fastest({"ours": lambda: border_weights(objects), "naive": lambda: _naive(objects)})
    benchmark.pedantic(lambda: border_weights(objects), rounds=1)
    gain = taken["naive"] / taken["ours"]
    words = f"border weights of {crowd.max()} nuclei: {1e3 * taken['ours']:.0f} ms"
    _tell(benchmark, f"{words}, {gain:.1f} times as fast as the formula by the letter", gain=gain)
    assert gain > 2


@pytest.mark.parametrize("tile", [256, 512])
def test_tiles_beside_one_pass(benchmark: Any, tile: int) -> None:
    network, task = UNet(1, 2, widths=WIDTHS), SegmentTask()
    picture = torch.rand((1, 1024, 1024)) * 255
    reach_of(network, 1)
    taken = _fastest(
        {
            "tiles": lambda: predict_tiled(network, task, picture, tile),
            "pass": lambda: predict_tiled(network, task, picture, None),
        }
    )
    benchmark.pedantic(lambda: predict_tiled(network, task, picture, tile), rounds=1)
    speeds = {name: picture.numel() / seconds for name, seconds in taken.items()}
    ratio = taken["tiles"] / taken["pass"]
    words = f"1024² in tiles of {tile}: {speeds['tiles'] / 1e6:.2f} million pixels/s, one pass "
    _tell(benchmark, f"{words}{speeds['pass'] / 1e6:.2f}: {ratio:.2f} times the time", ratio=ratio)
    core = tile - 2 * reach_of(network, 1)
    assert ratio < 1.3 * (tile / core) ** 2


def test_memory_for_a_large_picture_is_bounded(benchmark: Any) -> None:
    code = MEGABYTES.format(widths=WIDTHS, side=SIDE, tile=512)
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, peak, answer = map(float, told.split())
    words = f"{SIDE}² in tiles of 512: peak {peak:,.0f} MB, of which {before:,.0f} before"
    _tell(benchmark, f"{words} and {answer:,.0f} the answer", peak=peak, before=before)
    benchmark.pedantic(lambda: None, rounds=1)
    assert answer <= peak - before < answer + 400
