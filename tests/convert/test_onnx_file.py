"""Damaged and hostile ONNX files: one line, never a crash, a hang, or memory out of proportion."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.train import export_qdq


@pytest.fixture(scope="module")
def sound(make_network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = make_network("resnet8", (8, 8, 1), widths=(4, 8), blocks=(1, 1), stem_stride=2, shortcut="pad")
    return export_qdq(network, tmp_path_factory.mktemp("sound") / "m.onnx")


def _refused(path: Path, says: str) -> None:
    with pytest.raises(IntrsError, match=says) as error:
        load_model(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 6000


def _survives(path: Path) -> bool:
    """Loads or refuses with a line; whatever else is raised fails the test."""
    try:
        load_model(path)
    except IntrsError as error:
        if "\n" in str(error):
            pytest.fail(f"more than a line: {error}")
        return False
    return True


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated(sound: Path, tmp_path: Path, share: float):
    data = sound.read_bytes()
    (tmp_path / "t.onnx").write_bytes(data[: int(len(data) * share)])
    _refused(tmp_path / "t.onnx", "t.onnx")


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"hello, this is text", b"\x1c\x00\x00\x00TFL3", b"PK\x03\x04" + bytes(99)]
)
@pytest.mark.parametrize("name", ["m.onnx", "m.tflite", "m"])
def test_not_a_model(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    _refused(tmp_path / name, name)


def test_missing_and_folder(tmp_path: Path):
    _refused(tmp_path / "none.onnx", "cannot be read")
    _refused(tmp_path, "cannot be read")


def test_content_decides_not_the_name(sound: Path, tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(sound.read_bytes())
    assert load_model(tmp_path / "model.bin").ops


def _changed(sound: Path, out: Path, change) -> Path:
    model = onnx.load(sound)
    change(model)
    out.write_bytes(model.SerializeToString())
    return out


def _external(sound: Path, out: Path, **entries: str) -> Path:
    """The model with one tensor of 36 bytes in another file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name == "stem_weight_q")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)

    return _changed(sound, out, change)


def test_external_data_beside_the_model(sound: Path, tmp_path: Path):
    """As the exporters write it: equal to the model in one file."""
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(onnx.load(sound), folder / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    assert (folder / "m.onnx.data").stat().st_size > 1000
    assert write_tflite(load_model(folder / "m.onnx")) == write_tflite(load_model(sound))


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "sub/secret", "..", ".", "", "a\\b", "se\ncret", "link", "pipe", "sub"]
)
def test_external_data_from_elsewhere(sound: Path, tmp_path: Path, location: str):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for secret in (tmp_path / "secret", folder / "sub" / "secret"):
        secret.write_bytes(bytes(36))
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    _refused(_external(sound, folder / "m.onnx", location=location), "lies in")


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"offset": "0", "length": "37"}, "which has 36"),
        ({"offset": "1", "length": "36"}, "which has 36"),
        ({"length": "35"}, "should hold 36 values and holds 35"),
        ({"offset": "-1", "length": "36"}, "the file is damaged"),
        ({"offset": "9" * 40}, "the file is damaged"),
        ({"offset": "1e3"}, "the file is damaged"),
        ({"location": "absent"}, "cannot be read"),
    ],
)
def test_external_data_of_other_sizes(sound: Path, tmp_path: Path, entries: dict[str, str], says: str):
    (tmp_path / "data").write_bytes(bytes(36))
    _refused(_external(sound, tmp_path / "m.onnx", **{"location": "data", **entries}), says)


def test_external_data_shared_by_many_tensors(sound: Path, tmp_path: Path):
    """A small file cannot become a large model."""
    (tmp_path / "data").write_bytes(bytes(1 << 16))

    def change(model: onnx.ModelProto) -> None:
        for i in range(3):
            tensor = model.graph.initializer.add(name=f"t{i}", data_type=TensorProto.INT8, dims=[1 << 16])
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="data")

    _refused(_changed(sound, tmp_path / "m.onnx", change), "more bytes than the files")


