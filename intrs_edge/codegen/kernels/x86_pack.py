"""Constants of the AVX2 kernels (firmware/kernels/x86_avx2/intrs_x86_avx2.h), and the proofs of the ranges they need.

Arrays in, arrays out: weights int8 OHWI, bias int32. A range that does not hold for these very weights is a
reason in words.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.quantize import AddParams, Requant, multiply_by_quantized_multiplier

Ints = npt.NDArray[np.int64]
Int8s = npt.NDArray[np.int8]
Int16s = npt.NDArray[np.int16]
Int32s = npt.NDArray[np.int32]

BLOCK = 16
# of 16 channels, as two vectors of eight that vpackssdw and vpacksswb bring back in order
LANES = (0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15)

# rows of G of F(4x4,3x3), scaled to integers: A^T ((G g G^T) * (B^T d B)) A is then 576 times the convolution
G4 = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 3]], np.int64)
F4_GAIN = 576


def accumulator_bound(weights: Int8s, bias: Int32s, in_zero_point: int) -> int:
    """The largest magnitude that an accumulator can reach over every int8 input. weights: ``[out_c, ...]``."""
    flat = weights.reshape(weights.shape[0], -1).astype(np.int64)
    low, high = -128 - in_zero_point, 127 - in_zero_point  # low <= 0 <= high, so that taps in the padding are covered
    positive, negative = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    top = bias + positive * high + negative * low
    bottom = bias + positive * low + negative * high
    return int(max(np.abs(top).max(), np.abs(bottom).max()))


def range_reason(weights: Int8s, bias: Int32s, in_zero_point: int, q: Requant, bits: int) -> str | None:
    """Why accumulators do not stay below ``2**bits``, or a channel is scaled up; None when all is well."""
    if int(q.shift.max()) > 0:
        return "a channel is scaled up (multiplier of 1 or more)"
    bound = accumulator_bound(weights, bias, in_zero_point)
    if bound >= 1 << bits:
        return f"accumulators reach {bound}, the limit is 2^{bits}"
    return None


def padded(values: npt.NDArray[np.generic], axis: int, multiple: int) -> npt.NDArray[np.generic]:
    """Zeros at the end of an axis, up to a multiple."""
    missing = -values.shape[axis] % multiple
    return np.pad(values, [(0, missing if i == axis else 0) for i in range(values.ndim)])


def wrap32(values: npt.NDArray[np.generic]) -> Int32s:
    """Modulo 2^32, as int32."""
    return (values.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def requant_table(bias: Int32s, q: Requant, gain: int = 1) -> Int32s:
    """``[blocks][bias, multiplier, shift, nudge, sign][16 in lane order]``, the bias times ``gain`` modulo 2^32."""
    shift = -q.shift.astype(np.int64)
    rows = np.stack(
        [
            bias.astype(np.int64) * gain,
            q.multiplier.astype(np.int64),
            shift,
            (1 << shift) >> 1,
            -(shift > 0).astype(np.int64),
        ]
    )
    blocks = padded(rows, 1, BLOCK).reshape(len(rows), -1, BLOCK).transpose(1, 0, 2)[:, :, LANES]
    return wrap32(blocks).reshape(-1)


def direct_weights(weights: Int8s, dilation_w: int) -> Int16s:
    """``[blocks][runs][pairs][16 in lane order][2]`` from OHWI: a run is a filter row, or a tap if taps are apart."""
    out_c, h, w, in_c = weights.shape
    runs = weights.reshape(out_c, h * w, in_c) if dilation_w > 1 else weights.reshape(out_c, h, w * in_c)
    whole = padded(padded(runs, 2, 2), 0, BLOCK)
    pairs = whole.reshape(-1, BLOCK, whole.shape[1], whole.shape[2] // 2, 2)[:, LANES]
    return np.ascontiguousarray(pairs.transpose(0, 2, 3, 1, 4)).astype(np.int16).reshape(-1)


def vnni_weights(weights: Int8s, dilation_w: int) -> Int8s:
    """``[blocks][runs][quads][16 in lane order][4]`` from OHWI, runs as in `direct_weights`."""
    out_c, h, w, in_c = weights.shape
    runs = weights.reshape(out_c, h * w, in_c) if dilation_w > 1 else weights.reshape(out_c, h, w * in_c)
    whole = padded(padded(runs, 2, 4), 0, BLOCK)
    quads = whole.reshape(-1, BLOCK, whole.shape[1], whole.shape[2] // 4, 4)[:, LANES]
    return np.ascontiguousarray(quads.transpose(0, 2, 3, 1, 4)).astype(np.int8).reshape(-1)


def folded_bias(weights: Int8s, bias: Int32s, zero_point: int) -> Int32s:
    """The bias for inputs that keep a zero point, modulo 2^32. weights: ``[out_c, ...]``."""
    sums = weights.reshape(len(weights), -1).astype(np.int64).sum(axis=1)
    return wrap32(bias.astype(np.int64) - zero_point * sums)


def f4_weights(weights: Int8s) -> Int16s:
    """``[blocks][36][in_c / 2][16 in lane order][2]`` from OHWI 3x3: G g G^T, at most 18 432 in magnitude."""
    out_c, _, _, in_c = weights.shape
    u = np.einsum("ia,oabc,jb->oijc", G4, weights.astype(np.int64), G4, optimize=True)
    pairs = u.reshape(out_c // BLOCK, BLOCK, 36, in_c // 2, 2)[:, LANES]
    return np.ascontiguousarray(pairs.transpose(0, 2, 3, 1, 4)).astype(np.int16).reshape(-1)


def depthwise_weights(weights: Int8s) -> Int16s:
    """``[blocks][pairs of taps][16 in lane order][2]`` from 1HWC."""
    channels = weights.shape[3]
    taps = padded(padded(weights.reshape(-1, channels), 0, 2), 1, BLOCK)
    pairs = taps.reshape(taps.shape[0] // 2, 2, -1, BLOCK)[:, :, :, LANES]
    return np.ascontiguousarray(pairs.transpose(2, 0, 3, 1)).astype(np.int16).reshape(-1)


### residual sums ###


def add_table(p: AddParams) -> Ints:
    """TFLite's ADD of all pairs, ``[x + 128, y + 128]``."""
    values = np.arange(-128, 128, dtype=np.int64)
    scaled = [
        multiply_by_quantized_multiplier((values - z) << p.left_shift, m, s)
        for z, m, s in zip(p.zero_point, p.multiplier, p.shift, strict=True)
    ]
    total = scaled[0][:, None] + scaled[1][None, :]
    result: Ints = multiply_by_quantized_multiplier(total, int(p.q.multiplier[0]), int(p.q.shift[0])) + p.q.zero_point
    return np.clip(result, p.q.min, p.q.max)


