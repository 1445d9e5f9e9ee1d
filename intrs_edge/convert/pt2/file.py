# SPDX-License-Identifier: Apache-2.0
"""Opens a .pt2 file (`torch.export.save`) as data: its graph is JSON, its tensors are bytes with a shape.

torch itself would unpickle parts of such a file, which runs what they say. Nothing is unpickled here, and torch is not
needed: what lies in the archive as a pickle is refused where the graph needs it, and else not looked at. Layout of the
archive: torch/export/pt2_archive and torch/_export/serde/schema.py of PyTorch 2.8 and later.
"""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from intrs_edge.errors import IntrsError, shown

MAX_BYTES = 512 << 20
MAX_JSON = 64 << 20
MAX_FILES = 20_000
SCHEMA = 8  # the major version of the graph's JSON

# torch's numbers of types
_TYPES: dict[int, str] = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    7: "float32",
    8: "float64",
    12: "bool",
}


@dataclass(frozen=True)
class Ref:
    """A tensor (or a number that is only known to be an integer, as the size of a batch) by its name."""

    name: str


Argument = Any  # Ref, a number, text, None, or a list of those


@dataclass(frozen=True)
class Call:
    """One operator: ``target`` such as aten.conv2d.default, its arguments by the names of torch's schema (those at
    their defaults are absent), the names of what it gives."""

    target: str
    inputs: dict[str, Argument]
    outputs: tuple[str, ...]

    def reads(self) -> list[str]:
        """The names of all that it reads."""
        parts = [p for v in self.inputs.values() for p in (v if isinstance(v, list) else [v])]
        return [p.name for p in parts if isinstance(p, Ref)]

    @property
    def itself(self) -> Argument:
        """What a method is called on."""
        return self.inputs["self"] if "self" in self.inputs else self.inputs["input"]


@dataclass(frozen=True)
class Program:
    """A program of one input and one output. shapes: of every value, a free batch as 1. dtype: the input's."""

    source: str
    dtype: str
    output: str
    calls: tuple[Call, ...]
    constants: dict[str, npt.NDArray[Any]]
    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]


