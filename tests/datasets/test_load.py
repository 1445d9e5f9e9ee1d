"""The image syntax, the embedded digits, and every published format written small and read back."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intrs_edge.datasets import load_images
from intrs_edge.datasets.load import chosen, parse_spec
from intrs_edge.datasets.resize import fitted
from intrs_edge.errors import IntrsError


def test_digits_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets")
    raw = sklearn.load_digits()
    train, test = load_images("digits:train"), load_images("digits")
    assert (len(train), len(test)) == (1438, 359)
    images = np.zeros((1797, 8, 8, 1), np.uint8)
    labels = np.zeros(1797, np.int64)
    is_test = np.arange(1797) % 5 == 4
    images[is_test], images[~is_test] = test.images, train.images
    labels[is_test], labels[~is_test] = test.labels, train.labels
    assert np.array_equal(images[..., 0], np.floor(raw.images * 255 / 16 + 0.5))
    assert np.array_equal(labels, raw.target)
    assert images.max() == 255


def test_a_slice_keeps_the_numbers_of_the_split():
    whole, part = load_images("digits:test"), load_images("digits:test[10:40:10]")
    assert part.ids.tolist() == [10, 20, 30]
    assert part.ids.dtype == np.uint32
    assert np.array_equal(part.images, whole.images[[10, 20, 30]])
    assert np.array_equal(part.labels, whole.labels[[10, 20, 30]])
    assert part.shape == (8, 8, 1)
    assert part.name == "digits:test"


@pytest.mark.parametrize(
    ("select", "expected"),
    [(None, [0, 1, 2, 3, 4]), ("1:3", [1, 2]), ("::2", [0, 2, 4]), ("-2:", [3, 4]), ("3", [3]), ("4, 0", [4, 0])],
)
def test_slices(select, expected):
    assert list(chosen(select, 5, "x")) == expected


@pytest.mark.parametrize("select", ["", "a", "1:b", "1:2:3:4", "::0", "5", "3:3", "1,", "2,2", "4,-1"])
def test_bad_slices_are_named(select):
    with pytest.raises(IntrsError, match=r"^x: "):
        chosen(select, 5, "x")


def test_parse_spec(tmp_path):
    assert (parse_spec("cifar10:test[::100]").name, parse_spec("cifar10:test[::100]").split) == ("cifar10", "test")
    odd = tmp_path / "odd[0]"
    odd.mkdir()
    assert parse_spec(str(odd)).name == str(odd)
    assert parse_spec(f"{odd}[1]").select == "1"


@pytest.mark.parametrize("spec", ["", "no-such-set", "digits:validation", "no/such/file.png", "[3]"])
def test_unknown_images_are_one_line(spec):
    with pytest.raises(IntrsError) as caught:
        load_images(spec)
    assert "\n" not in str(caught.value)


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(IntrsError, match="8x8x1, the model takes 32x32x3"):
        load_images("digits", shape=(32, 32, 3))


# Fashion-MNIST -------------------------------------------------------------------------------------------------------


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


@pytest.fixture
def fashion(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    images, labels = rng.integers(0, 256, (6, 28, 28), np.uint8), rng.integers(0, 10, 6).astype(np.uint8)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", labels)
    return tmp_path, images, labels


def test_fashion_mnist(fashion):
    root, images, labels = fashion
    read = load_images("fashion-mnist:test[1:4]", root)
    assert np.array_equal(read.images[..., 0], images[1:4])
    assert read.labels.tolist() == labels[1:4].tolist()
    assert len(read.classes) == 10


def test_a_missing_set_says_where_to_get_it_and_its_hash(tmp_path):
    with pytest.raises(IntrsError, match=r"amazonaws.*SHA-256 346e55b9[0-9a-f]{56}.*--data-dir"):
        load_images("fashion-mnist", tmp_path)
    with pytest.raises(IntrsError, match=r"toronto.*SHA-256 c4a38c50[0-9a-f]{56}"):
        load_images("cifar10", tmp_path)
    with pytest.raises(IntrsError, match=r"data\.caltech\.edu.*SHA-256 af6ece2f[0-9a-f]{56}"):
        load_images("caltech101", tmp_path)


@pytest.mark.parametrize("cut", [0, 1, 9, 40, -9, -1])
def test_truncated_idx_files_are_one_line(fashion, cut):
    root, _, _ = fashion
    path = root / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(IntrsError, match="t10k-images"):
        load_images("fashion-mnist", root)


def test_an_idx_header_that_promises_too_much_is_refused(fashion):
    root, _, _ = fashion
    path = root / "fashion-mnist" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)))
    with pytest.raises(IntrsError, match="its header promises"):
        load_images("fashion-mnist", root)


def test_images_and_labels_must_match(fashion):
    root, _, _ = fashion
    write_idx(root / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz", np.zeros(5, np.uint8))
    with pytest.raises(IntrsError, match="6 images but 5 labels"):
        load_images("fashion-mnist", root)


# CIFAR-10 ------------------------------------------------------------------------------------------------------------


def cifar_batch(seed: int):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (4, 3072), np.uint8), rng.integers(0, 10, 4).astype(np.uint8)


def test_cifar10_binary_and_python_batches_give_the_same_images(tmp_path):
    binary, python = tmp_path / "b" / "cifar-10-batches-bin", tmp_path / "p" / "cifar-10-batches-py"
    binary.mkdir(parents=True)
    python.mkdir(parents=True)
    for k, name in enumerate(
        ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
    ):
        pixels, labels = cifar_batch(k)
        (binary / f"{name}.bin").write_bytes(np.concatenate([labels[:, None], pixels], 1).tobytes())
        batch = {b"data": pixels, b"labels": labels.tolist(), b"batch_label": b"x", b"filenames": [b"f"] * 4}
        (python / name).write_bytes(pickle.dumps(batch, protocol=2))
    for split, count in (("train", 20), ("test", 4)):
        one, two = load_images(f"cifar10:{split}", tmp_path / "b"), load_images(f"cifar10:{split}", tmp_path / "p")
        assert one.images.shape == (count, 32, 32, 3)
        assert np.array_equal(one.images, two.images)
        assert np.array_equal(one.labels, two.labels)
    pixels, labels = cifar_batch(5)
    assert one.images[2, 5, 7].tolist() == [pixels[2, c * 1024 + 5 * 32 + 7] for c in range(3)]
    assert one.labels.tolist() == labels.tolist()


@pytest.mark.parametrize("content", [b"", b"x" * 3072, b"\x0a" + b"x" * 3072])
def test_a_damaged_binary_batch_is_one_line(tmp_path, content):
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(IntrsError):
        load_images("cifar10", tmp_path)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("pwned"),))


def test_a_hostile_pickle_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    batch = {b"data": Evil(), b"labels": [0]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(IntrsError, match="no CIFAR-10 batch needs"):
        load_images("cifar10", tmp_path)
    assert not (tmp_path / "pwned").exists()
    pickle.loads((tmp_path / "test_batch").read_bytes())  # the control: an unrestricted load does run it
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02}", b"not a pickle", pickle.dumps({b"data": 3, b"labels": [1]}), pickle.dumps([])]
)
def test_a_damaged_python_batch_is_one_line(tmp_path, content):
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(IntrsError, match="not a CIFAR-10 Python batch"):
        load_images("cifar10", tmp_path)


# folders, files, arrays ----------------------------------------------------------------------------------------------


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(1)
    root = tmp_path / "photos"
    for name in ("b-dog", "a-cat"):
        (root / name).mkdir(parents=True)
        for k in range(10):
            Image.fromarray(rng.integers(0, 256, (6, 9, 3), np.uint8)).save(root / name / f"{k}.png")
    (root / "notes.txt").write_text("not an image")
    return root


def test_a_folder_by_class(photos):
    images = load_images(str(photos))
    assert images.classes == ("a-cat", "b-dog")
    assert images.labels.tolist() == [0] * 10 + [1] * 10
    assert images.images.shape == (20, 6, 9, 3)
    first = np.asarray(Image.open(photos / "a-cat" / "0.png"))
    assert np.array_equal(images.images[0], first)


def test_a_slice_of_a_folder_decodes_only_that_slice(photos):
    (photos / "a-cat" / "3.png").write_bytes(b"broken")
    assert len(load_images(f"{photos}[0:3]")) == 3
    with pytest.raises(IntrsError, match=r"3\.png: not a readable"):
        load_images(f"{photos}[0:4]")


def test_the_split_of_a_folder_is_80_20_disjoint_and_by_seed(photos):
    def pixels(split: str, seed: int) -> set[bytes]:
        return {image.tobytes() for image in load_images(f"{photos}:{split}", split_seed=seed).images}

    train, test = pixels("train", 0), pixels("test", 0)
    assert (len(train), len(test)) == (16, 4)
    assert not train & test
    assert pixels("test", 0) == test
    assert pixels("test", 1) != test
    assert load_images(f"{photos}:test").labels.tolist() == [0, 0, 1, 1]


def test_a_folder_with_its_own_split(photos, tmp_path):
    (tmp_path / "set").mkdir()
    photos.rename(tmp_path / "set" / "test")
    assert len(load_images(f"{tmp_path / 'set'}:test")) == 20


def test_images_are_resized_to_the_model_and_made_grey(photos):
    images = load_images(f"{photos}[0]", shape=(3, 3, 1))
    grey = np.asarray(Image.open(photos / "a-cat" / "0.png").convert("L")).astype(int)
    mean = grey.reshape(3, 2, 3, 3).sum((1, 3))
    assert np.array_equal(images.images[0, :, :, 0], (2 * mean + 6) // 12)


def test_images_of_mixed_sizes_need_a_model(photos):
    Image.new("RGB", (4, 4)).save(photos / "a-cat" / "1.png")
    with pytest.raises(IntrsError, match="mixed sizes"):
        load_images(str(photos))
    assert len(load_images(str(photos), shape=(4, 4, 3))) == 20


def test_caltech101_leaves_the_background_out(tmp_path):
    root = tmp_path / "caltech101" / "101_ObjectCategories"
    for name in ("accordion", "BACKGROUND_Google", "wrench"):
        (root / name).mkdir(parents=True)
        for k in range(5):
            Image.new("RGB", (8 + k, 6), (k * 40, 0, 0)).save(root / name / f"image_{k:04}.jpg")
    train = load_images("caltech101:train", tmp_path, (4, 4, 3))
    assert train.classes == ("accordion", "wrench")
    assert train.labels.tolist() == [0] * 4 + [1] * 4
    assert len(load_images("caltech101:test", tmp_path, (4, 4, 3))) == 2


def test_one_image_file(photos):
    images = load_images(str(photos / "a-cat" / "5.png"))
    assert images.labels.tolist() == [-1]
    assert images.images.shape == (1, 6, 9, 3)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40), b"\xff\xd8\xff" + bytes(20)])
def test_a_damaged_image_is_one_line(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(IntrsError, match=r"x\.png: not a readable"):
        load_images(str(tmp_path / "x.png"))


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(IntrsError, match="no PNG or JPEG"):
        load_images(str(tmp_path))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 4, 4, 3), (5, 4, 4, 3)), ((4, 4, 3), (1, 4, 4, 3)), ((5, 4, 4), (5, 4, 4, 1)), ((4, 4), (1, 4, 4, 1))],
)
def test_arrays(tmp_path, shape, expected):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    assert load_images(str(tmp_path / "x.npy")).images.shape == expected


def test_array_labels_lie_beside(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2, 2, 1), np.uint8))
    np.save(tmp_path / "x_labels.npy", np.array([2, 0, 1]))
    assert load_images(f"{tmp_path / 'x.npy'}[2,0]").labels.tolist() == [1, 2]


def test_arrays_of_other_types_and_objects_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 2, 2, 1)))
    with pytest.raises(IntrsError, match="float64"):
        load_images(str(tmp_path / "x.npy"))
    np.save(tmp_path / "o.npy", np.array([Evil()]), allow_pickle=True)
    with pytest.raises(IntrsError, match="not a readable"):
        load_images(str(tmp_path / "o.npy"))
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(IntrsError, match="not a readable"):
        load_images(str(tmp_path / "t.npy"))


def test_what_has_another_size_is_resized_when_asked(tmp_path, photos):
    wide = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(1, 6, 10, 3)
    np.save(tmp_path / "x.npy", wide)
    with pytest.raises(IntrsError, match=r"images are 6x10x3, the model takes 3x3x3; .*--resize"):
        load_images(str(tmp_path / "x.npy"), shape=(3, 3, 3))
    with pytest.raises(IntrsError, match=r"use images of that shape$"):  # channels are not made
        load_images(str(tmp_path / "x.npy"), shape=(3, 3, 1), resize="stretch")
    stretched = load_images(str(tmp_path / "x.npy"), shape=(3, 3, 3), resize="stretch").images
    cropped = load_images(str(tmp_path / "x.npy"), shape=(3, 3, 3), resize="crop").images
    assert np.array_equal(stretched[0], fitted(wide[0], 3, 3))
    assert np.array_equal(cropped[0], fitted(wide[0, :, 2:8], 3, 3))
    assert load_images("digits:test[0:2]", shape=(16, 16, 1), resize="stretch").images.shape == (2, 16, 16, 1)
    folder = [load_images(str(photos), shape=(4, 4, 3), resize=r).images for r in (None, "stretch", "crop")]
    assert np.array_equal(folder[0], folder[1])
    assert not np.array_equal(folder[0], folder[2])
