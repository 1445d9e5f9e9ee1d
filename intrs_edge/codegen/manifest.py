# SPDX-License-Identifier: Apache-2.0
"""The content of project.json, and what proves that nobody changed it afterwards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from intrs_edge import __version__
from intrs_edge.boards import Board
from intrs_edge.budget import parse_json
from intrs_edge.codegen.front import FORMAT, ModelFile, plain
from intrs_edge.codegen.model import Model
from intrs_edge.codegen.options import GenerateOptions
from intrs_edge.codegen.tables import claim
from intrs_edge.errors import IntrsError
from intrs_edge.graph.classes import class_count
from intrs_edge.graph.digest import graph_digest
from intrs_edge.graph.input_map import InputMap, image_shape
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.passes.drop_tail import DROPPED
from intrs_edge.graph.reading import Reading
from intrs_edge.graph.warnings import warnings
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing.settings import SETTINGS

MOST_CLASSES = 1 << 16
LONGEST_NAME = 200


def make_manifest(
    graph: Graph,
    options: GenerateOptions,
    board: Board,
    smoothing: Smoothing,
    input_map: InputMap,
    reading: Reading,
    origin: ModelFile,
    command: str,
) -> dict[str, Any]:
    """The content of project.json but for its digest; hashes are SHA-256 in hexadecimal.

    graph: with its ends as the model has them, int8 or uint8.
    """
    classes = class_count(graph)
    names = class_names(graph, classes)
    source, result = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert source.quant is not None
    return {
        "format": FORMAT,
        "generator": __version__,
        "source": {"file": origin.name, "sha256": origin.sha256},
        "command": command,
        "board": board.id,
        "model_hash": graph_digest(graph),
        "table_hash": smoothing.table_hash,
        "tables": smoothing.tables_digest,
        "certificate": claim(smoothing),
        "image_shape": list(image_shape(graph)),
        "classes": names,
        "dropped": graph.metadata.get(DROPPED, ""),
        "warnings": warnings(graph),
        "input": {
            "scale": float(source.quant.scale[0]),
            "zero_point": int(source.quant.zero_point[0]),
            "dtype": source.dtype,
            "shape": list(source.shape),
        },
        "output": {"dtype": result.dtype},
        "reads": reading.as_json(),
        "input_map": {
            "mul": list(input_map.mul),
            "add": list(input_map.add),
            "shift": input_map.shift,
            "reach": input_map.reach,
            "exact": input_map.exact,
        },
        "settings": {**options.as_json(), "optimize": options.optimize},
    }


def digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of all of project.json but the entry ``digest`` itself."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def smoothing_of(manifest: Mapping[str, Any]) -> Smoothing:
    """The certificate's configuration that a project was generated with; IntrsError for what none can be."""
    settings = {f.name: manifest["settings"][f.name] for f in SETTINGS if f.name != "seed"}
    return Smoothing(tuple(manifest["image_shape"]), **settings)


def check_unchanged(manifest: Mapping[str, Any], where: str) -> None:
    """Raises IntrsError unless the manifest is what `generate` of this version wrote.

    Its digest finds any change. The settings and the image's shape are bound to the table hash besides, which is
    compiled into the host library and the firmware: whoever makes a new digest is caught there.
    """
    if manifest.get("format") != FORMAT:
        raise IntrsError(
            f"{where} is of format {plain(str(manifest.get('format')))}, made by intrs-edge {made_by(manifest)}; "
            f"this is intrs-edge {__version__}, which reads format {FORMAT}: generate the project again"
        )
    if manifest.get("digest") != digest(manifest):
        raise IntrsError(f"{where} was changed after it was generated: generate the project again")
    if smoothing_of(manifest).bound_hash(manifest["tables"]) != manifest["table_hash"]:
        raise IntrsError(
            f"{where}: its settings are not those that its tables were made for: generate the project again"
        )


def made_by(manifest: Mapping[str, Any]) -> str:
    """The version that a project says it was made by."""
    return plain(str(manifest.get("generator", "of a version that did not say it")))[:40]


def class_names(graph: Graph, classes: int) -> list[str]:
    """Names from the metadata, or the numbers; IntrsError for names that are none, and for more than 65 536."""
    if classes > MOST_CLASSES:
        raise IntrsError(f"the output has {classes} values: a classifier has at most {MOST_CLASSES} classes")
    text = graph.metadata.get("intrs.classes")
    if text is None:
        return [str(i) for i in range(classes)]
    names = parse_json(text, "metadata intrs.classes")
    if not isinstance(names, list) or len(names) != classes or not all(map(_is_name, names)):
        raise IntrsError(
            f"metadata intrs.classes is not a JSON list of {classes} names, each printable and of at most "
            f"{LONGEST_NAME} characters: write it again"
        )
    return names


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME


def describe(model: Model) -> dict[str, Any]:
    """What the manifest says of one target's model."""
    return {
        "arena_bytes": model.arena_bytes,
        "batch": model.batch,
        "weights_bytes": model.weight_bytes,
        "kernels": {
            m.level.name: {c.site.name: c.kernel.name for c in sorted(m.choices, key=lambda c: c.site.ops)}
            for m in model.levels
        },
    }
