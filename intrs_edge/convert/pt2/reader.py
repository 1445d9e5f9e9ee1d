# SPDX-License-Identifier: Apache-2.0
"""torch.export programs with q/dq operators (PT2E, torchao) as QDQ ONNX: one more way to write the same network, which
then is read as one."""

from __future__ import annotations

from pathlib import Path

import onnx

from intrs_edge.convert.pt2.file import Call, Program, read_pt2
from intrs_edge.convert.pt2.ops import CALLS
from intrs_edge.convert.pt2.writer import Writer
from intrs_edge.convert.unsupported import Unsupported
from intrs_edge.errors import IntrsError, shown

METADATA = ("intrs.input", "intrs.sigma", "intrs.classes")
_LISTED = 20
_QUANTISE = "quantized_decomposed.quantize_per_tensor"


def onnx_of_pt2(path: Path) -> onnx.ModelProto:
    """The QDQ ONNX model that says what a .pt2 file says: the same integers, scales and zero points.

    Extra files named intrs.input, intrs.sigma and intrs.classes become metadata. Raises IntrsError for a damaged file,
    a float program, or listing every operator that cannot be written.
    """
    program = read_pt2(path, METADATA)
    try:
        return _written(program, path)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise IntrsError(f"{path}: a damaged .pt2 file ({shown(str(error)[:80])}); save it again") from error


def _written(program: Program, path: Path) -> onnx.ModelProto:
    if not any(call.target.startswith(_QUANTISE) for call in program.calls):
        raise IntrsError(
            f"{path}: a float program; quantise it with prepare_qat_pt2e and convert_pt2e before it is exported, "
            "or train it with intrs-edge train"
        )
    writer = Writer(program)
    problems: list[str] = []
    live = _live(program)
    for call in [*live, *(c for c in program.calls if _in_place(c) and c not in live)]:
        try:
            if _in_place(call) and not _alone(program, call):
                raise Unsupported("it writes over a value that others read; export with inplace=False")
            _write(writer, call)
        except Unsupported as error:
            problems.append(f"{shown(call.target)} {shown(call.outputs[0] if call.outputs else '')}: {error}")
            writer.give(call, ["" for _ in call.outputs])
    if problems:
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise IntrsError(
            f"{path}: {len(problems)} operator{'s' * (len(problems) > 1)} cannot be converted: "
            f"{'; '.join(problems[:_LISTED])}{more}"
        )
    return writer.model()


def _write(writer: Writer, call: Call) -> None:
    name = ".".join(call.target.split(".")[:2])  # without the overload
    handler = CALLS.get(name.rstrip("_"))
    if handler is None:
        raise Unsupported("not supported; replace it, or run it outside the model")
    handler(writer, call)


# what gives another view of the same memory
_VIEWS = (
    "alias", "chunk", "contiguous", "detach", "flatten", "permute", "reshape", "select", "slice", "split",
    "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unflatten", "unsqueeze", "view",
)  # fmt: skip


def _in_place(call: Call) -> bool:
    return call.target.split(".")[1:2] == [call.target.split(".")[1].rstrip("_") + "_"]


def _alone(program: Program, call: Call) -> bool:
    """Whether what an in-place operator writes over, or is a view of, is read by nothing else."""
    makers = {out: c for c in program.calls for out in c.outputs}
    reads = [name for c in program.calls for name in c.reads()] + [program.output]
    name = call.reads()[0]
    while True:
        if reads.count(name) != 1:
            return False
        maker = makers.get(name)
        if maker is None or maker.target.split(".")[1] not in _VIEWS:
            return True
        name = maker.reads()[0]


def _live(program: Program) -> list[Call]:
    """The calls on which the output depends, in order."""
    needed, live = {program.output}, []
    for call in reversed(program.calls):
        if needed & set(call.outputs):
            live.append(call)
            needed |= set(call.reads())
    return live[::-1]
