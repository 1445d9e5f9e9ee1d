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
    board_template,
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
    later = "blackpill-f411ce nucleo-l476rg nrf5340dk"
    others = "lm3s6965evb raspberry-pi-pico raspberry-pi-pico2 rpi-3b rpi-4b rpi-5 rpi-zero-2w host"
    assert set(f"{emulated} {real} {later} {others}".split()) <= set(board_ids())
    assert all(load_board(b).status == "built" for b in f"{real} {later}".split())
    assert all(load_board(b).status == "emulated" for b in emulated.split())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "mine"', 'id = "mine"\ncolour = "red"', "unknown field colour; known: id, name"),
        ('id = "mine"', "", "field id is missing: short name"),
        ('id = "mine"', "id = 7", "id = 7 must be a string"),
        ('id = "mine"', 'id = "My Board"', "must be 1 to 31 lower-case"),
        ('"built"', '"works"', "status = 'works' is not one of 'emulated', 'built', 'library', 'host'"),
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
        ('id = "mine"', 'id = "mine"\ncflags = ["-O2; rm -rf /"]', "cflags: '-O2; rm -rf /' is not on the list"),
        ("size = 0x1000", "size = 0", r"memory\[0\]: size = 0 must be within 1"),
        ("size = 0x1000", "size = -5", "size = -5 must be within 1"),
        ("size = 0x1000", f"size = {2**70}", "size = 1180591620717411303424 must be within 1"),
        ("size = 0x1000", "size = 0x1" + "0" * 5000, "size = a number of 20001 bits must be within"),
        ("clock_hz = 25_000_000", "clock_hz = 0", "uart: clock_hz = 0 must be within 1"),
        ("clock_hz = 25_000_000", "clock_hz = 100_000", "uart: clock_hz = 100000 must be within 16 baud"),
        ("clock_hz = 25_000_000", "clock_hz = 25_000_000, baud = 0", "baud = 0 must be within"),
        ('id = "mine"', 'id = "mine"\nclock_hz = -1', "clock_hz = -1 must be within 0"),
        ('id = "mine"', 'id = "mine"\ncycles_per_instruction = nan', "cycles_per_instruction = nan must be within"),
        ('id = "mine"', f'id = "mine"\ncycles_per_instruction = {10**400}', "must be a number"),
        ('id = "mine"', 'id = "mine"\nstack_bytes = 0', "stack_bytes = 0 must be within"),
        ('id = "mine"', 'id = "mine"\nwatchdog = [-1, 2]', r"watchdog\[0\] = -1 must be within"),
        ('id = "mine"', 'id = "mine"\nstartup = [["set", 1, 4294967296]]', r"startup\[0\]\[2\] = 4294967296 must be"),
        ('id = "mine"', f'id = "mine"\nisa = {["dsp"] * 1001}', "isa has 1001 entries"),
        ("My board", "a" * 1001, "name = .* must be one printable line"),
        ("My board", "\\u001b[31mred", "name = .* must be one printable line"),
        ('"cortex-m4"', '"cortex-m4 -fplugin=x"', "must be a core's name"),
        ('id = "mine"', f'id = "mine"\nisa.{"a." * 6000}a = 1', "isa must be a list|nested too deeply"),
        ('id = "mine"', f"id.{'a.' * 6000}a = 1", r"id = \{'a': .* must be a string|nested too deeply"),
        ('id = "mine"', f"{'a' * 9000} = 1", "unknown field aaa"),
        ('id = "mine"', f"isa = {'[' * 5000}{']' * 5000}", "nested too deeply"),
        ('id = "mine"', f"clock_hz = {'9' * 5000}", "not TOML"),
        ('id = "mine"', "#" * (1 << 14), "longer than 16384 bytes"),
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


