from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from data_catalog import Entry, ImageSet, RemoteFile, fetch

CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(ThreadingHTTPServer):
    """Serves CONTENT; can cut answers short, fail at first, or know no ranges."""

    cuts: list[int]
    failures: list[int]
    ranges = True
    states_length = True
    any_path = False
    asked: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        if self.server.failures:
            return self.send_error(self.server.failures.pop(0))
        if not self.path.startswith("/data.bin") and not self.server.any_path:
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if self.server.states_length:
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        length = self.server.cuts.pop(0) if self.server.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start:][:length])
        return None

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.cuts, server.failures, server.asked = [], [], []
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def entry(server: Server, path: str = "/data.bin", content: bytes = CONTENT) -> Entry:
    return Entry(
        name="sample",
        title="Sample",
        licence="CC0-1.0",
        obtain="the shelf",
        source_url=f"http://127.0.0.1:{server.server_port}{path}",
        sha256=hashlib.sha256(content).hexdigest(),
    )


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    path = fetch(entry(server, "/data.bin?version=2"), folder)
    assert path == folder / "data.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(entry(server), folder) == path
    assert len(server.asked) == 1
    assert list(folder.iterdir()) == [path]


def test_a_wrong_checksum_keeps_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.bin: expected SHA-256 \w{64}, found \w{64}"):
        fetch(entry(server, content=b"other"), tmp_path, pause_seconds=0)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="/gone: expected a file, found HTTP 404 Not Found"):
        fetch(entry(server, "/gone"), tmp_path, pause_seconds=0)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_broken_download_is_resumed_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 50_000]
    path = fetch(entry(server), tmp_path, pause_seconds=0)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_the_next_call_resumes_what_the_last_gave_up(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000]
    with pytest.raises(ValueError, match="the connection ended after 100000 of 300000 bytes"):
        fetch(entry(server), tmp_path, attempts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin.part"]
    assert fetch(entry(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=100000-"


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [100_000], False
    assert fetch(entry(server), tmp_path, pause_seconds=0).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"something else", CONTENT[:-1] + b"!", CONTENT + b"more"])
def test_a_spoilt_remainder_is_thrown_away(left: bytes, server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(left)
    assert fetch(entry(server), tmp_path, pause_seconds=0).read_bytes() == CONTENT


def test_a_whole_remainder_is_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert fetch(entry(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/data.bin", "bytes=300000-")]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = [503, 429]
    assert fetch(entry(server), tmp_path, pause_seconds=0).read_bytes() == CONTENT
    server.failures = [500] * 9
    with pytest.raises(ValueError, match="found HTTP 500"):
        fetch(entry(server), tmp_path / "2", attempts=3, pause_seconds=0)
    assert len(server.asked) == 6


def test_a_server_that_does_not_answer_is_named(server: Server, tmp_path: Path) -> None:
    away = entry(server).model_copy(update={"source_url": "http://127.0.0.1:9/data.bin"})
    with pytest.raises(ValueError, match=r"^http://127.0.0.1:9/data.bin: expected a whole file"):
        fetch(away, tmp_path, attempts=2, pause_seconds=0)


def test_an_entry_without_address_says_where_to_obtain_it(tmp_path: Path) -> None:
    shelf = Entry(name="sample", title="S", licence="CC0-1.0", obtain="the shelf")
    with pytest.raises(ValueError, match=r"^sample: no address .* obtain it from the shelf$"):
        fetch(shelf, tmp_path)


def image_set(server: Server, *paths: str) -> ImageSet:
    addresses = [f"http://127.0.0.1:{server.server_port}{path}" for path in paths]
    return ImageSet(
        name="letters",
        title="Letters",
        licence="CC0-1.0",
        obtain="the shelf",
        task="classify",
        format="idx",
        classes=("a", "b"),
        files=tuple(
            RemoteFile(source_url=address, sha256=hashlib.sha256(CONTENT).hexdigest())
            for address in addresses
        ),
    )


def test_the_files_of_an_image_set_lie_in_a_folder_of_its_name(
    server: Server, tmp_path: Path
) -> None:
    letters = image_set(server, "/data.bin", "/data.bin.2?raw=1")
    server.cuts = [len(CONTENT), 1000]
    assert fetch(letters, tmp_path, pause_seconds=0) == tmp_path / "letters"
    found = sorted((tmp_path / "letters").iterdir())
    assert [path.name for path in found] == ["data.bin", "data.bin.2"]
    assert all(path.read_bytes() == CONTENT for path in found)
    assert [wanted for _, wanted in server.asked] == [None, None, "bytes=1000-"]
    found[0].write_bytes(b"spoilt")
    assert fetch(letters, tmp_path) == tmp_path / "letters"
    assert found[0].read_bytes() == CONTENT
    assert len(server.asked) == 4


def test_one_bad_file_of_a_set_is_named_and_the_good_ones_stay(
    server: Server, tmp_path: Path
) -> None:
    letters = image_set(server, "/data.bin", "/gone")
    with pytest.raises(ValueError, match="/gone: expected a file, found HTTP 404 Not Found"):
        fetch(letters, tmp_path, pause_seconds=0)
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["data.bin"]


def test_progress_is_told_from_where_it_was_resumed(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    server.cuts = [100_000]
    fetch(entry(server), tmp_path, pause_seconds=0, progress=lambda *step: told.append(step))
    assert {name for name, _, _ in told} == {"data.bin"}
    assert {whole for _, _, whole in told} == {len(CONTENT)}
    done = [bytes_so_far for _, bytes_so_far, _ in told]
    assert done == sorted(done)
    assert 100_000 in done
    assert done[-1] == len(CONTENT)


def test_progress_knows_no_whole_where_the_server_states_none(
    server: Server, tmp_path: Path
) -> None:
    server.states_length = False
    told: list[tuple[int, int | None]] = []
    fetch(entry(server), tmp_path, progress=lambda _, *step: told.append(step))
    assert told[-1] == (len(CONTENT), None)


def test_a_truncated_file_without_stated_length_fails_its_checksum(
    server: Server, tmp_path: Path
) -> None:
    server.states_length, server.cuts = False, [1000]
    with pytest.raises(ValueError, match=r"data.bin: expected SHA-256 .*, found"):
        fetch(entry(server), tmp_path, pause_seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    def interrupt(_name: str, done: int, _whole: int | None) -> None:
        if done >= 2**18:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(entry(server), tmp_path, progress=interrupt)
    (part,) = tmp_path.iterdir()
    assert part.name == "data.bin.part"
    held = part.stat().st_size
    assert 2**18 <= held < len(CONTENT)
    assert fetch(entry(server), tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={held}-"]


def test_a_server_that_always_cuts_is_given_up_after_the_attempts(
    server: Server, tmp_path: Path
) -> None:
    server.cuts = [10] * 9
    with pytest.raises(ValueError, match="ended after 10 of 299980 bytes"):
        fetch(entry(server), tmp_path, attempts=3, pause_seconds=0)
    assert (tmp_path / "data.bin.part").stat().st_size == 30
    with pytest.raises(ValueError, match="expected at least 1 attempt, found 0"):
        fetch(entry(server), tmp_path, attempts=0)


@pytest.mark.parametrize("name", ["..%2f..%2fescape", "%2fetc%2fescape"])
def test_an_address_cannot_name_a_file_outside_the_folder(
    name: str, server: Server, tmp_path: Path
) -> None:
    server.any_path = True
    assert fetch(entry(server, f"/a/{name}"), tmp_path / "in") == tmp_path / "in" / "escape"
