"""QDQ files drawn at random, one operator each: shapes, windows, axes, scales, zero points, int8 and uint8, against
ONNX Runtime (a tie apart) and BUILTIN_REF (bit for bit)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from intrs_edge.convert.qdq.ops import OPS

from .drawn import CASES, WITHIN
from .drawn_net import Net, factors
from .net import steps

SETTINGS = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.generate, Phase.shrink),
    "derandomize": True,
}


def check(net: Net) -> None:
    """At the scale of what comes out, or somewhat beside it."""
    real = net.results()
    assume(np.all(np.isfinite(real)) and real.std() > 1e-3)
    scale, zero = getattr(net, "fixed", (0.0, 0))
    if not scale:
        low, high = min(float(real.min()), 0.0), max(float(real.max()), 0.0)
        scale = (high - low) / 255 * net.draw(factors)
        if net.most > 1 or any(n.op_type == "Resize" for n in net.nodes):
            scale = max(scale, net.coarsest)
            assume(real.std() > scale)  # else it may be one value everywhere, which would show nothing
        zero = int(np.clip(round(-128 - low / scale) + net.draw(st.integers(-9, 9)), -128, 127))
    net.quantised(scale, zero)
    if net.nodes[2].op_type in ("Exp", "Sigmoid", "Softmax", "Tanh"):  # at the end it would be dropped
        net.node("MaxPool", kernel_shape=[1, 1])
    net.node("Flatten")
    _, distance = steps(net)
    assert distance.max() <= net.most, f"{distance.max()} steps"
    assert (distance > 0).mean() <= 0.35, f"{(distance > 0).mean():.1%} of the values differ"


@pytest.mark.parametrize("kind", CASES)
def test_drawn(kind: str):
    @settings(max_examples=12, **SETTINGS)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        check(CASES[kind](data.draw))

    run()


@pytest.mark.long
@pytest.mark.parametrize("kind", CASES)
def test_drawn_many(kind: str):
    @settings(max_examples=400, **(SETTINGS | {"derandomize": False}))
    @given(st.data())
    def run(data: st.DataObject) -> None:
        check(CASES[kind](data.draw))

    run()


def test_every_operator_is_drawn():
    named = {kind.split(" ")[0].rstrip(",") for kind in CASES}
    assert set(OPS) <= named.union(*WITHIN.values())