@pytest.mark.parametrize(
    ("cpu", "isa", "flag", "words"),
    [
        ("cortex-m3", ["dsp"], "-mcpu=cortex-m3", "a cortex-m3 cannot have 'dsp'; it may have none"),
        ("cortex-m33", ["mve"], "-mcpu=cortex-m33", "a cortex-m33 cannot have 'mve'; it may have dsp"),
        ("cortex-m4", ["dsp", "neon"], "-mcpu=cortex-m4", "a cortex-m4 cannot have 'neon'"),
        ("cortex-m55", ["mve"], "-mcpu=cortex-m55", "mve needs dsp"),
        ("cortex-m33", ["dsp"], "-mcpu=cortex-m33+nofp+nodsp", "isa has dsp, but cflags turn it off"),
        ("cortex-m33", [], "-mcpu=cortex-m33+nofp", r"without dsp needs -mcpu=cortex-m33\+nodsp in cflags"),
        ("cortex-m35p", [], "-mcpu=cortex-m35p", r"without dsp needs -mcpu=cortex-m35p\+nodsp"),
        ("cortex-m55", ["dsp"], "-mcpu=cortex-m55+nofp", r"without mve needs -mcpu=cortex-m55\+nomve"),
        ("aarch64", ["dsp"], "-mcpu=cortex-a72", "a aarch64 cannot have 'dsp'; it may have neon, dotprod"),
    ],
)
def test_what_a_core_cannot_have_is_refused_by_name(cpu, isa, flag, words):
    text = GOOD.replace('"cortex-m4"', f'"{cpu}"\nisa = {isa}\ncflags = ["{flag}", "-mthumb"]', 1)
    with pytest.raises(IntrsError, match=words):
        parse_board(text, "my.toml")


def test_what_a_core_may_have_is_taken():
    for cpu, isa, flag in (
        ("cortex-m33", [], "-mcpu=cortex-m33+nofp+nodsp"),
        ("cortex-m33", ["dsp"], "-mcpu=cortex-m33+nofp"),
        ("cortex-m4", [], "-mcpu=cortex-m4+nofp"),
        ("cortex-m55", ["dsp"], "-mcpu=cortex-m55+nomve"),
        ("cortex-m85", ["dsp", "mve"], "-march=armv8.1-m.main+mve"),
        ("cortex-m85", ["dsp"], "-march=armv8.1-m.main+dsp"),
    ):
        text = GOOD.replace('"cortex-m4"', f'"{cpu}"\nisa = {isa}\ncflags = ["{flag}"]', 1)
        assert parse_board(text).isa == tuple(isa)


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
    for text in ("{", "[]", '{"id": 3}', '{"id":' * 5000):
        with pytest.raises(IntrsError, match=r"board\.json"):
            board_from_json(text, "board.json")


EVIL = """
-fplugin=evil.so -fplugin-arg-evil-x -specs=evil.specs --specs=evil -B/tmp -B. -wrapper gdb,--args
-include/etc/passwd -include -imacros -I/tmp -I. -isystem/tmp -L/tmp -T/tmp/x.ld -Wl,-T,x -Wl,--plugin=x
-Wa,-x -Wp,-x -Xlinker -Xassembler -Xclang -load -mllvm -mllvm=-load=x @file -o -o/tmp/x -x c -save-temps
-save-temps=obj -dumpdir -MF/tmp/x -MD -fprofile-use=/tmp/x -fprofile-dir=/tmp -fdump-tree-all
-fcallgraph-info -DINTRS_N=1 -UINTRS_N -D/ -mcpu=../x -mcpu=cortex-m4,-fplugin=x -pipe -static -shared
-l/tmp/x -lx evil.o /tmp/evil.o -flto-partition=/x -flto=auto -fuse-ld=x --sysroot=/tmp -no-integrated-cpp -O9
-ffast-math -funsigned-char -fno-builtin-x -gsplit-dwarf -Wno-error=x,y -
"""


@pytest.mark.parametrize("flag", ["", "-mcpu=x y", "-O2 -fplugin=x", *EVIL.split()])
def test_flags_that_name_files_or_programs_are_refused(flag):
    with pytest.raises(IntrsError, match=r"cflags: .* is not on the list") as error:
        board_from_json(board_to_json(dataclasses.replace(parse_board(GOOD), cflags=("-mthumb", flag))), "b")
    assert str(error.value).isprintable()


def test_flags_that_a_board_may_need_are_taken():
    flags = """-mcpu=cortex-m33+nofp+nodsp -mthumb -mfloat-abi=soft -march=armv8.1-m.main+mve -march=rv32imc_zicsr
    -mabi=ilp32 -mlongcalls -mno-unaligned-access -mstrict-align -O0 -Og -Os -g -fno-omit-frame-pointer -flto
    -fno-schedule-insns2 -ffixed-r9 -Wno-psabi"""
    board = dataclasses.replace(parse_board(GOOD), cflags=tuple(flags.split()))
    assert board_from_json(board_to_json(board), "b") == board


