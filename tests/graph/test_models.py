"""Models that others made: read, validated, written again and evaluated, equal to BUILTIN_REF bit for bit.

None is in the repository. Put int8 .tflite files (MLPerf Tiny's, a MobileNetV2) into a folder and name it in
INTRS_EDGE_MODELS.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from draws import inputs_for
from interpreter import interpret

from intrs_edge.graph import reference
from intrs_edge.graph.passes import normalize, simplify
from intrs_edge.graph.tflite_reader import read_tflite
from intrs_edge.graph.tflite_writer import write_tflite
from intrs_edge.graph.validate import problems

FOLDER = os.environ.get("INTRS_EDGE_MODELS", "")
MODELS = sorted(Path(FOLDER).glob("*.tflite")) if FOLDER else []


@pytest.mark.skipif(not MODELS, reason="INTRS_EDGE_MODELS names no folder with .tflite files")
@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_foreign_model_equals_builtin_ref(path: Path) -> None:
    original = read_tflite(path)
    graph = normalize(original)
    found = problems(graph)
    if found:
        pytest.skip(f"not supported, and says so: {found[0]}")
    x = inputs_for(graph, 6, 0)
    content = path.read_bytes() if graph is original else write_tflite(graph)
    expected = interpret(content, x)
    np.testing.assert_array_equal(reference.run(graph, x), expected)
    np.testing.assert_array_equal(interpret(write_tflite(read_tflite(write_tflite(graph))), x), expected)
    np.testing.assert_array_equal(reference.run(simplify(graph), x), expected)
