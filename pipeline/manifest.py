"""What a tensor set says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data_catalog.product import Period, Split
from pipeline.intensities import Intensities

VERSION = 2
NAME = "manifest.json"
# what changes without a change of what the set holds, and what follows from it
ABOUT_THE_STORE = {"store", "store_snapshot", "statuses"}
DERIVED = {"training_intensities"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Acceptance(_Frozen):
    """How training draws wet crops more often than dry ones.

    A window and a crop, drawn uniformly, are accepted with probability
    q = min(1, least + gain · mean(1 − exp(−R / saturation))) over the pixels of all the crop's
    frames, missing ones counting 0; the mean is taken over blocks of `block`² pixels.

    Source: Ravuri et al., 2021, Nature 597, 672-677, doi:10.1038/s41586-021-03854-z.
    """

    least: Annotated[float, Field(gt=0, le=1)] = 0.02
    gain: Annotated[float, Field(ge=0)] = 2.0
    saturation: Annotated[float, Field(gt=0)] = 1.0
    block: Annotated[int, Field(gt=0)] = 32


class SplitCount(_Frozen):
    """The periods of one split and how many windows lie in them."""

    periods: tuple[Period, ...]
    windows: int


class Manifest(_Frozen):
    """What a tensor set holds and what it was made from.

    Args:
        period: From the first to the last frame used.
        splits: Which windows are in the set.
        store: The address of the store.
        store_fingerprint: Of the store's slots in the period.
        store_snapshot: The Icechunk snapshot that was read, if it was one.
        statuses: How many slots of the period had which status.
        training_intensities: Pixels of the frames in windows to train; None in older sets.
    """

    version: int
    product: str
    cadence_minutes: float
    zr_a: float
    zr_b: float
    pixel_m: float
    frames: int
    height: int
    width: int
    period: Period
    past: int
    future: int
    splits: dict[Split, SplitCount]
    store: str
    store_fingerprint: str
    store_snapshot: str | None
    statuses: dict[str, int]
    acceptance: Acceptance
    training_intensities: Intensities | None = None

    def content(self) -> str:
        """What decides every byte of frames and windows, as one line; equal for equal sets."""
        held = self.model_dump(mode="json", exclude=ABOUT_THE_STORE | DERIVED)
        return json.dumps(held, sort_keys=True)

    def provenance(self) -> dict[str, Any]:
        """What a run that read this set names of it, as JSON."""
        names = {"product", "period", "past", "future", "store_fingerprint", "store_snapshot"}
        return self.model_dump(mode="json", include=names | DERIVED)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a tensor set.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is of another version or damaged.
        """
        path = folder / NAME
        if not path.exists():
            raise FileNotFoundError(
                f"{folder}: no tensor set here; make one with "
                f"`nowcast tensors STORE --out {folder}`"
            )
        try:
            version = _Version.model_validate_json(path.read_bytes()).version
            if version != VERSION:
                raise ValueError(
                    f"{folder}: expected a tensor set of version {VERSION}, found {version}; "
                    "build it anew"
                )
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(map(str, fault["loc"])) or "JSON"
            raise ValueError(
                f"{path}: expected a manifest, found {place}: {fault['msg']}; build the set anew"
            ) from error

    def write(self, folder: Path) -> None:
        """Write the manifest into the folder of its set, whole or not at all."""
        partial = folder / f"{NAME}.partial"
        partial.write_text(self.model_dump_json(indent=2), "utf-8")
        partial.replace(folder / NAME)


class _Version(BaseModel):
    version: int
