"""Weight streams of the Cortex-M DSP kernels (firmware/kernels/arm_dsp), and the proofs that their arithmetic needs.

Everything here is arrays in, arrays out: weights int8 OHWI, bias int32, multiplier and TFLite shift per channel. A
range that does not
hold for these very weights is a reason in words, and the chooser takes another kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from intrs_edge.graph.fixedpoint import multiply_by_quantized_multiplier
from intrs_edge.graph.quantize import AddParams

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Filters:
    """The constants of a convolution as the contract has them.

    weights: int8 ``[out_c, h, w, in_c]``; bias, multiplier, shift (TFLite: negative is right): ``[out_c]``; zero
    points of input and output;
    linear: the output is not clamped at its zero point, so that the rounding of negative sums shows.
    """

    weights: npt.NDArray[np.int8]
    bias: Ints
    in_zero_point: int
    multiplier: Ints
    shift: Ints
    out_zero_point: int
    linear: bool = True

    @property
    def out_c(self) -> int:
        """Filters."""
        return int(self.weights.shape[0])

    @property
    def flat(self) -> Ints:
        """Weights as int64 ``[out_c, taps]``."""
        return self.weights.reshape(self.out_c, -1).astype(np.int64)

    @property
    def folded_bias(self) -> Ints:
        """The bias with the input's zero point folded in, so that kernels multiply raw activations: wraps in 32 bits
        as the sums do.
        """
        folded: Ints = self.bias - self.in_zero_point * self.flat.sum(axis=1)
        return folded

    @property
    def bounds(self) -> tuple[Ints, Ints]:
        """The lowest and the highest value of each accumulator over every possible input, zero point included."""
        low, high = -128 - self.in_zero_point, 127 - self.in_zero_point
        positive = np.maximum(self.flat, 0).sum(axis=1)
        negative = np.minimum(self.flat, 0).sum(axis=1)
        return self.bias + positive * low + negative * high, self.bias + positive * high + negative * low

    @property
    def right(self) -> Ints:
        """The right shift of each channel."""
        return -self.shift

    @cached_property
    def constant(self) -> tuple[npt.NDArray[np.bool_], Ints]:
        """Channels whose output never changes, and that output.

        Requantisation does not decrease, so it is enough that the lowest and the highest accumulator give the same
        byte. (Batch normalisation of a channel that died
        in training leaves such channels, with biases near 2^30 and multipliers near 2^-27.)
        """
        ends = []
        for acc in self.bounds:
            safe = np.clip(acc, -(1 << 31), (1 << 31) - 1)
            scaled = multiply_by_quantized_multiplier(safe, self.multiplier, np.minimum(self.shift, 0))
            ends.append(np.clip(scaled + self.out_zero_point, -128, 127))
        low, high = self.bounds
        whole = (low >= -(1 << 31)) & (high < 1 << 31) & (self.shift <= 0)
        return whole & (ends[0] == ends[1]), ends[0]

    @property
    def up(self) -> Ints:
        """Left shift of each channel's accumulator, 0 where it is scaled down."""
        return np.maximum(self.shift, 0)


