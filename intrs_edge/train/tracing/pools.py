# SPDX-License-Identifier: Apache-2.0
"""Pools, means and resizing."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from torch import fx, nn

from intrs_edge.train.tracing.values import Handler, Unsupported, Value, axes_of, one

if TYPE_CHECKING:
    from intrs_edge.train.tracing.graph import Builder as Tracer


def _options(kernel: Any, stride: Any, padding: Any, axes: int) -> dict[str, tuple[int, ...]]:
    kernel, pad = axes_of(kernel, axes), axes_of(padding, axes)
    stride = kernel if stride is None or stride == [] else axes_of(stride, axes)
    return {"kernel": kernel, "stride": stride, "pad": (*pad, *pad), "dilation": (1,) * axes}


def _ceil(t: Tracer, x: Value, o: dict[str, tuple[int, ...]], ceil: bool) -> dict[str, tuple[int, ...]]:
    """``ceil_mode`` as padding at the end, so that the result has the shape that torch gave it."""
    if not ceil:
        return o
    out, axes = t.whole(t.result)[1:], len(o["kernel"])
    ends = []
    for a in range(axes):
        reach = (out[a] - 1) * o["stride"][a] + o["kernel"][a]
        ends.append(max(o["pad"][axes + a], reach - x.shape[1 + a] - o["pad"][a]))
    return {**o, "pad": (*o["pad"][:axes], *ends)}


def max_pool(
    t: Tracer, node: fx.Node, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Value:  # fmt: skip
    """Max pools over one or two axes."""
    if return_indices:
        raise Unsupported("a pool that gives indices is not supported; use upsampling")
    v = one(x)
    axes = len(v.shape) - 1
    if max(axes_of(dilation, axes)) > 1:
        raise Unsupported("a dilated pool is not supported; pool without dilation")
    options: dict[str, Any] = {**_ceil(t, v, _options(kernel_size, stride, padding, axes), ceil_mode)}
    return t.layer(node, "max_pool", (v,), **options)


def average_pool(
    t: Tracer, node: fx.Node, x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Value:  # fmt: skip
    """Average pools over one or two axes."""
    v = one(x)
    if divisor_override is not None:
        raise Unsupported("divisor_override is not supported; leave it out")
    options: dict[str, Any] = _options(kernel_size, stride, padding, len(v.shape) - 1)
    if ceil_mode and _ceil(t, v, options, True) != options:
        raise Unsupported("an average pool whose last window is cut off is not supported; pad before it")
    return t.layer(node, "average_pool", (v,), **options, count_include_pad=bool(count_include_pad))


def adaptive(kind: str) -> Handler:
    """Adaptive pools whose windows have one size."""

    def handler(t: Tracer, node: fx.Node, x: Any, output_size: Any, return_indices: bool = False) -> Value:
        v = one(x)
        if return_indices:
            raise Unsupported("a pool that gives indices is not supported; leave return_indices out")
        spatial, out = v.shape[1:], t.whole(t.result)[1:]
        if set(out) == {1} and kind == "average_pool":
            return t.layer(node, "global_average_pool", (v,))
        if any(i % o for i, o in zip(spatial, out, strict=True)):
            raise Unsupported(f"an adaptive pool from {spatial} to {out} has windows of different sizes; use multiples")
        size = tuple(i // o for i, o in zip(spatial, out, strict=True))
        return _pool(t, node, kind, v, size)

    return handler


def largest_aten(t: Tracer, node: fx.Node, x: Any, output_size: Any) -> tuple[Value, None]:
    """aten.adaptive_max_pool1d and 2d, which gives indices too; nobody may read them."""
    t.result = t.result[0]
    return adaptive("max_pool")(t, node, x, output_size), None


def _pool(
    t: Tracer, node: fx.Node, kind: str, v: Value, size: tuple[int, ...], suffix: str = "",
    shape: tuple[int, ...] | None = None,
) -> Value:  # fmt: skip
    """Windows side by side."""
    options: dict[str, Any] = _options(size, size, 0, len(size))
    if kind == "average_pool":
        options["count_include_pad"] = True
    return t.layer(node, kind, (v,), suffix=suffix, shape=shape, **options)


def reduce(kind: str) -> Handler:
    """Mean or maximum over one or more spatial axes."""

    def handler(t: Tracer, node: fx.Node, x: Any, dim: Any = None, keepdim: bool = False) -> Value:
        v, spatial = one(x), range(2, len(one(x).shape) + 1)
        given = () if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
        dims = {d % (len(v.shape) + 1) for d in given}
        if not dims or not dims <= set(spatial) or len(spatial) > 2:
            raise Unsupported("only a mean or maximum over spatial axes is supported; use a pool")
        shape = (v.shape[0], *(1 if axis in dims else v.shape[axis - 1] for axis in spatial))
        if kind == "average_pool" and dims == set(spatial):
            y = t.layer(node, "global_average_pool", (v,), suffix="_mean", shape=shape)
        else:
            size = tuple(v.shape[axis - 1] if axis in dims else 1 for axis in spatial)
            y = _pool(t, node, kind, v, size, "_mean" if kind == "average_pool" else "_largest", shape)
        return y if keepdim else t.layer(node, "reshape", (y,))

    return handler


def pool_module(handler: Handler, *names: str) -> Handler:
    """The handler of a module whose attributes are the function's arguments."""

    def call(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
        return handler(t, node, x, **{n: getattr(m, n) for n in names})  # type: ignore[no-any-return]

    return call


def interpolate(
    t: Tracer, node: fx.Node, x: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Value:  # fmt: skip
    """F.interpolate: nearest or bilinear."""
    v = one(x)
    if mode not in ("nearest", "bilinear") or len(v.shape) != 3 or antialias:
        how = f"antialiased {mode}" if antialias else mode
        raise Unsupported(f"{how} resizing of rank {len(v.shape) + 1} is not supported; use nearest or bilinear images")
    if scale_factor is not None and not recompute_scale_factor:
        scaled = zip(v.shape[1:], _scales(scale_factor), t.whole(t.result)[1:], strict=True)
        if any(n * scale != out for n, scale, out in scaled):
            raise Unsupported("a scale that gives no whole number of pixels; give size")
    ratios = tuple(Fraction(out, n) for n, out in zip(v.shape[1:], t.whole(t.result)[1:], strict=True))
    return t.layer(node, "resize", (v,), mode=mode, align_corners=bool(align_corners), scales=ratios)


def _scales(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def upsample(t: Tracer, node: fx.Node, m: nn.Module, x: Any) -> Value:
    """nn.Upsample."""
    return interpolate(t, node, x, m.size, m.scale_factor, m.mode, m.align_corners, m.recompute_scale_factor)


def nearest_aten(t: Tracer, node: fx.Node, x: Any, size: Any, scales: Any = None) -> Value:
    """aten.upsample_nearest2d.vec."""
    return interpolate(t, node, x, size, scales)


def bilinear_aten(t: Tracer, node: fx.Node, x: Any, size: Any, align_corners: bool, scales: Any = None) -> Value:
    """aten.upsample_bilinear2d.vec."""
    return interpolate(t, node, x, size, scales, "bilinear", align_corners)