def test_huge_claims_cost_nothing(sound: Path, tmp_path: Path):
    def huge(model: onnx.ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name == "stem_weight_q")
        del tensor.dims[:]
        tensor.dims.extend([1 << 31, 1 << 31])

    def used(model: onnx.ModelProto, name: str) -> None:  # what nothing reads is not computed
        source = model.graph.input[0].name
        for node in model.graph.node:
            node.input[:] = ["with" if i == source else i for i in node.input]
        model.graph.node.insert(1, helper.make_node("Add", [source, name], ["with"]))

    def fill(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 15, 1 << 15, 4], np.int64), "many"))
        model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["many"], ["filled"]))
        used(model, "filled")

    def outer(model: onnx.ModelProto) -> None:
        for name, shape in (("tall", (1 << 16, 1)), ("wide", (1, 1 << 16))):
            model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
        model.graph.node.insert(0, helper.make_node("Add", ["tall", "wide"], ["big"]))
        used(model, "big")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i, change in enumerate((huge, fill, outer)):
        started = time.process_time()
        _refused(_changed(sound, tmp_path / f"{i}.onnx", change), f"{i}.onnx")
        assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.opset_import[0].__setattr__("version", 9), "opset 9 is outside 10..24"),
        (lambda m: m.graph.input.add(name="second").type.CopyFrom(m.graph.input[0].type), "2 inputs"),
        (lambda m: m.graph.node[3].input.__setitem__(0, "nowhere"), "not a sound ONNX model"),
        (lambda m: m.graph.node.append(m.graph.node[3]), "not a sound ONNX model .*SSA"),
        (lambda m: m.graph.node[2].__setattr__("domain", "evil"), "evil"),
        (lambda m: m.graph.input[0].type.tensor_type.shape.dim[2].__setattr__("dim_param", "H"), "use a fixed size"),
        (lambda m: m.graph.output[0].__setattr__("name", "nothing"), "not a sound ONNX model"),
    ],
)
def test_damage_is_named(sound: Path, tmp_path: Path, change, says: str):
    _refused(_changed(sound, tmp_path / "m.onnx", change), says)


def _bytes_strategy():
    return st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), min_size=1, max_size=8)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=_bytes_strategy())
def test_changed_bytes(sound: Path, tmp_path: Path, edits: list[tuple[int, int]]):
    data = bytearray(sound.read_bytes())
    for place, value in edits:
        data[place % len(data)] = value
    (tmp_path / "m.onnx").write_bytes(data)
    _survives(tmp_path / "m.onnx")


def mutate(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """One change to the structure, of the kinds that byte flips seldom reach."""
    graph = model.graph
    node = graph.node[rng.integers(len(graph.node))]
    tensor = graph.initializer[rng.integers(len(graph.initializer))]
    other = graph.node[rng.integers(len(graph.node))]
    choice = int(rng.integers(10))
    odd = int(rng.choice([-(1 << 63), -1, 0, 1, 2, 3, 5, 1 << 20, (1 << 63) - 1]))
    if choice == 0 and node.attribute:
        attribute = node.attribute[rng.integers(len(node.attribute))]
        attribute.i = odd
        if attribute.ints:
            attribute.ints[rng.integers(len(attribute.ints))] = odd
    elif choice == 1 and node.attribute:
        del node.attribute[rng.integers(len(node.attribute))]
    elif choice == 2 and node.input:
        node.input[rng.integers(len(node.input))] = other.output[0]
    elif choice == 3 and node.input:
        del node.input[rng.integers(len(node.input)) :]
    elif choice == 4:
        node.op_type = other.op_type
    elif choice == 5 and tensor.dims:
        tensor.dims[rng.integers(len(tensor.dims))] = odd
    elif choice == 6:
        tensor.data_type = int(rng.integers(0, 24))
    elif choice == 7:
        value = rng.choice([0, -1, np.inf, np.nan, 1e-38, 1e38])
        tensor.CopyFrom(numpy_helper.from_array(np.float32(value), tensor.name))
    elif choice == 8 and node.attribute:
        node.attribute[rng.integers(len(node.attribute))].type = int(rng.integers(0, 15))
    else:
        tensor.CopyFrom(numpy_helper.from_array(rng.integers(-9, 99, rng.integers(0, 4, 2)), tensor.name))


def _mutations(sound: Path, folder: Path, count: int, seed: int) -> tuple[int, int]:
    rng = np.random.default_rng(seed)
    loaded = 0
    for _ in range(count):
        model = onnx.load(sound)
        for _ in range(rng.integers(1, 4)):
            mutate(model, rng)
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        loaded += _survives(folder / "m.onnx")
    return loaded, count - loaded


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_changed_structure(sound: Path, tmp_path: Path):
    loaded, refused = _mutations(sound, tmp_path, 400, 0)
    assert refused > 200
    assert loaded > 5


@pytest.mark.long
def test_changed_structure_long(sound: Path, tmp_path: Path):
    _mutations(sound, tmp_path, 100_000, 1)
