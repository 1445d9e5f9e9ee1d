"""Boards as data: every shipped one is sound, every wrong field is named."""

import dataclasses

import pytest

from intrs_edge.boards import (
    Board,
    Emulator,
    Flash,
    Memory,
    Uart,
    board_from_json,
    board_ids,
    board_to_json,
    load_board,
    parse_board,
)
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped

GOOD = """
id = "mine"
name = "My board"
status = "built"
os = "none"
cpu = "cortex-m4"
port = "cortexm"
memory = [
    { name = "flash", kind = "flash", origin = 0, size = 0x1000 },
    { name = "ram", kind = "ram", origin = 0x20000000, size = 0x1000 },
]
uart = { driver = "cmsdk", base = 0x40004000, clock_hz = 25_000_000 }
"""


@pytest.mark.parametrize("board", board_ids())
def test_every_shipped_board_loads_under_its_own_name(board):
    loaded = load_board(board)
    assert loaded.id == board
    path = shipped("boards") / f"{board}.toml"
    assert len(path.read_text().splitlines()) <= 40
    assert loaded.status != "emulated" or loaded.emulator is not None
    assert loaded.cycles_source or board == "host"
    assert load_board(str(path)) == loaded
    assert board_from_json(board_to_json(loaded), board) == loaded


def test_the_boards_that_were_promised_are_there():
    emulated = "mps2-an385 mps2-an386 mps2-an500 mps2-an505 mps3-an547 netduinoplus2 stm32vldiscovery microbit"
    real = "nucleo-f446re nucleo-h743zi nucleo-l4r5zi stm32f746g-disco b-u585i-iot02a nrf52840dk microbit-v2"
    others = "lm3s6965evb raspberry-pi-pico raspberry-pi-pico2 rpi-3b rpi-4b rpi-5 rpi-zero-2w host"
    assert set(f"{emulated} {real} {others}".split()) <= set(board_ids())
    assert all(load_board(b).status == "built" for b in real.split())
    assert all(load_board(b).status == "emulated" for b in emulated.split())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "mine"', 'id = "mine"\ncolour = "red"', "unknown field colour; known: id, name"),
        ('id = "mine"', "", "field id is missing: short name"),
        ('id = "mine"', "id = 7", "id = 7 must be a string"),
        ('id = "mine"', 'id = "My Board"', "must be 1 to 31 lower-case"),
        ('"built"', '"works"', "status = 'works' is not one of 'emulated', 'built', 'host'"),
        ("origin = 0,", 'origin = "0",', r"memory\[0\]: origin = '0' must be an integer"),
        ("origin = 0,", "origin = true,", r"memory\[0\]: origin = True must be an integer"),
        ("origin = 0,", "origin = 0x20000800,", "memory flash and ram overlap|memory ram and flash overlap"),
        ("origin = 0,", "origin = 0xfffffff0,", "memory flash must lie within 32 bits"),
        ('kind = "flash"', 'kind = "rom"', r"memory\[0\]: kind = 'rom' is not one of"),
        ('name = "ram"', 'name = "Ram 1"', "memory name 'Ram 1'"),
        ('name = "ram"', 'name = "flash"', "memory names must differ"),
        ('"cmsdk"', '"usb"', "uart: driver = 'usb' is not one of"),
        ("memory = [", "memory = 5\nx = [", "unknown field x"),
        ("memory = [", "flash = 3\nmemory = [", "flash must be a list"),
        ('id = "mine"', 'id = "mine"\ncflags = ["-O2; rm -rf /"]', "flag '-O2; rm -rf /' has characters"),
        ('id = "mine"', 'id = "mine"\ntoolchain = "/tmp/x"', "toolchain"),
        ('id = "mine"', 'id = "mine"\narena = "flash"', "arena = 'flash' is not the name of a ram"),
        ('id = "mine"', 'id = "mine"\nframe_bytes = 20', "frame_bytes = 20 must be within 128"),
        ('id = "mine"', 'id = "mine"\nstartup = [["jump", 1, 2]]', "startup operation 'jump'"),
        ('id = "mine"', 'id = "mine"\nstartup = [["set", 1]]', r"startup\[0\] must have 3 entries"),
        ('id = "mine"', 'id = "mine"\nemulator = 4', "emulator: must be a table"),
        ('id = "mine"', "id = ", "not TOML"),
        ("My board", "*/ int x; /*", "must be one line without"),
        ('kind = "ram"', 'kind = "flash"', "needs a flash and a ram"),
    ],
)
def test_what_is_wrong_is_named(old, new, words):
    with pytest.raises(IntrsError, match=words) as error:
        parse_board(GOOD.replace(old, new, 1), "my.toml")
    assert str(error.value).startswith("my.toml")
    assert "\n" not in str(error.value)


def test_a_users_file_by_path(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert load_board(str(path)).flash_bytes == 0x1000
    with pytest.raises(IntrsError, match="no such file"):
        load_board(str(tmp_path / "other.toml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(IntrsError, match="board file"):
        load_board(str(path))
    for name in ("nosuch", "../boards/host", ""):
        with pytest.raises(IntrsError, match="unknown board"):
            load_board(name)


@pytest.mark.parametrize("cls", [Board, Emulator, Flash, Memory, Uart])
def test_every_field_is_explained(cls):
    for field in dataclasses.fields(cls):
        assert len(field.metadata["help"]) >= 4


def test_the_arena_may_have_a_memory_of_its_own():
    text = GOOD.replace(
        "]\nuart", '    { name = "psram", kind = "ram", origin = 0x60000000, size = 0x8000 },\n]\narena = "psram"\nuart'
    )
    board = parse_board(text)
    assert (board.ram_bytes, board.data_ram_bytes) == (0x8000, 0x1000)


def test_damaged_json_is_one_line():
    for text in ("{", "[]", '{"id": 3}'):
        with pytest.raises(IntrsError, match=r"board\.json"):
            board_from_json(text, "board.json")
