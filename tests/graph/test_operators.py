"""Every operator that has a record is computed by the reference and by portable C, and is drawn (the GPU engine:
tests/gpu/test_program.py)."""

from __future__ import annotations

from graph_cases import CASES

from intrs_edge.codegen.kernels import registered
from intrs_edge.graph import reference
from intrs_edge.graph.operators import BROADCASTING, MOVES, OPERATORS, OPTIONS
from intrs_edge.graph.tflite_schema import KIND_CODES


def in_portable_c() -> set[str]:
    portable = (kernel for kernel in registered().values() if not kernel.requires)
    return {kinds[0] for kernel in portable for kinds in kernel.patterns if len(kinds) == 1}


def test_every_registry_has_every_kind():
    assert set(reference.KERNELS) == set(OPERATORS)
    assert in_portable_c() >= set(OPERATORS)
    assert set(CASES) >= set(OPERATORS)


def test_every_kind_is_one_of_tflites_and_its_record_is_whole():
    assert set(OPTIONS) | set(OPERATORS) <= set(KIND_CODES)
    for kind, operator in OPERATORS.items():
        assert set(operator.inputs) <= set("xwbi?*"), kind
        assert 1 <= operator.version <= 4, kind
        if operator.options is not None:
            slots = [field.slot for field in operator.options.fields]
            assert len(set(slots)) == len(slots), kind
            assert max(slots, default=-1) < operator.options.slots, kind


def test_derived_names():
    assert set(BROADCASTING) == {"ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "PRELU", "SQUARED_DIFFERENCE"}
    assert not {kind for kind in MOVES if not OPERATORS[kind].same}
