"""What one entry of the catalog says, in frozen types that refuse nonsense."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Text = Annotated[str, Field(min_length=1)]
SnakeCase = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")]
Address = Annotated[str, Field(pattern=r"^https?://[^/]+/.*[^/]$")]
Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Split = Literal["train", "validation", "test"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Period(_Frozen):
    """A stretch of valid times in UTC, both ends included."""

    start: datetime
    end: datetime

    @field_validator("start", "end")
    @classmethod
    def _is_plain_utc(cls, time: datetime) -> datetime:
        if time.tzinfo is not None:
            raise ValueError(f"expected UTC written without an offset, found {time.isoformat()}")
        return time

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"expected an end at or after {self.start}, found {self.end}")
        return self


class RemoteFile(_Frozen):
    """One file to download; its name is the last part of the address."""

    source_url: Address
    sha256: Checksum

    @property
    def name(self) -> str:
        """The file's name, as the address spells it."""
        return self.source_url.partition("#")[0].partition("?")[0].rpartition("/")[2]


class Entry(_Frozen):
    """What every data set states.

    Args:
        name: Snake case, the key in the catalog.
        title: For a reader of a report.
        licence: SPDX where known, otherwise what the provider states.
        obtain: One sentence: where a person gets the data.
        source_url: One file to download, with its `sha256`; both or neither.
        files: Several files to download, in place of source_url and sha256.
        notes: Traps and remarks.
    """

    name: SnakeCase
    title: Text
    licence: Text
    obtain: Text
    source_url: Address | None = None
    sha256: Checksum | None = None
    files: tuple[RemoteFile, ...] = ()
    notes: str = ""

    @model_validator(mode="after")
    def _address_has_its_checksum(self) -> Self:
        if (self.source_url is None) != (self.sha256 is None):
            raise ValueError("expected source_url and sha256 together, found only one of them")
        if self.files and self.source_url is not None:
            raise ValueError("expected source_url or files, found both")
        if len({file.name for file in self.files}) < len(self.files):
            raise ValueError("expected files of different names, found one name twice")
        return self

    @property
    def downloads(self) -> tuple[RemoteFile, ...]:
        """All files to download; none where a person has to obtain them."""
        if self.source_url is None or self.sha256 is None:
            return self.files
        return (RemoteFile(source_url=self.source_url, sha256=self.sha256),)


class Product(Entry):
    """One series of radar frames on one grid at one cadence.

    Args:
        provider: Who measured.
        reader: Name of the file format.
        cadence_minutes: Minutes between frames.
        zr_a: Factor of Z = a R^b.
        zr_b: Exponent of Z = a R^b.
        tolerance_seconds: How far a frame's time may lie from its slot.
        quality: Steps of quality control between file and store, in order, such as "speckle:3";
            none by default.
        splits: Whole periods for training, validation and test; none may overlap.
    """

    provider: Text
    reader: SnakeCase
    cadence_minutes: Annotated[int, Field(gt=0)]
    zr_a: Annotated[float, Field(gt=0)]
    zr_b: Annotated[float, Field(gt=0)]
    tolerance_seconds: Annotated[int, Field(ge=0)] = 0
    quality: tuple[Text, ...] = ()
    splits: dict[Split, tuple[Period, ...]] = {}

    @model_validator(mode="after")
    def _periods_do_not_overlap(self) -> Self:
        periods = sorted((p for split in self.splits.values() for p in split), key=_start)
        for earlier, later in pairwise(periods):
            if later.start <= earlier.end:
                raise ValueError(
                    f"expected periods that do not overlap, found {later.start} before "
                    f"the end of another at {earlier.end}"
                )
        return self

    @model_validator(mode="after")
    def _tolerance_is_below_half_a_cadence(self) -> Self:
        if 2 * self.tolerance_seconds >= 60 * self.cadence_minutes:
            raise ValueError(
                f"expected tolerance_seconds below half the cadence of {self.cadence_minutes} min, "
                f"found {self.tolerance_seconds}"
            )
        return self

    @property
    def cadence(self) -> timedelta:
        """Time between frames."""
        return timedelta(minutes=self.cadence_minutes)


class ImageSet(Entry):
    """One set of labelled images.

    Args:
        task: What its labels are for.
        format: How images and labels are stored.
        classes: Names of the labels, in the order of their numbers.
        scenes: Pictures, by their names, that were cut from one larger picture.
    """

    task: Literal["classify", "denoise", "segment"]
    format: Literal[
        "idx", "class_folders", "zipped_class_folders", "cifar_batches", "image_mask_pairs"
    ]
    classes: Annotated[tuple[Text, ...], Field(min_length=2)]
    scenes: tuple[tuple[Text, ...], ...] = ()


def _start(period: Period) -> datetime:
    return period.start