def find_sum(p: AddParams) -> tuple[int, int, int, int] | None:
    """``(a, b, offset, shift)`` with clamp((a x + b y + offset) >> shift) equal to TFLite's ADD of all pairs, or None.

    For given a, b and shift every pair bounds the offset from below, above or both: one pass over the pairs settles
    it. Where the reference's own roundings are out of order at 2^-20 of a step (about one ADD in four) there is none.
    """
    numbers = (int(p.q.multiplier[0]), int(p.q.shift[0]), p.q.zero_point, p.q.min, p.q.max)
    return _find_sum(p.zero_point, p.multiplier, p.shift, p.left_shift, numbers)


@functools.lru_cache(4096)  # kernels of several levels ask for the same sums
def _find_sum(
    zero_point: tuple[int, int],
    multiplier: tuple[int, int],
    shifts: tuple[int, int],
    left: int,
    numbers: tuple[int, ...],
) -> tuple[int, int, int, int] | None:
    q = Requant(np.array(numbers[:1], np.int32), np.array(numbers[1:2], np.int8), *numbers[2:])
    p = AddParams(zero_point, multiplier, shifts, left, q)
    expected = add_table(p)
    x = np.arange(-128, 128, dtype=np.int64)
    back = float(p.q.multiplier[0]) * 2.0 ** (int(p.q.shift[0]) - 31 + p.left_shift)
    slopes = [m * 2.0 ** (s - 31) * back for m, s in zip(p.multiplier, p.shift, strict=True)]
    # only pairs at the edge of a run of equal outputs in y bind; the sign of b tells which edge
    rising = slopes[1] >= 0
    first = np.ones_like(expected, dtype=bool)
    first[:, 1:] = expected[:, 1:] != expected[:, :-1]
    last = np.roll(first, -1, axis=1)
    last[:, -1] = True
    least, most = (first, last) if rising else (last, first)
    lower = np.nonzero(least & (expected > p.q.min))
    upper = np.nonzero(most & (expected < p.q.max))
    for shift in range(24, 18, -1):
        centre = [round(s * 2.0**shift) for s in slopes]
        if max(abs(c) for c in centre) > (1 << 22):
            continue
        low = (expected[lower] << shift, x[lower[0]], x[lower[1]])
        high = ((expected[upper] + 1 << shift) - 1, x[upper[0]], x[upper[1]])
        few = [tuple(v[::_SAMPLE] for v in side) for side in (low, high)]
        for da, db in _NEAR:
            a, b = centre[0] + da, centre[1] + db
            least_offset, most_offset = _offsets(a, b, *few)
            if least_offset > most_offset:  # a few pairs show that most factors do not do
                continue
            least_offset, most_offset = _offsets(a, b, low, high)
            if least_offset <= most_offset:
                return a, b, (least_offset + most_offset) // 2, shift
        break
    return None


def _offsets(a: int, b: int, low: tuple[Ints, ...], high: tuple[Ints, ...]) -> tuple[int, int]:
    """The least and the most offset that ``(bound, x, y)`` of the pairs on each side allow."""
    least = (low[0] - a * low[1] - b * low[2]).max(initial=-(1 << 28))
    most = (high[0] - a * high[1] - b * high[2]).min(initial=1 << 28)
    return int(least), int(most)


_SAMPLE = 32
_SPREAD = 4
_NEAR = sorted(
    ((a, b) for a in range(-_SPREAD, _SPREAD + 1) for b in range(-_SPREAD, _SPREAD + 1)),
    key=lambda d: d[0] ** 2 + d[1] ** 2,
)
