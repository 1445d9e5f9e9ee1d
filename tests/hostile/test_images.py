"""Small image, array and data-set files that promise much: one line, or the right answer, below 1 GB and ten
seconds."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from limited import Limited
from PIL import Image

from intrs_edge.datasets import load_images
from intrs_edge.datasets.cifar10 import read_python_batch
from intrs_edge.datasets.folder import MAX_PIXELS
from intrs_edge.errors import IntrsError

LOAD = "intrs_edge.datasets:load_images"


def png(path: Path, width: int, height: int, value: int, colour: int = 0) -> Path:
    """A flat PNG (colour 0: grey, 2: RGB), written without holding it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    line = b"\0" + bytes([value]) * (width * (3 if colour else 1))
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    return path


def test_the_largest_image_is_resized(limited: Limited, tmp_path: Path) -> None:
    path = png(tmp_path / "line.png", MAX_PIXELS, 1, 77, colour=2)
    assert path.stat().st_size < 1 << 20
    limited.call(LOAD, str(path), shape=(32, 32, 3)).done()


@pytest.mark.parametrize("size", [(89_000_000, 1), (1, 89_000_000), (9000, 9000)])
def test_a_larger_one_is_refused(limited: Limited, tmp_path: Path, size: tuple[int, int]) -> None:
    path = png(tmp_path / "line.png", 1, 1, 7)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", *size)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)
    limited.call(LOAD, str(path), shape=(32, 32, 3)).refused("line.png", f"{size[0]}x{size[1]} pixels", "scale it down")


def test_what_a_large_image_becomes_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting tile by tile changes nothing: against Pillow's whole conversion, in every mode."""
    monkeypatch.setattr("intrs_edge.datasets.folder._TILE", 150)
    noise = np.random.default_rng(0).integers(0, 256, (21, 60, 4), np.uint8)
    for mode, end in (
        ("RGBA", "png"),
        ("RGB", "png"),
        ("LA", "png"),
        ("L", "png"),
        ("1", "png"),
        ("RGB", "jpg"),
        ("CMYK", "jpg"),
    ):
        image = Image.fromarray(noise).convert(mode)
        image.save(tmp_path / f"{mode}.{end}")
        for channels, plain in ((1, "L"), (3, "RGB")):
            with Image.open(tmp_path / f"{mode}.{end}") as whole:
                expected = np.asarray(whole.convert(plain)).reshape(21, 60, channels)
            found = load_images(str(tmp_path / f"{mode}.{end}"), shape=(21, 60, channels)).images[0]
            assert np.array_equal(found, expected), (mode, channels)


def test_a_jpeg_of_many_scans_is_refused(limited: Limited, tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("L", (64, 64)).save(out, "JPEG", progressive=True)
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", 8000, 8000)
    last = data.rindex(b"\xff\xda")
    (tmp_path / "a.jpg").write_bytes(data[:-2] + data[last:-2] * 2000 + data[-2:])
    limited.call(LOAD, str(tmp_path / "a.jpg"), shape=(32, 32, 1)).refused("a.jpg", "scans of 64000000 pixels")


def test_a_folder_larger_than_memory_is_refused(limited: Limited, tmp_path: Path) -> None:
    png(tmp_path / "000.png", 4096, 4096, 1)
    for number in range(1, 200):
        (tmp_path / f"{number:03}.png").symlink_to(tmp_path / "000.png")
    limited.call(LOAD, str(tmp_path)).refused("200 images of its 4096x4096")


def npy(path: Path, descr: str, shape: str, data: bytes = b"") -> Path:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data)
    return path


@pytest.mark.parametrize(
    ("descr", "shape"),
    [
        ("'|u1'", "(3000000000, 3, 3, 3)"),
        ("'|u1'", f"({2**40}, {2**40})"),
        ("'|u1'", f"({2**63}, 2)"),
        ("'|u1'", "(-1, 4)"),
        ("'|u1'", "((1, 2), 3)"),
        ("'|O'", "(1,)"),
        ("[('a', '|u1', (1000, 1000, 1000))]", "(5,)"),
        ("'|u1'", "(" * 3000 + ")" * 3000),
        ("-" * 9000 + "1", "(1,)"),
    ],
)
def test_headers_of_arrays(limited: Limited, tmp_path: Path, descr: str, shape: str) -> None:
    path = npy(tmp_path / "a.npy", descr, shape, bytes(64))
    limited.call(LOAD, str(path)).refused("a.npy", "not a readable .npy file")


def test_gzip_bombs(limited: Limited, tmp_path: Path) -> None:
    head = struct.pack(">BBBBIII", 0, 0, 8, 3, 1, 1, 1)
    bomb = gzip.compress(head + bytes(200_000_000), 1)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(bomb)
    limited.call(LOAD, "fashion-mnist:test", tmp_path).refused("more bytes of data where its header promises 1")
    huge = gzip.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, 60000, 2800, 2800) + bytes(900_000), 1)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(huge)
    limited.call(LOAD, "fashion-mnist:test", tmp_path).refused("its header promises 470400000000 bytes")


class _Reconstructed:
    """Pickled as numpy's own constructors: an array of a size that no byte backs."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __reduce__(self):
        return np.ndarray, (self.shape, np.dtype("uint8"))


class _Codec:
    def __reduce__(self):
        import _codecs

        return _codecs.encode, ("\u1234" * 300_000, "punycode")


def test_pickled_batches(limited: Limited, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {b"data": _Reconstructed((500_000, 3072)), b"labels": list(range(10)) * 50_000}
    (folder / "test_batch").write_bytes(pickle.dumps(batch))
    limited.call(LOAD, "cifar10:test", tmp_path).refused("promises 500000 images, more than its")
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": _Codec()}))
    limited.call(LOAD, "cifar10:test", tmp_path).refused("the codec 'punycode'")
    (folder / "test_batch").write_bytes(b"(" * 100_000)
    with pytest.raises(IntrsError, match="not a CIFAR-10 Python batch"):
        read_python_batch(folder / "test_batch")
