import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.convert.emit import Emitter, per_tensor
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.train import InputQuant, choose_input_quant
from intrs_edge.train.frozen import READS


@pytest.mark.parametrize(
    ("sigma", "shift"),
    [(0, 0), (0.12, 1), (0.25, 1), (0.2519, 1), (0.252, 2), (0.7539, 2), (0.754, 3), (0.5, 2), (1.0, 3), (2.0, 4)],
)
def test_documented_table(sigma: float, shift: int):
    assert choose_input_quant(sigma).shift == shift


@given(st.floats(0, 2.0))
def test_two_sigma_of_room_on_each_side_and_no_more_than_needed(sigma: float):
    k = choose_input_quant(sigma).shift
    assert 2**k * 256 >= 255 + 4 * 255 * sigma
    assert k == 0 or 2 ** (k - 1) * 256 < 255 + 4 * 255 * sigma


@pytest.mark.parametrize("shift", range(5))
def test_training_and_device_round_alike(shift: int):
    quant = InputQuant(shift)
    e = Emitter()
    x = e.tensor("input", (1, 1, 1, 1), "int8", per_tensor(quant.scale, quant.zero_point))
    device = derive_input_map(e.graph((x,), (x,), "m", {"intrs.input": json.dumps(READS)}), 2000)
    pixels = np.arange(-2000, 2256).reshape(-1, 1, 1, 1)
    assert device.mul == (1,)
    assert device.shift == shift
    np.testing.assert_array_equal(device.apply(pixels), quant.quantise(pixels))


@pytest.mark.parametrize("shift", range(5))
def test_pixel_range_is_centred(shift: int):
    q = InputQuant(shift).quantise(np.array([0, 255])).astype(int)
    assert abs(q[0] + 128 - (127 - q[1])) <= 1


@pytest.mark.parametrize("sigma", [-0.1, 2.1, float("nan")])
def test_impossible_sigma(sigma: float):
    with pytest.raises(IntrsError, match="out of range"):
        choose_input_quant(sigma)