@pytest.mark.parametrize(
    "emulator",
    [
        Emulator("sh", "x", ("-c", "id")),
        Emulator("/tmp/qemu-system-arm", "mps2-an386"),
        Emulator("../qemu-arm"),
        Emulator("", "x"),
        Emulator("qemu-system-arm", "mps2-an386,accel=/x"),
        Emulator("qemu-system-arm", "-drive"),
        Emulator("qemu-system-arm", "x", ("-drive", "file=/etc/passwd")),
        Emulator("qemu-system-arm", "x", ("-cpu", "-monitor")),
        Emulator("qemu-system-arm", "x", ("-cpu",)),
        Emulator("rp2040js", "", ("-r", "evil")),
    ],
)
def test_emulators_are_a_list(emulator):
    with pytest.raises(IntrsError, match=r"emulator: .* is not on the list"):
        board_from_json(board_to_json(dataclasses.replace(parse_board(GOOD), emulator=emulator)), "b")


@pytest.mark.parametrize(
    "flash",
    [
        Flash("openocd", "/tmp/evil.cfg"),
        Flash("openocd", "target/../../evil.cfg"),
        Flash("openocd", "evil.cfg"),
        Flash("openocd", "board/a.cfg", ("-c", "exec id")),
        Flash("openocd", "board/a.cfg", ("-f", "../evil.cfg")),
        Flash("pyocd", "x", ("--script", "evil.py")),
        Flash("pyocd", "--script"),
        Flash("pyocd", ""),
        Flash("uf2", "../../home/me"),
        Flash("uf2", ""),
        Flash("ssh", "-oProxyCommand=id"),
        Flash("ssh", "me@-oProxyCommand=id"),
        Flash("ssh", "me@host", ("-oProxyCommand=id",)),
        Flash("gdb", "x"),
        Flash("gdb", "", ("-ex", "shell id")),
        Flash("dfu-util", "0483:df11 -D /etc/passwd"),
        Flash("dfu-util", "0483:df11", ("-D", "/etc/passwd")),
        Flash("st-flash", "x"),
        Flash("st-flash", "", ("read", "x")),
        Flash("stm32cubeprogrammer", "SWD -el evil.stldr"),
        Flash("stm32cubeprogrammer", "SWD", ("-el", "evil.stldr")),
        Flash("jlink", "X", ("-CommandFile", "/tmp/evil")),
        Flash("jlink", "-CommandFile"),
        Flash("jlink", ""),
        Flash("probe-rs", "X", ("--chip-description-path", "/tmp/evil")),
        Flash("probe-rs", "--chip"),
        Flash("esptool", "esp32", ("--offset", "0x0 /etc/passwd")),
        Flash("esptool", "esp32", ("--before", "/tmp/evil")),
        Flash("command", "sh", ("-c", "id")),
        Flash("command", "/usr/bin/bossac", ("-w", "{bin}")),
        Flash("command", "", ("{bin}",)),
        Flash("command", "bossac", ("-w", "/etc/passwd")),
        Flash("command", "bossac", ("--port=/dev/sda", "-w", "{bin}")),
        Flash("command", "bossac", ("-w", "{bin}; id")),
        Flash("command", "nrfjprog", ("--script", "x")),
        Flash("command", "picotool", ("load", "{elf}", "")),
    ],
)
def test_programmers_take_what_is_listed(flash):
    with pytest.raises(IntrsError, match=r"flash: .* is not a target or option of"):
        board_from_json(board_to_json(dataclasses.replace(parse_board(GOOD), flash=(flash,))), "b")


def test_a_file_to_start_from_is_the_board():
    for board in board_ids():
        text = board_template(board)
        assert text.startswith(f"# The description of {board}, to start your own from")
        assert parse_board(text) == load_board(board)
    with pytest.raises(IntrsError, match="unknown board"):
        board_template("nosuch")


def test_boards_toml_prints_it(run_cli, tmp_path):
    code, out, _ = run_cli("boards", "nucleo-f446re", "--toml")
    assert (code, out) == (0, board_template("nucleo-f446re"))
    mine = tmp_path / "mine.toml"
    mine.write_text(out.replace('id = "nucleo-f446re"', 'id = "mine"'))
    assert load_board(str(mine)).id == "mine"
    code, _, err = run_cli("boards", "--toml")
    assert (code, err.count("\n")) == (2, 1)
    assert "name one that is like yours" in err
