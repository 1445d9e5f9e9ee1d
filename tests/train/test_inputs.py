import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.convert.emit import Emitter, per_tensor
from intrs_edge.errors import IntrsError
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.train import InputQuant, choose_input_quant
from intrs_edge.train.inputs import normalised_input


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
    device = derive_input_map(e.graph((x,), (x,), "m", {"intrs.input": json.dumps(quant.reads.as_json())}), 2000)
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


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("sigma", [0.0, 0.12, 0.5])
def test_a_normalised_input_is_the_devices_map(sigma: float):
    """Exactly rounded, the same codes in training and on the device, and two sigma of room."""
    quant = normalised_input(sigma, *IMAGENET, 3)
    assert quant.map.exact
    e = Emitter()
    x = e.tensor("input", (1, 1, 1, 3), "int8", per_tensor(quant.scale, quant.zero_point))
    device = derive_input_map(e.graph((x,), (x,), "m", {"intrs.input": json.dumps(quant.reads.as_json())}), 4080)
    room = int(2 * sigma * 255)
    pixels = np.arange(-room, 256 + room)[:, np.newaxis].repeat(3, 1)
    codes = quant.quantise(pixels)
    np.testing.assert_array_equal(device.apply(pixels), codes)
    mean, std = (np.array(v) for v in IMAGENET)
    real = (pixels / 255 - mean) / std
    assert np.abs((codes.astype(int) - quant.zero_point) * float(quant.scale) - real).max() <= 0.51 * float(quant.scale)


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [((0.5, 0.5), (1,), "--mean has 2 values"), ((0.5,), (0.0,), "--std is 0"), ((float("nan"),), (1,), "--mean has")],
)
def test_senseless_normalisation(mean: tuple[float, ...], std: tuple[float, ...], says: str):
    with pytest.raises(IntrsError, match=says):
        normalised_input(0.25, mean, std, 3)