def is_pt2(path: Path) -> bool:
    """Whether a file is a zip archive, as those of torch.export are."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(path)
    except OSError:
        return False


def read_pt2(path: Path, keys: tuple[str, ...] = ()) -> Program:
    """The program in a .pt2 file; ``keys``: names of extra files that are taken as metadata.

    Raises IntrsError for a file that is too large, damaged, of another version of the format, not one input and one
    output, or whose tensors are pickled.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise IntrsError(f"{path}: larger than {MAX_BYTES >> 20} MiB; this compiler is for microcontroller models")
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive, path, size).program(keys)
    except OSError as error:
        raise IntrsError(f"{path}: cannot be read ({error.strerror}); give a .pt2 file") from error
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, IndexError, NotImplementedError,
            RecursionError, RuntimeError, EOFError, OverflowError) as error:  # fmt: skip
        raise IntrsError(f"{path}: a damaged .pt2 file ({shown(str(error)[:80])}); save it again") from error


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, path: Path, size: int) -> None:
        self.archive, self.path = archive, path
        self.left = 2 * size  # of all that is read: tied weights are one file
        infos = archive.infolist()
        if len(infos) > MAX_FILES:
            raise IntrsError(f"{path}: {len(infos)} files in the archive, the limit is {MAX_FILES}")
        self.files = {}
        for info in infos:  # all lie in one folder that has the archive's name
            _, _, inner = info.filename.partition("/")
            self.files[inner] = info

    def program(self, keys: tuple[str, ...]) -> Program:
        models = [n for n in self.files if n.startswith("models/") and n.endswith(".json")]
        if len(models) != 1:
            raise IntrsError(
                f"{self.path}: an archive with {len(models)} programs of torch.export; save one, with "
                "torch.export.save of PyTorch 2.8 or later"
            )
        name = models[0][len("models/") : -len(".json")]
        model = self._json(models[0])
        version = model["schema_version"]
        if version["major"] != SCHEMA:
            raise IntrsError(
                f"{self.path}: a graph of version {int(version['major'])}, known is {SCHEMA}; "
                "save it with PyTorch 2.8 or later"
            )
        module = model["graph_module"]
        graph, signature = module["graph"], module["signature"]
        shapes = {str(k): _shape(v) for k, v in graph["tensor_values"].items()}
        types = {str(k): _TYPES.get(int(v["dtype"]), "another type") for k, v in graph["tensor_values"].items()}
        constants, sources = self._inputs(signature["input_specs"], name)
        outputs = signature["output_specs"]
        if any("user_output" not in o for o in outputs):
            raise IntrsError(
                f"{self.path}: the program changes its own buffers, as batch norms do in training; "
                "call move_exported_model_to_eval (or eval) before it is exported"
            )
        if len(sources) != 1 or len(outputs) != 1:
            raise IntrsError(
                f"{self.path}: {len(sources)} inputs and {len(outputs)} outputs; a classifier has one of each"
            )
        free = graph["tensor_values"][sources[0]]["sizes"]
        if any("as_int" not in n for n in free[1:]):
            raise IntrsError(f"{self.path}: sizes of the input beside the batch are free; export it with fixed sizes")
        calls = tuple(_call(node) for node in graph["nodes"])
        extra = {k: self._bytes(f"extra/{k}").decode() for k in keys if f"extra/{k}" in self.files}
        output = str(outputs[0]["user_output"]["arg"]["as_tensor"]["name"])
        return Program(sources[0], types[sources[0]], output, calls, constants, shapes, extra)

    def _inputs(self, specs: list[Any], name: str) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
        """(tensors that the file holds, by the graph's name for them; names of the program's own inputs)."""
        weights = self._json(f"data/weights/{name}_weights_config.json")["config"]
        lifted = self._json(f"data/constants/{name}_constants_config.json")["config"]
        constants: dict[str, npt.NDArray[Any]] = {}
        sources: list[str] = []
        for spec in specs:
            ((kind, body),) = spec.items()
            if kind == "user_input":
                sources.append(str(body["arg"]["as_tensor"]["name"]))
                continue
            key = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
            if kind not in key:
                raise IntrsError(f"{self.path}: an input of kind {shown(str(kind))}; export a program of tensors alone")
            own = str(body[key[kind]])
            held, folder = (weights, "weights") if own in weights else (lifted, "constants")
            constants[str(body["arg"]["name"])] = self._tensor(own, held[own], folder)
        return constants, sources

    def _tensor(self, own: str, payload: dict[str, Any], folder: str) -> npt.NDArray[Any]:
        if payload.get("use_pickle"):
            raise IntrsError(
                f"{self.path}: tensor {shown(own)} is pickled, which would run what it says; save plain tensors"
            )
        meta = payload["tensor_meta"]
        kind = _TYPES.get(int(meta["dtype"]))
        if kind is None:
            raise IntrsError(f"{self.path}: tensor {shown(own)} has a type without a use here; use float32 or int8")
        shape, stride = _shape(meta), [int(s["as_int"]) for s in meta["strides"]]
        start = int(meta["storage_offset"]["as_int"])
        flat = np.frombuffer(self._bytes(f"data/{folder}/{payload['path_name']}"), np.dtype(kind).newbyteorder("<"))
        last = start + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
        if min([start, *stride, *shape]) < 0 or (0 not in shape and last >= flat.size):
            raise IntrsError(f"{self.path}: tensor {shown(own)} does not fit its {flat.size} values; save it again")
        if math.prod(shape) > flat.size:
            raise IntrsError(
                f"{self.path}: tensor {shown(own)} repeats its values; call contiguous() and save it again"
            )
        view = np.lib.stride_tricks.as_strided(flat[start:], shape, [s * flat.itemsize for s in stride])
        return np.array(view, kind)

    def _json(self, name: str) -> Any:
        return json.loads(self._bytes(name, MAX_JSON))

    def _bytes(self, name: str, most: int = MAX_BYTES) -> bytes:
        info = self.files[name]
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(most, self.left):
            raise IntrsError(f"{self.path}: {shown(name)} is compressed or larger than the file; save it again")
        self.left -= info.file_size
        return self.archive.read(info)


def _shape(meta: dict[str, Any]) -> tuple[int, ...]:
    """Extents; what is free is 1."""
    return tuple(int(n["as_int"]) if "as_int" in n else 1 for n in meta["sizes"])


def _call(node: dict[str, Any]) -> Call:
    target = str(node["target"]).removeprefix("torch.ops.")
    inputs = {str(i["name"]): _argument(i["arg"]) for i in node["inputs"]}
    outputs: list[str] = []
    for out in node["outputs"]:
        ((kind, body),) = out.items()
        if kind in ("as_tensor", "as_sym_int"):
            outputs.append(str(body.get("name", body.get("as_name"))))
        elif kind == "as_tensors":
            outputs += [str(t["name"]) for t in body]
        elif kind == "as_none":
            outputs.append("")
        else:
            raise IntrsError(f"{shown(target)} gives {shown(str(kind))}, which is no tensor")
    return Call(target, inputs, tuple(outputs))


_SAME = ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_scalar_type")


def _argument(arg: dict[str, Any]) -> Argument:
    ((kind, body),) = arg.items()
    if kind in _SAME:
        return body
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return Ref(str(body["name"]))
    if kind in ("as_tensors", "as_optional_tensors"):
        return [_argument({"as_tensor": t}) if "name" in t else _argument(t) for t in body]
    if kind == "as_optional_tensor":
        return _argument(body)
    if kind in ("as_sym_int", "as_sym_ints"):
        many = [body] if kind == "as_sym_int" else body
        found: list[Union[int, Ref]] = [int(n["as_int"]) if "as_int" in n else Ref(str(n["as_name"])) for n in many]
        return found if kind == "as_sym_ints" else found[0]
    return Ref("")  # a device, a memory format, a layout: of no account here
