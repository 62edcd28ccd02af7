"""Training shared by the processes of `torchrun`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import shared_training
import torch
from shared_training import STEPS, TASKS, Blobs, recipe_of

from nowcast.checkpoint import load_checkpoint
from nowcast.tasks import NowcastTask, Task
from nowcast.training import (
    BEST,
    LAST,
    METRICS,
    fit,
    is_first_process,
    make_fabric,
    read_metrics,
)
from nowcast.training import fabric as fabrics
from pipeline.batch import Batch

ROOT = Path(__file__).parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def shared(*words: str) -> subprocess.CompletedProcess[str]:
    """What became of the script under `torchrun`."""
    script = [shared_training.__file__, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *TORCHRUN, "--", *script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every task trained by this process."""
    folder = tmp_path_factory.mktemp("alone")
    shared_training.train_all(folder)
    return folder


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Every task trained by two processes, and all that they said."""
    folder = tmp_path_factory.mktemp("shared")
    run = shared(str(folder))
    assert run.returncode == 0, run.stderr
    return folder, run.stdout + run.stderr


def figures(folder: Path) -> dict[str, list[float]]:
    """Every figure of a run's log but its speed."""
    found: dict[str, list[float]] = {}
    for line in read_metrics(folder / METRICS):
        if "warning" in line:
            continue
        entries = {**line, **line.get("validation", {})}
        for name, value in entries.items():
            if isinstance(value, float | int) and name != "samples_per_second":
                kind = "validation " if "validation" in line else ""
                found.setdefault(kind + name, []).append(value)
    return found


def assert_same_run(first: Path, second: Path) -> None:
    one, other = figures(first), figures(second)
    assert one["step"] == list(range(1, STEPS + 1))
    assert one["validation step"] == [3, 6, 7]
    assert one.keys() == other.keys()
    for name in one:
        assert other[name] == pytest.approx(one[name], rel=2e-4), name
    weights = [load_checkpoint(path / BEST).network.state_dict() for path in (first, second)]
    torch.testing.assert_close(*weights, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("name", TASKS)
def test_two_processes_train_as_one_does(name: str, alone: Path, ended: tuple[Path, str]) -> None:
    assert_same_run(alone / name, ended[0] / name)


@pytest.mark.parametrize("task", [*TASKS.values(), NowcastTask()], ids=repr)
def test_a_sample_is_posed_alike_whatever_else_is_in_the_batch(task: Task) -> None:
    name = next(name for name, other in TASKS.items() if type(other) is type(task))
    batch = Blobs(name).batch(3)
    whole = task.pose(batch)
    for share in (slice(0, None, 2), slice(1, None, 2)):
        label = None if batch.label is None else batch.label[share]
        part = task.pose(Batch(batch.frames[share], label))
        for mine, every in zip(part, whole, strict=True):
            torch.testing.assert_close(mine, every[share], equal_nan=True)


def test_the_first_process_alone_writes_and_nothing_is_said_twice(
    ended: tuple[Path, str],
) -> None:
    folder, said = ended
    for name in TASKS:
        assert {path.name for path in (folder / name).iterdir()} == {BEST, LAST, METRICS}
    assert said == ""


@pytest.mark.slow
def test_a_shared_run_that_was_cut_ends_where_a_whole_one_does(alone: Path, tmp_path: Path) -> None:
    cut = shared(str(tmp_path), "4")
    assert cut.returncode == 0, cut.stderr
    for name in TASKS:
        assert torch.load(tmp_path / name / LAST, weights_only=True)["step"] == 4
    refused = shared(str(tmp_path))
    assert refused.returncode != 0
    assert "holds a run already; resume it or take another folder" in refused.stderr
    whole = shared(str(tmp_path), "--resume")
    assert whole.returncode == 0, whole.stderr
    for name in TASKS:
        assert_same_run(alone / name, tmp_path / name)


@pytest.mark.slow
def test_a_run_alone_is_gone_on_with_by_two(alone: Path, tmp_path: Path) -> None:
    shared_training.train_all(tmp_path, 2)
    assert shared(str(tmp_path), "--resume").returncode == 0
    for name in TASKS:
        assert_same_run(alone / name, tmp_path / name)


def test_more_processes_than_samples_are_refused(tmp_path: Path) -> None:
    class Many:
        world_size = 6
        is_global_zero = True

        def broadcast(self, value: object) -> object:
            return value

    blobs = Blobs("denoise")
    with pytest.raises(ValueError, match="a process for each of the 5 samples of a batch, found 6"):
        fit(recipe_of("denoise"), blobs, blobs, tmp_path / "run", Many())  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabrics.TorchElasticEnvironment, "detect", staticmethod(lambda: True))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("LOCAL", "GROUP"):
        monkeypatch.setenv(f"{name}_WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="at most a process a GPU, found 2 processes and 1 GPUs"):
        make_fabric(recipe_of("nowcast"))


def test_one_process_speaks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_first_process()
    monkeypatch.setattr(fabrics.TorchElasticEnvironment, "detect", staticmethod(lambda: True))
    first = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        first.append(is_first_process())
    assert first == [True, False]
