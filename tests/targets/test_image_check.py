"""A flipped bit in flash is seen at start: by the seal of the image, without it by the CRCs of weights and tables."""

import random
import re
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
import small_project as project
import toy_model as toy

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target
from intrs_edge.targets.audit.binary import sections
from intrs_edge.targets.manifest import read_manifest
from intrs_edge.targets.open import open_connection
from intrs_edge.targets.protocol import LinkRefusedError, Message, ProtocolClient

IMAGE = np.random.default_rng(3).integers(0, 256, project.SHAPE, dtype=np.uint8)
TOOLS = "arm-none-eabi-"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return project.build_small(tmp_path_factory.mktemp("small") / "p", "mps2-an386", target_radius="0.1")


@pytest.fixture
def copy(built, tmp_path):
    """A project whose built files may be changed."""
    shutil.copytree(built, tmp_path / "p", ignore=shutil.ignore_patterns("CMakeFiles"))
    return tmp_path / "p"


def place(elf, address):
    """Where in the file the byte at an address is."""
    listing = subprocess.run([f"{TOOLS}objdump", "-h", elf], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        parts = line.split()
        if len(parts) == 7 and parts[0].isdigit():
            size, start, offset = (int(parts[i], 16) for i in (2, 3, 5))
            if start <= address < start + size:
                return offset + address - start
    raise AssertionError(hex(address))


def flip(path, at, bit=0):
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def waits(monkeypatch, seconds=0.5):
    monkeypatch.setattr("intrs_edge.targets.protocol._FIRST_WAITS", (seconds,) * 3)


def test_a_sound_image_is_sealed_and_says_so(built):
    image = (built / "build/board/intrs.bin").read_bytes()
    assert image[-8:] == struct.pack("<I4s", zlib.crc32(image[:-8]), b"SEAL")
    with open_target(built, "emulator") as board, open_target(built, "host") as host:
        assert board.hello.damage == 0
        assert board.hello.data_crc
        assert board.certify(IMAGE, Stream(1, 0)) == host.certify(IMAGE, Stream(1, 0))


@pytest.mark.parametrize("seed", range(4))
def test_no_flipped_bit_of_the_image_gives_an_answer(copy, seed, monkeypatch):
    """Weights, tables, parameters of layers, code, the seal itself: the board says that it is damaged, or nothing."""
    waits(monkeypatch)
    rng, elf = random.Random(seed), copy / "build/board/intrs.elf"
    sound = elf.read_bytes()
    placed = sections(TOOLS, elf)
    for _ in range(5):
        section = placed[rng.choice([".text"] * 9 + [".seal"])]
        flip(elf, place(elf, section.run + rng.randrange(section.size)), rng.randrange(8))
        with pytest.raises(IntrsError, match=r"is damaged|are damaged|no answer|is at fault|too short"):
            open_target(copy, "emulator").close()
        elf.write_bytes(sound)


def test_without_a_seal_weights_and_tables_are_still_checked(copy, monkeypatch):
    waits(monkeypatch)
    elf = copy / "build/board/intrs.elf"
    at = place(elf, sections(TOOLS, elf)[".seal"].run)
    data = bytearray(elf.read_bytes())
    data[at : at + 8] = bytes(8)
    elf.write_bytes(data)
    open_target(copy, "emulator").close()  # the control: an image without a seal runs
    listing = subprocess.run([f"{TOOLS}nm", elf], capture_output=True, text=True, check=True).stdout
    names = {parts[-1]: int(parts[0], 16) for parts in map(str.split, listing.splitlines()) if len(parts) == 3}
    for name in ("intrs_noise_lo", "intrs_bound_values", "intrs_jump_table", "intrs_input_map", "intrs_gates"):
        at = place(elf, names[name])
        flip(elf, at)
        with pytest.raises(IntrsError, match="weights or tables in flash are damaged; flash it again"):
            open_target(copy, "emulator")
        flip(elf, at)
    open_target(copy, "emulator").close()


def weights(path):
    """Where the first weights lie in a file: bytes that the generated text names."""
    text = (path / "host/intrs_model.c").read_text()
    body = re.split(r"\w+_weights\[", text, maxsplit=1)[1].split("{", 1)[1].split("}", 1)[0]
    return np.array([int(v) for v in body.replace("\n", "").split(",")], np.int8).tobytes()


def test_a_damaged_host_library_is_refused(copy):
    library = copy / "build/host/libintrs.so"
    flip(library, library.read_bytes().index(weights(copy)) + 3)
    with pytest.raises(IntrsError, match="weights or tables are damaged; build the project again"):
        open_target(copy, "host")


def test_a_damaged_program_computes_nothing(copy, tmp_path):
    """The hello tells it, every request that would compute is refused, the rest is answered."""
    program = copy / "build/host/intrs"
    flip(program, program.read_bytes().index(weights(copy)))
    manifest = read_manifest(copy)
    with pytest.raises(IntrsError, match="weights or tables in flash are damaged"):
        open_target(copy, f"run:{program}")
    connection = open_connection(copy, manifest, f"run:{program}")
    client = ProtocolClient(connection)
    hello = client.hello()
    assert hello.damage == -5
    client.request(Message.WRITE, bytes(4) + IMAGE.tobytes())
    lead = struct.pack("<III", hello.model_hash, hello.table_hash, zlib.crc32(IMAGE.tobytes()))
    for kind, rest in (
        (Message.INFER, b""),
        (Message.VOTES, struct.pack("<IQIII", 0, 1, 0, 1, 0)),
        (Message.PREDICT, struct.pack("<IQI", 0, 1, 0)),
        (Message.CERTIFY, struct.pack("<IQII", 0, 1, 0, 0)),
    ):
        with pytest.raises(LinkRefusedError, match="are damaged; flash it again"):
            client.request(kind, lead + rest)
    connection.close()
    (tmp_path / "image").write_bytes(IMAGE.tobytes())
    done = subprocess.run(
        [program, "certify", tmp_path / "image", "1", "0"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "weights or tables are damaged" in done.stderr


def test_an_image_with_initialised_data_is_sealed_whole(copy):
    """No variable of the firmware is initialised today; a port or a user's may be."""
    main = copy / "runtime/ports/bare/main.c"
    head = "int main(void)\n{\n"
    assert head in main.read_text()
    data = "volatile unsigned char started[37] = {7};\n\n"
    main.write_text(main.read_text().replace(head, f"{data}{head}    started[1] = 1;\n"))
    subprocess.run(["cmake", "-S", copy, "-B", copy / "again", "-G", "Ninja"], capture_output=True, check=True)
    done = subprocess.run(["cmake", "--build", copy / "again"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    elf = copy / "again/board/intrs.elf"
    placed = sections(TOOLS, elf)
    assert placed[".data"].size >= 37
    image = (copy / "again/board/intrs.bin").read_bytes()
    assert image[-8:] == struct.pack("<I4s", zlib.crc32(image[:-8]), b"SEAL")
    shutil.copy(elf, copy / "build/board/intrs.elf")
    open_target(copy, "emulator").close()


def test_an_older_firmware_is_named(tmp_path, monkeypatch):
    """Its answer comes in its own version, and says that it does not know ours."""
    built = toy.toy_project(tmp_path)
    monkeypatch.setattr("intrs_edge.targets.protocol.VERSION", 9)
    with pytest.raises(LinkRefusedError, match="another version of the protocol; build and flash it again"):
        open_target(built, f"run:{built}/build/host/intrs")
