from __future__ import annotations

from pathlib import Path

import pytest

from flows.service.configuration import Configuration


def write(folder: Path, text: str) -> Path:
    path = folder / "nowcast.toml"
    path.write_text(text)
    return path


def test_without_a_file_everything_has_a_usual_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = Configuration.load()
    assert configuration.store == str(tmp_path / "radar.zarr")
    assert configuration.server.port == 4200


def test_paths_begin_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").touch()
    path = write(
        tmp_path,
        'store = "icechunk:frames"\ncheckpoint = "best.safetensors"\n'
        'forecasters = ["extrapolation", "mine.safetensors"]\n',
    )
    configuration = Configuration.load(path)
    assert configuration.store == f"icechunk:{tmp_path / 'frames'}"
    assert configuration.checkpoint == tmp_path / "best.safetensors"
    assert configuration.forecasters == ("extrapolation", str(tmp_path / "mine.safetensors"))


def test_a_store_on_s3_stays_where_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, 'store = "s3://radar/frames"')
    assert Configuration.load(path).store == "s3://radar/frames"


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "lead_minutes = 30\n[server]\nport = 4300\n")
    monkeypatch.setenv("NOWCAST_SERVER__PORT", "4301")
    configuration = Configuration.load(path)
    assert (configuration.lead_minutes, configuration.server.port) == (30, 4301)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, 'stor = "x"\nlead_minutes = "soon"\n[alerts]\nstale_minutes = -1\n')
    monkeypatch.setenv("NOWCAST_SERVER__PORT", "99999")
    monkeypatch.setenv("NOWCAST_SERVR", "1")
    with pytest.raises(ValueError, match="stor: no such setting") as refused:
        Configuration.load(path)
    for wrong in ("lead_minutes", "alerts.stale_minutes", "NOWCAST_SERVER__PORT", "NOWCAST_SERVR"):
        assert wrong in str(refused.value)


def test_what_is_no_toml_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected TOML"):
        Configuration.load(write(tmp_path, "store: radar"))


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no configuration here"):
        Configuration.load(tmp_path / "absent.toml")
