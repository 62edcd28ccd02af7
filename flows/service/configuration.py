"""One file and the environment say how the service runs; all that is wrong is said at once."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

NAME = "nowcast.toml"
PREFIX = "NOWCAST_"
# variables of the program that are no part of this file
OTHERS = {"NOWCAST_DATA", "NOWCAST_CATALOG"}

Count = Annotated[int, Field(ge=1)]
Minutes = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(_Part):
    """When flows run by themselves, in UTC; see also `cadence_minutes`."""

    verify_daily: str = "15 0 * * *"
    verify_weekly: str = "45 0 * * 1"
    train_weekly: str = "0 2 * * 1"
    housekeeping: str = "30 3 * * *"


class Training(_Part):
    """How the network in service is renewed; without a recipe it is not."""

    recipe: str | None = None
    steps: Count | None = None
    days: Count = 28


class Retention(_Part):
    """After how many days what the service wrote is removed; the store is never touched."""

    forecasts_days: Count = 14
    reports_days: Count = 90
    runs_days: Count = 30
    logs_days: Count = 14
    models: Count = 4


class Alerts(_Part):
    """When somebody should look, and which Prefect block tells them."""

    stale_minutes: Minutes = 20
    disk_free_gb: Annotated[float, Field(ge=0)] = 5
    block: str | None = None


class Server(_Part):
    """Where Prefect's own server listens; where PREFECT_API_URL is set, that one serves."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 4200


class Configuration(BaseSettings):
    """What runs, on which store, and where it publishes.

    Args:
        store: Address of the store.
        inbox: The folder that radar files arrive in; nothing in it is moved or removed.
        out: Folder of all that the service writes.
        product: A catalog entry; by default the one that fits the files.
        forecasters: Names in FORECASTERS or paths of checkpoints.
        checkpoint: The network in service until training promotes another.
        lead_minutes: How far ahead.
        cadence_minutes: How often files are looked for, even if nothing was seen to arrive.
        catch_up_minutes: Issue times this much older than the newest frame are still forecast.
        timeout_minutes: After which a stuck cycle is given up.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    store: str = "radar.zarr"
    inbox: Path = Path("incoming")
    out: Path = Path("service")
    product: str | None = None
    forecasters: tuple[str, ...] = ("persistence", "extrapolation")
    checkpoint: Path | None = None
    lead_minutes: Count = 60
    cadence_minutes: Minutes = 5
    catch_up_minutes: Annotated[float, Field(ge=0)] = 0
    timeout_minutes: Minutes = 10
    schedule: Schedule = Schedule()
    training: Training = Training()
    retention: Retention = Retention()
    alerts: Alerts = Alerts()
    server: Server = Server()

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file, which is given as arguments."""
        return env_settings, init_settings

    @classmethod
    def load(cls, path: Path | None = None) -> Configuration:
        """Read the configuration; paths in it begin at its folder.

        Args:
            path: The file; by default nowcast.toml of this folder, if there is one.

        Raises:
            FileNotFoundError: If there is no file at the path.
            ValueError: With all that is wrong, in one sentence.
        """
        if path is not None and not path.is_file():
            raise FileNotFoundError(f"{path}: no configuration here; see `nowcast serve --help`")
        file = path or Path(NAME)
        told = _read(file) if file.is_file() else {}
        errors = _unknown_variables()
        try:
            configuration = cls(**told)
        except ValidationError as error:
            errors += [_wording(detail, file) for detail in error.errors()]
        if errors:
            raise ValueError("; ".join(errors))
        return configuration.rooted(file.parent.absolute())

    def rooted(self, folder: Path) -> Configuration:
        """The same with absolute paths: those that were relative begin at a folder."""
        icechunk = self.store.removeprefix("icechunk:")
        store = self.store if "://" in self.store else str(folder / self.store)
        if icechunk != self.store:
            store = f"icechunk:{folder / icechunk}"
        return self.model_copy(
            update={
                "store": store,
                "inbox": folder / self.inbox,
                "out": folder / self.out,
                "checkpoint": self.checkpoint and folder / self.checkpoint,
                "forecasters": tuple(_rooted(name, folder) for name in self.forecasters),
            }
        )


def _rooted(name: str, folder: Path) -> str:
    return str(folder / name) if (folder / name).is_file() else name


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: expected TOML, found {error}") from error


def _unknown_variables() -> list[str]:
    known = {f"{PREFIX}{name}".upper() for name in Configuration.model_fields}
    return [
        f"{name}: no such setting; there are {', '.join(sorted(Configuration.model_fields))}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX)
        and name not in OTHERS
        and name.upper().partition("__")[0] not in known
    ]


def _wording(detail: Any, file: Path) -> str:
    place = ".".join(map(str, detail["loc"]))
    variable = f"{PREFIX}{place.upper().replace('.', '__')}"
    where = variable if variable in os.environ else f"{file}, {place}"
    if detail["type"] == "extra_forbidden":
        return f"{where}: no such setting"
    message = str(detail["msg"])
    return f"{where}: {message[0].lower()}{message[1:]}, found {detail['input']!r}"
