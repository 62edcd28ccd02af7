from __future__ import annotations

import pytest

from flows import terminal


@pytest.mark.parametrize("address", ["icechunk:ice:cube:", "radar/[bold]x[/bold].zarr"])
def test_addresses_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], address: str) -> None:
    terminal.show(address)
    terminal.complain(address)
    terminal.show_facts(address, [("store", address)])
    shown = capsys.readouterr()
    assert shown.out.count(address) == 3
    assert address in shown.err
