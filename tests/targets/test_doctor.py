"""What is missing is named, with the command that brings it."""

import pytest

from intrs_edge.boards import board_ids, load_board
from intrs_edge.errors import IntrsError
from intrs_edge.targets.doctor import as_text, doctor, installation, needs


def test_everything_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = doctor("mps2-an386")
    assert {f.name for f in findings} == {"cc", "cmake", "arm-none-eabi-gcc", "qemu-system-arm", "gdb-multiarch"}
    assert not any(f.found for f in findings)
    (line,) = [t for t in as_text(findings).splitlines() if "apt-get" in t]
    assert "gcc-arm-none-eabi" in line
    assert "qemu-system-arm" in line


def test_what_is_there_is_found(monkeypatch, tmp_path):
    (tmp_path / "cmake").write_text("")
    (tmp_path / "cmake").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [f.name for f in doctor("host") if f.found] == ["cmake"]


def test_every_need_of_every_board_can_be_installed():
    for board in board_ids():
        for names in needs(load_board(board)).values():
            for name in names:
                assert installation(name).split()[0] in ("apt-get", "pip", "npm")
    assert {"torch", "matplotlib", "plotly"} <= {f.name for f in doctor()}
    with pytest.raises(IntrsError, match="unknown board"):
        doctor("nosuch")
