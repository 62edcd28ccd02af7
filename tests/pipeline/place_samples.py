"""A small store to lay out, and a process that holds a place's lock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import zarr
from zarr.abc.store import Store as ZarrStore

from pipeline.places import Place

HOLDER = """
import sys
from pipeline.places import place_of
if sys.argv[1].startswith("s3:"):
    import pipeline.places.lease as lease
    lease.LEASE_SECONDS, lease.BEAT_SECONDS = 1.2, 0.1
place = place_of(sys.argv[1])
with place.locked():
    print("held", flush=True)
    if sys.stdin.readline() == "write\\n":
        import zarr
        try:
            zarr.open_group(place.writing(), mode="r+")["frames"][:1] = 7
            place.save("one frame")
        except BlockingIOError as error:
            print(error, flush=True)
        else:
            print("written", flush=True)
"""


def lay_out_frames(objects: ZarrStore, values: list[int]) -> None:
    """One array of frames (time, 2, 2), one chunk a frame."""
    group = zarr.open_group(objects, mode="w", zarr_format=3, attributes={"store_version": 0})
    frames = np.array(values, np.int16)[:, None, None] * np.ones((1, 2, 2), np.int16)
    group.create_array("frames", data=frames, chunks=(1, 2, 2), dimension_names=("time", "y", "x"))


def made(place: Place, values: list[int]) -> Place:
    """The place, with a store of frames."""
    with place.creating() as objects:
        lay_out_frames(objects, values)
    return place


def frames_of(place: Place) -> list[int]:
    """One pixel of each frame, as a reader sees it."""
    frames = zarr.open_group(place.reading(), mode="r")["frames"]
    assert isinstance(frames, zarr.Array)
    return np.asarray(frames[:, 0, 0]).tolist()


@contextmanager
def holder_of(address: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the place's lock; a line on its input lets it go on."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()
