"""What a pixel means: the metadata, what a scale says, and who decides."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intrs_edge.errors import IntrsError
from intrs_edge.graph.builder import GraphBuilder, quant
from intrs_edge.graph.input_map import derive_input_map
from intrs_edge.graph.ir import Graph
from intrs_edge.graph.preprocessing import Preprocessing, numbers, parse, range_of_scale, range_under
from intrs_edge.graph.preprocessing import read_preprocessing as read
from intrs_edge.graph.reading import FEW, PixelOptions, declared, model_sigma, resolve
from intrs_edge.graph.words import RANGES

SHAPE = (1, 4, 4, 3)


def model(
    scale: float,
    zero_point: int,
    reads: object = None,
    dtype: str = "int8",
    shape: tuple[int, ...] = SHAPE,
    **more: str,
) -> Graph:
    b = GraphBuilder()
    x = b.input(shape, scale=scale, zero_point=zero_point, dtype=dtype)
    y = b.unary("QUANTIZE", x, scale=0.1) if dtype == "uint8" else x
    graph = b.build(b.reshape(y, (1, int(np.prod(shape)))))
    return replace(graph, metadata=more if reads is None else {"intrs.input": json.dumps(reads), **more})


### what the scale says ###


@pytest.mark.parametrize(
    ("scale", "zero_point", "expected"),
    [
        (1 / 255, -128, "0..1"),
        (1 / 256, -128, "0..1"),  # an observer by powers of two
        (0.00391961, -128, "0..1"),  # one that met .9995
        (254 / 255 / 255, -128, "0..1"),  # one that met no pixel above 254
        (1, -128, "0..255"),
        (1 / 128, 0, "-1..1"),
        (2 / 255, -1, "-1..1"),
        (2 / 255, 0, "-1..1"),
        (0.0078, 0, "-1..1"),
        # what could be anything
        (0.0187, -14, None),  # ImageNet's mean and deviation
        (1 / 255, 0, None),  # pixel / 255 - 1/2
        (2 / 255, -64, None),  # room for noise, if training says so
        (0.0082, -8, None),  # deviation 1/2, another mean
        (0.05, 3, None),
        (1 / 250, -128, None),
        (1, 0, None),
        (1 / 255, -126, None),
        (1e-30, 0, None),
        (1e30, -128, None),
    ],
)
def test_a_scale_and_zero_point_that_leave_one_reading(scale, zero_point, expected):
    assert range_of_scale(quant(scale, zero_point), "int8") == expected
    assert range_of_scale(quant(scale, zero_point + 128), "uint8") == expected


@given(st.floats(2.0**-40, 2.0**20), st.integers(-128, 127))
def test_a_range_that_is_inferred_differs_from_any_other_by_two_codes_at_most(scale, zero_point):
    found = range_of_scale(quant(scale, zero_point), "int8")
    if found is None:
        return
    slope, offset = RANGES[found]
    real = Fraction(float(np.float32(scale)))
    # the ends of the range are the ends of the codes, so the codes of all pixels between are known up to two
    assert abs(zero_point + offset / real + 128) <= Fraction(1.6)
    assert abs(zero_point + (255 * slope + offset) / real - 127) <= Fraction(1.6)


@pytest.mark.parametrize("k", range(8))
def test_the_scale_of_training_speaks_only_beside_its_sigma(k):
    scale, zero_point = np.float32(2.0**k / 255), -(128 >> k)
    p, said = read(model(scale, zero_point, **{"intrs.sigma": "0.25"}))
    assert p.range == "0..1"
    assert said == {"range", "mean", "std", "bgr"}
    if k:
        assert read(model(scale, zero_point))[0].range is None
    assert read(model(0.05, 3, **{"intrs.sigma": "0.25"}))[0].range is None


def test_a_normalisation_in_the_file_leaves_one_range_or_none():
    imagenet = numbers([0.485, 0.456, 0.406]), numbers([0.229, 0.224, 0.225])
    assert range_under(quant(0.0187, -14), "int8", *imagenet) == "0..1"
    caffe = numbers([123.68, 116.78, 103.94]), numbers([58.4, 57.1, 57.4])
    assert range_under(quant(0.0187, -14), "int8", *caffe) == "0..255"
    assert range_under(quant(0.015, -4), "int8", numbers([0.0]), numbers([0.5])) is None  # 0..1 and -1..1 both fit
    assert range_under(quant(5.0, -14), "int8", *imagenet) is None


### metadata ###


def test_every_field_makes_the_round_trip():
    p = Preprocessing("-1..1", numbers([0.1, 0.2, 0.3]), numbers([0.5, 1.0, 2.0]), True, "NHWC", "crop")
    found, said = parse(json.dumps(p.as_json()))
    assert replace(found, source="") == p
    assert said == {"range", "mean", "std", "bgr", "layout", "resize"}


def test_a_file_of_an_earlier_version_meant_pixel_over_255():
    p, said = parse('{"mean": [0.5], "std": [0.25]}')
    assert (p.range, p.mean, p.std) == ("0..1", (Fraction(1, 2),), (Fraction(1, 4),))
    assert said == {"range", "mean", "std"}


def test_a_range_of_null_is_not_inferred_after_all():
    p, said = read(model(1 / 255, -128, {"range": None, "mean": [0.5], "std": [1]}))
    assert p.range is None
    assert said == {"mean", "std"}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "3", "null", "{}", '{"mean": [0]}', '{"range": "0..2"}', '{"range": "0..1", "mean": []}',
        '{"range": "0..1", "mean": ["1/0"]}', '{"range": "0..1", "std": [0]}', '{"range": "0..1", "std": [-1]}',
        '{"range": "0..1", "std": [1e-300]}', '{"range": "0..1", "mean": [NaN]}',
        '{"range": "0..1", "mean": [Infinity]}', '{"range": "0..1", "mean": [1e400]}',
        '{"range": "0..1", "mean": [true]}', '{"range": "0..1", "mean": 1}',
        '{"range": "0..1", "channels": "GBR"}', '{"range": "0..1", "layout": "HWC"}',
        '{"range": "0..1", "resize": "no"}',
        '{"range": "0..1", "extra": 1}', '{"range": ["0..1"]}', '{"range": "0..1", "channels": {}}', "[" * 100_000,
        '{"range": "0..1", "mean": [1' + "0" * 5000 + "]}", '{"range": "0..1", "mean": [' + "1," * 70_000 + "1]}",
        '{"range": "0..1", "mean": [0, 0]}', '{"range": "0..1", "std": [1, 1, 1, 1]}',
    ],
)  # fmt: skip
def test_malformed_metadata_is_one_line(text):
    graph = replace(model(1 / 255, -128), metadata={"intrs.input": text})
    with pytest.raises(IntrsError, match=r"intrs\.input"):
        resolve(graph)


def test_grey_images_have_no_order_of_channels():
    with pytest.raises(IntrsError, match="3 channels"):
        resolve(model(1 / 255, -128, {"range": "0..1", "channels": "BGR"}, shape=(1, 4, 4, 1)))
    with pytest.raises(IntrsError, match="3 channels"):
        resolve(model(1 / 255, -128, shape=(1, 4, 4, 1)), PixelOptions(bgr=True))


### who decides ###


def test_the_file_comes_first_then_the_options_then_the_scale():
    assert resolve(model(1 / 255, -128)).preprocessing.range == "0..1"
    said = resolve(model(1, -128), PixelOptions("-1..1", (0.0,), (0.01,)))
    assert (said.preprocessing.range, said.preprocessing.source) == ("-1..1", "the options")
    file = model(2 / 255, -64, {"range": "0..1"})
    assert "intrs.input" in resolve(file).preprocessing.source
    assert resolve(file, PixelOptions("0..1")).known  # what the file says may be said again


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (PixelOptions("0..255"), "--input-range"),
        (PixelOptions(mean=(0.5,)), "--mean"),
        (PixelOptions(std=(0.5, 0.5, 0.5)), "--std"),
        (PixelOptions(bgr=True), "--bgr"),
    ],
)
def test_an_option_against_the_file_is_refused_unless_forced(options, name):
    file = model(2 / 255, -64, Preprocessing("0..1").as_json())
    with pytest.raises(IntrsError, match=f"{name}: the file's metadata intrs.input says otherwise"):
        resolve(file, options)
    forced = resolve(file, replace(options, force=True))
    assert forced.preprocessing != resolve(file).preprocessing
    trained = model(2 / 255, -64, **{"intrs.sigma": "0.25"})
    with pytest.raises(IntrsError, match=f"{name}: the file's metadata intrs.sigma"):
        resolve(trained, options)


def test_what_is_not_known_says_so_and_takes_no_pixels():
    found = resolve(model(0.05, 3))
    assert not found.known
    assert found.as_json() is None
    assert "WARNING" in found.lines()[0]
    assert "--input-range" in found.lines()[0]
    assert "intrs.input" not in found.graph.metadata
    with pytest.raises(IntrsError, match="not known: say how it was trained with --input-range"):
        derive_input_map(found.graph, 10)


def test_mean_and_deviation_without_a_range_are_of_0_to_1_where_they_can_be():
    p = resolve(model(0.0187, -14), PixelOptions(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))).preprocessing
    assert p.range == "0..1"
    with pytest.raises(IntrsError, match=r"--mean 123\.68 lies outside 0\.\.1: say of which range"):
        resolve(model(0.0187, -14), PixelOptions(mean=(123.68, 116.78, 103.94)))
    with pytest.raises(IntrsError, match="2 numbers of mean for 3 channels"):
        resolve(model(0.0187, -14), PixelOptions(mean=(0.5, 0.5)))
    with pytest.raises(IntrsError, match="not finite numbers"):
        resolve(model(0.0187, -14), PixelOptions(mean=(float("nan"),)))
    with pytest.raises(IntrsError, match="std"):
        resolve(model(0.0187, -14), PixelOptions(std=(0.0,)))


@pytest.mark.parametrize(
    ("scale", "zero_point", "options", "codes"),
    [(1, -128, PixelOptions("0..1"), 2), (1 / 255, -128, PixelOptions("0..255"), 2), (1, 0, PixelOptions("-1..1"), 3)],
)
def test_a_map_that_reaches_few_codes_is_refused_unless_forced(scale, zero_point, options, codes):
    with pytest.raises(IntrsError, match=f"reach {codes} of the input's 256 codes"):
        resolve(model(scale, zero_point), options)
    assert resolve(model(scale, zero_point), replace(options, force=True)).codes[2] == codes
    with pytest.raises(IntrsError, match="of the input's 256 codes"):  # whoever says it
        resolve(model(scale, zero_point, {"range": options.range}))


def test_one_channel_of_three_is_enough_to_refuse():
    with pytest.raises(IntrsError, match="reach 1 of the input's"):
        resolve(model(1 / 255, -128), PixelOptions(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1e6)))


@pytest.mark.parametrize("k", range(5))
def test_what_training_makes_is_never_refused(k):
    found = resolve(model(np.float32(2.0**k / 255), -(128 >> k), {"range": "0..1"}))
    assert found.codes[2] >= FEW


def test_half_of_the_codes_is_worth_a_note_where_no_noise_was_trained_for():
    wrong = model(1 / 128, 0, {"range": "0..1"})  # of -1..1, say
    assert any("less than half" in line for line in resolve(wrong).lines()) == (resolve(wrong).codes[2] < 128)
    thin = model(2 / 255, -64, {"range": "0..1", "std": [2]})
    assert any("less than half" in line for line in resolve(thin).lines())
    assert len(resolve(replace(thin, metadata={**thin.metadata, "intrs.sigma": "0.5"})).lines()) == 1


def test_what_was_resolved_is_what_the_next_one_reads():
    first = resolve(
        model(0.0187, -14), PixelOptions("0..255", (123.68, 116.78, 103.94), (58.4, 57.1, 57.4), True, "crop")
    )
    again = resolve(first.graph)
    assert replace(again.preprocessing, source="") == replace(first.preprocessing, source="")
    assert derive_input_map(again.graph, 500) == derive_input_map(first.graph, 500)


def test_uint8_is_int8_128_higher():
    signed, unsigned = model(0.02, 3), model(0.02, 131, dtype="uint8")
    options = PixelOptions("0..1", (0.5,), (0.3,))
    assert resolve(signed, options).codes == resolve(unsigned, options).codes


def test_a_vector_is_not_resized():
    with pytest.raises(IntrsError, match="--resize crop has no effect"):
        resolve(model(1 / 255, -128, shape=(1, 12)), PixelOptions(resize="crop"))


def test_a_float_model_has_no_scale_to_tell():
    assert declared({}, 3, PixelOptions()).range is None
    assert declared({}, 3, PixelOptions(mean=(0.5,))).range == "0..1"
    assert declared({"intrs.input": '{"range": "0..255", "layout": "NCHW"}'}, 3, PixelOptions()).layout == "NHWC"
    with pytest.raises(IntrsError, match="--input-range"):
        declared({"intrs.input": '{"range": "0..255"}'}, 3, PixelOptions("0..1"))


### the map ###


@pytest.mark.parametrize(
    ("range_", "scale", "zero_point", "shift"),
    [("0..255", 1, -128, 0), ("0..1", 1 / 255, -128, 0), ("-1..1", 2 / 255, -1, 0), ("0..255", 4, -32, 2)],
)
def test_maps_that_are_a_shift(range_, scale, zero_point, shift):
    found = derive_input_map(model(scale, zero_point, {"range": range_}), 600)
    assert (set(found.mul), found.shift, found.exact) == ({1}, shift, True)
    pixels = np.arange(256).repeat(3).reshape(-1, 3)
    expected = pixels - 128 if shift == 0 else np.floor(pixels / 4 + 0.5) - 32
    np.testing.assert_array_equal(found.apply(pixels), np.clip(expected, -128, 127))


def test_one_meaning_said_in_three_ways_is_one_map():
    ways = [
        {"range": "-1..1"},
        {"range": "0..1", "mean": [0.5], "std": [0.5]},
        {"range": "0..255", "mean": [127.5], "std": [127.5]},
    ]
    assert len({derive_input_map(model(0.0079, 3, reads), 700) for reads in ways}) == 1


### sigma ###


@pytest.mark.parametrize(
    ("text", "expected"), [("0.25", "0.25"), (" 0.5 ", "0.5"), ("0.0", None), ("1e-05", "0.00001")]
)
def test_the_sigma_of_a_model(text, expected):
    found = model_sigma(model(1, 0, **{"intrs.sigma": text}))
    assert found == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize("text", ["", "x", "-0.25", "nan", "inf", "1e99999999", "1e-99999999", "9" * 5000, "1/4"])
def test_a_sigma_that_is_none_is_one_line(text):
    with pytest.raises(IntrsError, match=r"intrs\.sigma"):
        model_sigma(model(1, 0, **{"intrs.sigma": text}))
