"""The operators of docs/operators.md, from the code: what is read, what restricts it, which fast kernels there are.

``operators_table.py`` prints the tables, ``--write`` puts them into docs/operators.md. A remark stands here for what
the registries cannot say; an operator without its line, and a line without an operator, are errors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wrap_docs import wrapped

from intrs_edge.codegen.kernels import registered
from intrs_edge.convert.pt2.ops import CALLS
from intrs_edge.convert.qdq.ops import OPS
from intrs_edge.convert.qdq.tail import MONOTONE
from intrs_edge.errors import IntrsError
from intrs_edge.graph.operators import OPERATORS
from intrs_edge.graph.passes.drop_tail import MONOTONE as TAILS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operators.md"
BEGIN, END = "<!-- operators: scripts/operators_table.py -->", "<!-- end of operators -->"
# features of codegen.isa in the words of a reader
SETS = {"avx2": "AVX2", "avx512vnni": "VNNI", "neon": "NEON", "dotprod": "NEON dot product", "armv6m": "Cortex-M0, M3",
        "rv32": "RV32IM",
        "dsp": "Cortex-M4, M7, M33", "mve": "Cortex-M55"}  # fmt: skip

TFLITE = {
    "ABS": "", "ADD": "", "AVERAGE_POOL_2D": "", "BATCH_MATMUL": "constants too; not adj_x where the second repeats",
    "BROADCAST_TO": "", "CONCATENATION": "one scale throughout; no fused activation", "CONV_2D": "grouped, dilated",
    "DEPTHWISE_CONV_2D": "any multiplier, dilated", "DEPTH_TO_SPACE": "", "EXP": "results within 32 bits",
    "EXPAND_DIMS": "", "FULLY_CONNECTED": "per tensor or per channel, keep_num_dims", "GATHER": "constant indices",
    "GELU": "exact or by tanh", "HARD_SWISH": "", "L2_NORMALIZATION": "over the last axis", "LEAKY_RELU": "",
    "LOGISTIC": "", "MAXIMUM": "", "MAX_POOL_2D": "", "MEAN": "any axes", "MINIMUM": "", "MIRROR_PAD": "", "MUL": "",
    "PACK": "", "PAD": "", "PADV2": "", "PRELU": "constant slopes, any that broadcast", "QUANTIZE": "uint8 at the ends",
    "REDUCE_MAX": "any axes", "REDUCE_MIN": "any axes", "RELU": "", "RELU6": "", "RELU_0_TO_1": "",
    "RELU_N1_TO_1": "", "RESHAPE": "", "RESIZE_BILINEAR": "half pixels or aligned corners, not both",
    "RESIZE_NEAREST_NEIGHBOR": "both options", "REVERSE_V2": "", "RSQRT": "", "SLICE": "",
    "SOFTMAX": "over the last axis, at most 4095 values", "SPACE_TO_DEPTH": "", "SPLIT": "", "SPLIT_V": "",
    "SQUARED_DIFFERENCE": "", "SQUEEZE": "", "STRIDED_SLICE": "every mask, steps of either sign", "SUB": "",
    "SUM": "any axes; a warning ([the contract](contract.md))", "TANH": "", "TILE": "", "TRANSPOSE": "",
    "TRANSPOSE_CONV": "weights [out, h, w, in], any extent of the output", "UNPACK": "",
}  # fmt: skip

# ONNX operator: (TFLite operators that it becomes, remark)
ONNX = {
    "Abs": ("ABS", ""),
    "Add": ("ADD", "constants per channel are folded, or a DEPTHWISE_CONV_2D"),
    "AveragePool": ("AVERAGE_POOL_2D DEPTHWISE_CONV_2D", "1-D and 2-D, ceil_mode, count_include_pad, any scale"),
    "BatchNormalization": ("DEPTHWISE_CONV_2D", "folded where a convolution or product is before it"),
    "Clip": ("RELU RELU6 RELU_N1_TO_1 MAXIMUM MINIMUM", "constant limits; fused where it can be; between Q and DQ too"),
    "Concat": ("CONCATENATION", ""),
    "Conv": ("CONV_2D DEPTHWISE_CONV_2D", "1-D and 2-D, groups, dilation, pads, auto_pad"),
    "ConvTranspose": (
        "TRANSPOSE_CONV CONV_2D DEPTHWISE_CONV_2D",
        "1-D and 2-D, groups, dilation, pads, output_padding; not auto_pad, output_shape",
    ),
    "DepthToSpace": ("DEPTH_TO_SPACE", "DCR, CRD"),
    "Div": ("MUL DEPTHWISE_CONV_2D", "by constants; folded where it can be"),
    "Exp": ("EXP", ""),
    "Flatten": ("RESHAPE", ""),
    "Gather": ("GATHER", "constant indices, one or a row"),
    "Gelu": ("GELU", "exact or by tanh"),
    "Gemm": ("FULLY_CONNECTED CONV_2D", "constant B and C; alpha, beta, transB"),
    "GlobalAveragePool": ("AVERAGE_POOL_2D MEAN", ""),
    "GlobalMaxPool": ("MAX_POOL_2D", ""),
    "HardSigmoid": ("MUL ADD DEPTHWISE_CONV_2D", "a factor and a clip; folded where it can be"),
    "HardSwish": ("HARD_SWISH", ""),
    "LeakyRelu": ("LEAKY_RELU", ""),
    "LpNormalization": ("L2_NORMALIZATION", "p = 2, over channels"),
    "MatMul": ("FULLY_CONNECTED CONV_2D BATCH_MATMUL", "rows by a constant matrix, or two values"),
    "Max": ("MAXIMUM", "any number of values and constants"),
    "MaxPool": ("MAX_POOL_2D", "1-D and 2-D, ceil_mode; not dilated"),
    "Min": ("MINIMUM", "any number of values and constants"),
    "Mul": (
        "MUL",
        "constants per channel are folded, or a DEPTHWISE_CONV_2D; of a difference by itself SQUARED_DIFFERENCE",
    ),
    "Neg": ("MUL", "folded where it can be"),
    "PRelu": ("PRELU LEAKY_RELU", "slopes in float are rounded to 255 steps, which is said"),
    "Pad": ("PAD PADV2 MIRROR_PAD", "constant, reflect; not negative"),
    "Pow": ("MUL SQUARED_DIFFERENCE RSQRT", "exponents 2 and -0.5"),
    "Reciprocal": ("RSQRT", "of a Sqrt"),
    "ReduceMax": ("REDUCE_MAX", "any axes"),
    "ReduceMean": ("AVERAGE_POOL_2D MEAN", "any axes"),
    "ReduceMin": ("REDUCE_MIN", "any axes"),
    "ReduceSum": ("MEAN", "any axes"),
    "Relu": ("RELU", "fused where it can be"),
    "Reshape": ("RESHAPE TRANSPOSE", "constant shapes"),
    "Resize": (
        "RESIZE_NEAREST_NEIGHBOR RESIZE_BILINEAR",
        "nearest where TFLite takes the same pixels; linear by half_pixel, align_corners, asymmetric",
    ),
    "Sigmoid": ("LOGISTIC", ""),
    "Slice": ("STRIDED_SLICE GATHER", "constant ends, steps of either sign"),
    "Softmax": ("SOFTMAX", "over channels"),
    "SpaceToDepth": ("SPACE_TO_DEPTH", ""),
    "Split": ("STRIDED_SLICE", ""),
    "Sqrt": ("RSQRT", "before a Reciprocal"),
    "Squeeze": ("RESHAPE", ""),
    "Sub": ("SUB", "constants per channel are folded, or a DEPTHWISE_CONV_2D"),
    "Tanh": ("TANH", ""),
    "Transpose": ("TRANSPOSE", "a view where it can be"),
    "Unsqueeze": ("RESHAPE", ""),
    "Upsample": ("RESIZE_NEAREST_NEIGHBOR RESIZE_BILINEAR", "as Resize"),
}


def main() -> int:
    """Prints or writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/operators.md")
    args = parser.parse_args()
    text = tables()
    if args.write:
        PAGE.write_text(inserted(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)
    return 0


def tables() -> str:
    """Markdown. IntrsError where a remark is missing or left over, or names an operator that there is not."""
    for what, remarks, known in (("TFLite", set(TFLITE), set(OPERATORS)), ("ONNX", set(ONNX), set(OPS))):
        if remarks != known:
            raise IntrsError(f"{what} operators and their lines differ: {', '.join(sorted(remarks ^ known))}")
    wrong = {kind for becomes, _ in ONNX.values() for kind in becomes.split()} - set(OPERATORS)
    if wrong:
        raise IntrsError(f"not operators of TFLite: {', '.join(sorted(wrong))}")
    tails = ", ".join(TAILS), ", ".join(sorted(MONOTONE))
    lines = ["### TensorFlow Lite", "", "| operator | | fast kernels |", "|---|---|---|"]
    lines += [f"| {kind} | {_remark(kind)} | {'; '.join(fast(kind)) or '-'} |" for kind in sorted(OPERATORS)]
    lines += [
        "",
        f"At the end, dropped where only the class counts: {tails[0]}; in float, too.",
        "",
        "### ONNX (QDQ)",
        "",
    ]
    lines += ["| operator | becomes | |", "|---|---|---|"]
    lines += [f"| {kind} | {', '.join(ONNX[kind][0].split())} | {ONNX[kind][1]} |" for kind in sorted(OPS)]
    lines += ["", f"At the end, dropped: {tails[1]}.", "", "### torch.export (`.pt2`)", ""]
    lines += [f"The ATen operators {', '.join(sorted(n.split('.')[1] for n in CALLS if n.startswith('aten.')))}."]
    return "\n".join(lines)


def _remark(kind: str) -> str:
    fixed = OPERATORS[kind].fixed
    scale = f"output scale 1/{round(1 / fixed[0])}, zero point {fixed[1]}" if fixed else ""
    return "; ".join(part for part in (TFLITE[kind], scale) if part)


def fast(kind: str) -> list[str]:
    """Instruction sets that have a kernel of their own for an operator, alone or fused with others."""
    found = {f for k in registered().values() if any(kind in p for p in k.patterns) for f in k.requires}
    return [words for feature, words in SETS.items() if feature in found]


def inserted(page: str, text: str) -> str:
    """The page with the tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise IntrsError(f"docs/operators.md has no marks {BEGIN} ... {END}")
    return wrapped(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