def wrap32(values: Ints) -> npt.NDArray[np.int32]:
    """Modulo 2^32, as int32."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def requant_reason(filters: Filters, scale_bits: int) -> str | None:
    """Why three-instruction requantisation of ``2^scale_bits * accumulator`` would not be exact, or None (proof: see
    `requant_words`).
    """
    live = ~filters.constant[0]
    right, up = filters.right[live], filters.up[live]
    low, high = (bound[live] for bound in filters.bounds)
    if int(filters.multiplier.min()) < 0:
        return "a channel's multiplier is negative"
    if not live.any():
        return None
    if filters.linear and int(right.min()) < 1:
        return "a channel is scaled up (multiplier 0.5 or more) and not clamped at its zero point"
    if int(right.max()) + scale_bits - 1 > 22:
        return f"a channel's multiplier is below 2^-{23 - scale_bits}"
    if int(up.max()) > (7 if scale_bits == 1 else scale_bits - 2):
        return f"a channel is scaled up by {int(up.max())} bits"
    limit = np.int64(1) << (31 - scale_bits - (up if scale_bits == 1 else 0))
    if bool((np.maximum(-low, high) >= limit).any()):
        return f"accumulators reach {int(np.maximum(-low, high).max())}, {31 - scale_bits} bits are available"
    return None


def requant_words(filters: Filters, scale_bits: int) -> Ints:
    """``[out_c, 3]``: multiplier, addend, shift.

    With acc = 2^t y the high word of acc * m is floor(y m / 2^(32 - t)). The inner rounding floor((y m + 2^30) / 2^31)
    is then a constant 2^(t-2) below a shift of t - 1 (t = 1: the rounding form of the instruction), the outer one
    2^(e-1) above it and the zero point 2^e above that; nested floors of halvings are one. |acc m / 2^32| < 2^30 and the
    addend is below 2^29 + 2^22 + 16, so nothing overflows. Scaled up by s bits there is no outer rounding: t = 1 takes
    acc = 2^(s+1) y, larger t has s bits less below the point. A constant channel gets the multiplier 0 and shift 1.
    """
    constant, value = filters.constant
    right = np.where(constant, 1, filters.right)
    total = np.maximum(right, 0) if scale_bits == 1 else right + scale_bits - 1
    addend = np.where(constant, value, filters.out_zero_point) << total
    addend = addend + np.where(right >= 1, np.int64(1) << np.maximum(total - 1, 0), 0)
    if scale_bits >= 2:
        addend = addend + (np.int64(1) << (scale_bits - 2 + np.minimum(right, 0)))
    return np.stack([np.where(constant, 0, filters.multiplier), addend, total], axis=1)


def _pad(values: Ints, axis: int, multiple: int) -> Ints:
    extra = -values.shape[axis] % multiple
    pads = [(0, 0)] * values.ndim
    pads[axis] = (0, extra)
    return np.pad(values, pads)


def lanes(taps: Ints) -> Ints:
    """Words of two int16 in the order of SXTB16: ``[..., 4 n] -> [..., 2 n]``, {0, 2} then {1, 3} of every four."""
    four = taps.reshape(*taps.shape[:-1], -1, 4)
    words = (four[..., [0, 1]] & 0xFFFF) | ((four[..., [2, 3]] & 0xFFFF) << 16)
    return words.reshape(*taps.shape[:-1], -1)


def _bytes(taps: Ints) -> Ints:
    four = taps.reshape(*taps.shape[:-1], -1, 4) & 0xFF
    return four[..., 0] | (four[..., 1] << 8) | (four[..., 2] << 16) | (four[..., 3] << 24)


def direct_stream(filters: Filters, wide: bool) -> npt.NDArray[np.int32]:
    """The stream of intrs_dsp_conv2d_s16 (``wide``) or intrs_dsp_conv2d_s8; see intrs_dsp.h."""
    up = filters.up[:, None]
    flat = filters.flat << (up + 1) if wide else filters.flat
    taps = _pad(_pad(flat, 1, 4), 0, 2)
    pairs = taps.reshape(-1, 2, taps.shape[1])
    words = lanes(pairs).reshape(len(pairs), 2, -1, 2) if wide else _bytes(pairs)[..., None]
    # pair, step, filter, word
    body = words.transpose(0, 2, 1, 3).reshape(len(pairs), -1)
    bias = _pad(filters.folded_bias << (filters.up + 1) if wide else filters.folded_bias, 0, 2).reshape(-1, 2)
    requant = requant_words(filters, 1)
    if not wide:
        requant[:, 2] |= (filters.up + 1) << 8
    return wrap32(np.concatenate([bias, body, _pad(requant, 0, 2).reshape(-1, 6)], axis=1)).reshape(-1)


def depthwise_stream(filters: Filters) -> npt.NDArray[np.int32]:
    """The stream of intrs_dsp_depthwise2d; ``filters.weights`` is ``[channels, taps]``, at least four channels. See
    intrs_dsp.h.
    """
    channels = filters.out_c
    starts = [*range(0, channels - 3, 4)] + ([channels - 4] if channels % 4 else [])
    scale = (filters.up + 1)[:, None]
    taps, bias, requant = filters.flat << scale, filters.folded_bias << scale[:, 0], requant_words(filters, 1)
    groups = []
    for c in starts:
        group = slice(c, c + 4)
        weights = lanes(np.ascontiguousarray(taps[group].T))  # taps, 2
        groups += [bias[c : c + 4][[0, 2, 1, 3]], weights.reshape(-1), requant[group].reshape(-1)]
    return wrap32(np.concatenate(groups))


G4 = np.array([[6, 0, 0], [1, 1, 1], [1, -1, 1], [1, 2, 4], [1, -2, 4], [0, 0, 6]], dtype=np.int64)


def f4_stream(filters: Filters, expanded: bool) -> npt.NDArray[np.int32]:
    """The stream of intrs_dsp_conv2d_f4; ``expanded`` includes the transformed filters. See intrs_dsp.h."""
    g = filters.weights.astype(np.int64)  # out, 3, 3, in
    # 16384 in the lower lanes (channels 0 and 1 of every four) of d[4..5][4..5] reaches outputs (2..3, 2..3)
    low = g[..., [c for c in range(g.shape[3]) if c % 4 < 2]].sum(axis=3)
    correction = np.stack([low[:, 4 - i :, 4 - j :].sum(axis=(1, 2)) for i in (2, 3) for j in (2, 3)], axis=1)
    head = np.concatenate(
        [36 * filters.folded_bias[:, None], 64 * 16384 * correction, requant_words(filters, 6)], axis=1
    )
    pairs = _pad(head, 0, 2).reshape(-1, 16)
    if not expanded:
        return wrap32(pairs).reshape(-1)
    u = np.einsum("ia,oabc,jb->oijc", G4, g, G4).reshape(filters.out_c, 36, -1)
    words = lanes(_pad(u, 0, 2)).reshape(len(pairs), 2, 36, -1, 2)
    body = words.transpose(0, 2, 3, 1, 4).reshape(len(pairs), -1)
    return wrap32(np.concatenate([pairs, body], axis=1)).reshape(-1)


def exact_operand(p: AddParams) -> int:
    """The operand that TFLite scales by exactly 1/2 (the one with the larger scale), or -1."""
    return next((i for i in (1, 0) if p.multiplier[i] == 1 << 30 and p.shift[i] == 0), -1)


def add_reason(p: AddParams) -> str | None:
    """Why `add_table` would not be exact, or None. Twice the sum stays below 2^30: two operands of at most 2^28 each,
    halved and doubled.
    """
    if exact_operand(p) < 0:
        return "no operand is scaled by exactly 1/2"
    if p.left_shift != 20:
        return f"operands are shifted by {p.left_shift} bits, not 20"
    if max(p.shift) > 0:
        return "an operand is scaled up"
    shift, multiplier = int(p.q.shift[0]), int(p.q.multiplier[0])
    if shift > -1 or -shift > 22 or multiplier < 0:
        return f"the output's multiplier is outside 2^-23 .. 2^-1 (shift {shift})"
    return None


def add_table(p: AddParams) -> tuple[npt.NDArray[np.int32], tuple[int, int, int]]:
    """The table of intrs_dsp_add, by the other operand's byte, and (multiplier, addend, shift) of the output."""
    exact = exact_operand(p)
    other = 1 - exact
    values = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.int64)
    scaled = multiply_by_quantized_multiplier(
        (values - p.zero_point[other]) << p.left_shift, p.multiplier[other], p.shift[other]
    )
    right = -int(p.q.shift[0])
    addend = (1 << (right - 1)) + (p.q.zero_point << right)
    table = 2 * scaled - (p.zero_point[exact] << p.left_shift)
    return wrap32(table), (int(p.q.multiplier[0]), addend, right)
