"""Random graphs around one operator over windows or axes."""

from __future__ import annotations

from collections.abc import Callable

from draws import (
    Draw,
    activations,
    image,
    scales,
    window,
    zeros,
)
from hypothesis import strategies as st

from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.ir import Graph


def l2_normalization(draw: Draw) -> Graph:
    """Over the last axis."""
    b = GraphBuilder()
    shape = draw(st.sampled_from([(1, 1), (1, 10), (1, 300), (1, 3, 7), (1, 2, 3, 5)]))
    x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
    return b.build(b.unary("L2_NORMALIZATION", x, scale=1 / 128, attrs={"activation": "NONE"}))


def _pool(kind: str) -> Callable[[Draw], Graph]:
    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        x = image(draw, b)
        win = window(draw, b.shape(x), dilated=False)
        make = b.average_pool_2d if kind == "AVERAGE_POOL_2D" else b.max_pool_2d
        return b.build(make(x, win["filter"], win["stride"], padding=win["padding"], activation=draw(activations)))

    return case


def _reduce(kind: str) -> Callable[[Draw], Graph]:
    """Over any axes, the batch too."""

    def case(draw: Draw) -> Graph:
        b = GraphBuilder()
        rank = draw(st.sampled_from([4, 4, 4, 2, 5, 6])) if kind in ("MEAN", "SUM") else 4
        shape = (1, *(draw(st.integers(1, 9 if rank < 5 else 4)) for _ in range(rank - 1)))
        x = b.input(shape, scale=draw(scales), zero_point=draw(zeros))
        axes = draw(st.lists(st.integers(-rank, rank - 1), min_size=1, max_size=rank))
        keep = draw(st.booleans())
        reduced = {a % rank for a in axes}
        target = [1 if i in reduced else n for i, n in enumerate(shape) if keep or i not in reduced]
        q = b.quant_of(x)
        if kind in ("MEAN", "SUM") and draw(st.booleans()):
            q = quant(float(q.scale[0]) * draw(st.floats(0.05, 3.0 if kind == "MEAN" else 60.0)), draw(zeros))
        y = b.op(kind, [x, b.constant(axes, dtype="int32")], target, q, {"keep_dims": keep})
        return b.build(y if target[:1] == [1] else b.reshape(y, (1, *target)))

    return case


def softmax(draw: Draw) -> Graph:
    """Over the last axis; beta 1 and others."""
    b = GraphBuilder()
    shape = draw(st.sampled_from([(1, 1), (1, 2), (1, 10), (1, 100), (1, 3, 7), (1, 2, 3, 5)]))
    x = b.input(shape, scale=draw(st.floats(1e-3, 2.0)), zero_point=draw(zeros))
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 2.5]))
    return b.build(b.unary("SOFTMAX", x, scale=1 / 256, zero_point=-128, attrs={"beta": beta}))


def _resize(kind: str) -> Callable[[Draw], Graph]:
    """Up and down, in every mode."""
    return lambda draw: resize(draw, kind)


def resize(draw: Draw, kind: str) -> Graph:
    """One image to another size."""
    b = GraphBuilder()
    x = image(draw, b, 7, 3)
    size = (draw(st.integers(1, 15)), draw(st.integers(1, 15)))
    align, half = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    attrs = {"align_corners": align, "half_pixel_centers": half}
    shape = (1, *size, b.shape(x)[3])
    return b.build(b.op(kind, [x, b.constant(size, dtype="int32")], shape, b.quant_of(x), attrs))


AXES: dict[str, Callable[[Draw], Graph]] = {
    "AVERAGE_POOL_2D": _pool("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": _pool("MAX_POOL_2D"),
    "MEAN": _reduce("MEAN"),
    "SUM": _reduce("SUM"),
    "REDUCE_MAX": _reduce("REDUCE_MAX"),
    "REDUCE_MIN": _reduce("REDUCE_MIN"),
    "SOFTMAX": softmax,
    "RESIZE_NEAREST_NEIGHBOR": _resize("RESIZE_NEAREST_NEIGHBOR"),
    "RESIZE_BILINEAR": _resize("RESIZE_BILINEAR"),
    "L2_NORMALIZATION": l2_normalization,
}
