"""Flashing: the commands, and the gdb runner end to end on an empty emulated board."""

import contextlib
import dataclasses
import json
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import toy_model as toy

from intrs_edge.boards import Flash, board_from_json, board_ids, board_to_json, load_board
from intrs_edge.children import guarded, patient
from intrs_edge.codegen.manifest import digest
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import flash as flash_module
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.connection import SocketConnection
from intrs_edge.targets.flash import flash, make_plan
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.process import qemu_command
from intrs_edge.targets.runners import NEEDED, PLANS
from intrs_edge.targets.uf2 import from_uf2


def project(tmp_path, board):
    return toy.toy_project(tmp_path / "p", board)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def empty_board(board, gdb_port):
    """A machine without an image, stopped, its serial port a socket of ours."""
    ours, theirs = socket.socketpair()
    command = [part for part in qemu_command(board, None) if part not in ("-kernel", "None")]
    fd = theirs.fileno()
    process = subprocess.Popen(
        guarded([*command, "-S", "-gdb", f"tcp:127.0.0.1:{gdb_port}",
                 "-chardev", f"socket,id=l,fd={fd}", "-serial", "chardev:l"]),
        pass_fds=(fd,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    theirs.close()
    return process, ours


@pytest.mark.parametrize("board", ["mps2-an386", "mps2-an505"])
def test_gdb_loads_an_empty_board_which_then_certifies(board, tmp_path):
    if shutil.which("gdb-multiarch") is None:
        pytest.skip("gdb-multiarch is not installed")
    directory = project(tmp_path, board)
    port = free_port()
    process, ours = empty_board(load_board(board), port)
    try:
        assert flash_module.wait_for_port("127.0.0.1", port, 10)
        plan = flash(directory, "gdb", f"127.0.0.1:{port}")
        assert "compare-sections" in plan.as_text()
        with BoardTarget(SocketConnection(ours, "flashed board"), read_manifest(directory)) as target:
            image = np.zeros(toy.SHAPE, np.uint8)
            counts = toy.votes(image, 3, 0, 20, 200)
            assert target.certify(image, Stream(3, 0)).count == counts[1]
    finally:
        process.kill()
        process.wait()


def test_a_section_that_differs_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "gdb-multiarch").write_text("#!/bin/sh\necho 'Section .text, range 0x0 -- 0x10: MIS-MATCHED!'\n")
    (tmp_path / "gdb-multiarch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{__import__('os').environ['PATH']}")
    with pytest.raises(IntrsError, match="MIS-MATCHED"):
        flash(project(tmp_path, "mps2-an386"), "gdb")


def test_commands(tmp_path):
    directory = project(tmp_path, "nucleo-f446re")
    elf = directory / "build/board/intrs.elf"
    assert make_plan(directory).as_text().splitlines() == [
        f"pyocd load --no-wait --target stm32f446retx {elf}",
        "pyocd reset --no-wait --target stm32f446retx",
    ]
    text = make_plan(directory, "openocd", "0670FF").as_text()
    assert (
        text == f"openocd -c 'adapter serial 0670FF' -f board/st_nucleo_f4.cfg -c 'program \"{elf}\" verify reset exit'"
    )
    with pytest.raises(IntrsError, match="knows pyocd, openocd"):
        make_plan(directory, "ssh")
    elf.unlink()
    with pytest.raises(IntrsError, match="build the project first"):
        make_plan(directory)


RUNNERS = [
    (Flash("dfu-util", "0483:df11"), None, "dfu-util -d 0483:df11 -a 0 -s 0x08000000:leave -D {bin}"),
    (Flash("dfu-util", "0483:df11"), "S1", "dfu-util -d 0483:df11 -S S1 -a 0 -s 0x08000000:leave -D {bin}"),
    (Flash("st-flash"), None, "st-flash --connect-under-reset --reset write {bin} 0x08000000"),
    (Flash("st-flash"), "S1", "st-flash --serial S1 --connect-under-reset --reset write {bin} 0x08000000"),
    (Flash("stm32cubeprogrammer", "SWD"), "S1", "STM32_Programmer_CLI -c port=SWD sn=S1 mode=UR -w {elf} -v -rst"),
    (Flash("stm32cubeprogrammer", "USB1"), None, "STM32_Programmer_CLI -c port=USB1 -w {elf} -v -rst"),
    (
        Flash("jlink", "STM32F446RE"),
        "77",
        "JLinkExe -device STM32F446RE -if SWD -speed 4000 -SelectEmuBySN 77 -autoconnect 1 -NoGui 1 -ExitOnError 1 "
        "-CommandFile {jlink}",
    ),
    (
        Flash("probe-rs", "STM32F446RE", ("--speed", "1000")),
        "1366:0101:77",
        "probe-rs download --chip STM32F446RE --probe 1366:0101:77 --speed 1000 --non-interactive --verify {elf}\n"
        "probe-rs reset --chip STM32F446RE --probe 1366:0101:77 --speed 1000 --non-interactive",
    ),
    (
        Flash("esptool", "esp32c3", ("--baud", "460800", "--offset", "0x10000")),
        "/dev/ttyUSB0",
        "esptool.py --chip esp32c3 --port /dev/ttyUSB0 --baud 460800 write_flash 0x10000 {bin}",
    ),
    (
        Flash("command", "bossac", ("--port={where}", "-e", "-w", "-v", "{bin}", "-R")),
        "ttyACM0",
        "bossac --port=ttyACM0 -e -w -v {bin} -R",
    ),
]


@pytest.mark.parametrize(("choice", "where", "expected"), RUNNERS, ids=lambda v: getattr(v, "runner", ""))
def test_the_exact_command_of_each_runner(choice, where, expected, tmp_path):
    board = dataclasses.replace(load_board("nucleo-f446re"), flash=(choice,))
    board = board_from_json(board_to_json(board), "allowed")  # the words are on the list
    image = tmp_path / "a b" / ("intrs.bin" if "{bin}" in expected and choice.runner != "command" else "intrs.elf")
    image.parent.mkdir()
    image.touch()
    text = PLANS[choice.runner](board, choice, image, where).as_text()
    for kind in ("elf", "bin", "jlink"):
        expected = expected.replace(f"{{{kind}}}", f"'{image.with_suffix('.' + kind)}'")
    assert text == expected
    assert NEEDED.get(choice.runner, "intrs.elf") == image.name
    if choice.runner == "jlink":
        assert image.with_suffix(".jlink").read_text() == f'r\nloadfile "{image}"\nr\ng\nexit\n'


def test_a_command_that_needs_a_place_asks_for_it(tmp_path):
    choice = Flash("command", "bossac", ("--port={where}", "-w", "{bin}"))
    with pytest.raises(IntrsError, match="bossac must be told where the board is: --where"):
        PLANS["command"](load_board("nucleo-f446re"), choice, tmp_path / "intrs.elf", None)
    with pytest.raises(IntrsError, match="J-Link cannot be told the path"):
        PLANS["jlink"](load_board("nucleo-f446re"), Flash("jlink", "X"), tmp_path / 'a"b' / "intrs.elf", None)


@pytest.mark.parametrize("board", board_ids())
def test_every_runner_of_every_board_has_a_command(board, tmp_path):
    described = load_board(board)
    for choice in described.flash:
        image = tmp_path / NEEDED.get(choice.runner, "intrs.elf")
        image.touch()
        plan = PLANS[choice.runner](described, choice, image, "place")
        assert plan.runner == choice.runner
        assert plan.as_text()


def test_ssh(tmp_path):
    directory = project(tmp_path, "rpi-4b")
    lines = make_plan(directory, where="pi@kitchen").as_text().splitlines()
    assert lines[0] == f"scp {directory}/build/board/intrs pi@kitchen:intrs.new"
    assert lines[1].startswith("ssh pi@kitchen ")
    with pytest.raises(IntrsError, match="not user@host"):
        make_plan(directory, where="-oProxyCommand=evil")


def test_uf2_is_copied_to_a_boot_loaders_volume_only(tmp_path):
    directory = project(tmp_path, "raspberry-pi-pico")
    volume = tmp_path / "RPI-RP2"
    volume.mkdir()
    with pytest.raises(IntrsError, match="INFO_UF2"):
        flash(directory, where=str(volume))
    (volume / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\n")
    flash(directory, where=str(volume))
    image = (directory / "build/board/intrs.bin").read_bytes()
    assert from_uf2((volume / "intrs.uf2").read_bytes())[0][: len(image)] == image
    with pytest.raises(IntrsError, match="hold BOOTSEL"):
        flash(directory)
    assert make_plan(directory).as_text().startswith(f"cp {directory}/build/board/intrs.uf2 RPI-RP2  #")


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def pretend_model(directory):
    """The project is generated anew, and not built."""
    path = directory / "project.json"
    other = json.loads(path.read_text()) | {"model_hash": "11223345" + "0" * 56}
    path.write_text(json.dumps(other | {"digest": digest(other)}))


def test_over_ssh_the_program_is_asked_who_it_is(tmp_path, monkeypatch, run_cli):
    if shutil.which("qemu-aarch64") is None:
        pytest.skip("qemu-aarch64 is not installed")
    directory, board, tools = project(tmp_path, "rpi-4b"), tmp_path / "home", tmp_path / "bin"
    board.mkdir()
    program(tools, "scp", f'cp "$1" {board}/intrs.new')
    program(
        tools,
        "ssh",
        f"""cd {board}; shift
case "$*" in *info) mv intrs.new intrs && exec qemu-aarch64 ./intrs info;; *) exec qemu-aarch64 $*;; esac""",
    )
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    code, out, _ = run_cli("flash", directory, "--where", "pi@kitchen")
    assert code == 0
    assert "run:ssh pi@kitchen ./intrs (the program just copied) answers with this build's hashes" in out
    pretend_model(directory)
    code, _, err = run_cli("flash", directory, "--where", "pi@kitchen")
    assert code == 2
    assert "flashed, but the check of who answers failed" in err
    assert "model 11223344" in err


def test_the_serial_port_is_asked_by_default(tmp_path, monkeypatch, run_cli):
    directory, tools = project(tmp_path, "lm3s6965evb"), tmp_path / "bin"
    program(tools, "openocd", "exit 0")
    program(tools, "gdb-multiarch", "exit 0")
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    ports = []
    monkeypatch.setattr(flash_module, "usb_serial_ports", lambda: ports)
    assert "NOT checked who answers: no USB serial port was found" in run_cli("flash", directory)[1]
    ports[:] = ["/dev/a", "/dev/b"]
    assert "NOT checked who answers: 2 USB serial ports (/dev/a, /dev/b)" in run_cli("flash", directory)[1]
    assert "NOT checked who answers: --no-verify" in run_cli("flash", directory, "--no-verify")[1]
    with start(directory) as device:
        code, out, _ = run_cli("flash", directory, "--port", device)
        assert (code, f"serial:{device} (--port) answers" in out) == (0, True)
        ports[:] = [device]
        code, out, _ = run_cli("flash", directory)
        assert (code, f"serial:{device} (the only USB serial port) answers" in out) == (0, True)
        pretend_model(directory)
        code, _, err = run_cli("flash", directory)
        assert (code, "model 11223344" in err, err.count("\n")) == (2, True, 1)
    code, _, err = run_cli("flash", directory)  # unplugged
    assert (code, "failed: serial:" in err) == (2, True)


@contextlib.contextmanager
def start(directory):
    """The board in its emulator on a pseudo-terminal, as a user starts it; gives the terminal's name."""
    command = [sys.executable, "-m", "intrs_edge.cli.main", "emulate", str(directory)]
    process = subprocess.Popen(guarded(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process.stdout.readline().split()[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(patient(10))


def test_missing_and_hanging_tools_are_one_line(tmp_path, monkeypatch):
    directory = project(tmp_path, "nrf52840dk")
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(IntrsError, match="pyocd is not installed"):
        flash(directory)
    (tools / "pyocd").write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    (tools / "pyocd").chmod(0o755)
    monkeypatch.setattr(flash_module, "TIMEOUT", 0.3)
    with pytest.raises(IntrsError, match="took longer"):
        flash(directory)
    (tools / "pyocd").write_text("#!/bin/sh\necho no probe >&2\nexit 1\n")
    with pytest.raises(IntrsError, match="pyocd failed: no probe"):
        flash(directory)
