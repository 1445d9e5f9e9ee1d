# SPDX-License-Identifier: Apache-2.0
"""Follows the values of a torch module node by node: what does not depend on the input is computed, what does becomes a
layer. What cannot be represented is listed at once, by module path."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from intrs_edge.errors import IntrsError
from intrs_edge.train.architecture import INPUT, Architecture, Layer
from intrs_edge.train.tracing.fuse import fuse
from intrs_edge.train.tracing.tables import FUNCTIONS, METHODS, MODULES, remedy
from intrs_edge.train.tracing.values import Unsupported, Value

BATCH = 2  # traced with more than one image, so that a model that mixes images of a batch is noticed
LISTED = 20
_TAKEN = {INPUT, "logits", *dir(nn.ModuleDict())}  # names that no layer can have


@dataclass
class Traced:
    """An architecture, and the float tensors that its layers begin with (layer name -> parameters and norm). ``graph``
    and ``output`` are what it was read from, and the node that gives the logits, where one does."""

    arch: Architecture
    weights: dict[str, dict[str, Tensor]]
    norms: dict[str, nn.Module]
    graph: fx.GraphModule
    output: fx.Node | None

    def logits(self, example: Tensor) -> Tensor | None:
        """What the module makes of an input [N, ...], [N, classes]; it computes in the input's precision. None where
        no node of its own gives the logits."""
        if self.output is None:
            return None
        recorder = _Recorder(self.graph.to(example.dtype))
        with torch.no_grad():
            recorder.run(example.clone())
        value = recorder.seen[self.output]
        logits: Tensor = value if isinstance(value, Tensor) else value[0]
        return logits.reshape(len(example), self.arch.classes)


def example_of(shape: tuple[int, ...]) -> Tensor:
    """Random numbers from 0 to 1 for an input of a shape without the batch."""
    return torch.rand(BATCH, *shape, generator=torch.Generator().manual_seed(0))


def trace(module: nn.Module, example: Tensor | tuple[int, ...], name: str = "model") -> Traced:
    """The layers of a float module for inputs like ``example`` [N, ...], or of its shape without the batch. Raises
    IntrsError for a shape that is none, and for what `from_torch` says."""
    if not isinstance(module, nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise IntrsError(
            f"{name}: it is a {type(module).__name__}; give a torch.nn.Module, as it was before any script or export"
        )
    given = example.shape[1:] if isinstance(example, Tensor) else example
    if not isinstance(given, (tuple, list)) or not all(isinstance(n, int) for n in given):
        raise IntrsError(
            f"{name}: {example!r} is no shape of an input; give one without the batch, such as (3, 32, 32)"
        )
    shape = tuple(given)
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise IntrsError(
            f"{name}: an input of shape {shape} is no image; give [N, C, H, W], [N, C, L] or [N, features]"
        )
    try:
        module = copy.deepcopy(module).float().cpu().eval()
    except Exception as error:
        raise IntrsError(f"{name}: it cannot be copied ({error}); load its weights into a new module") from error
    if type(module) in MODULES:  # fx would look inside a single layer
        module = nn.Sequential(module)
    try:
        graph = fx.symbolic_trace(module)
    except Exception as error:
        graph = _exported(module, shape, name, error)
    return Builder(graph, shape, name).build()


def _exported(module: nn.Module, shape: tuple[int, ...], name: str, error: Exception) -> fx.GraphModule:
    """torch.export follows control flow that fx cannot, for inputs of this one shape."""
    try:
        with _quiet():
            program = torch.export.export(module, (torch.zeros(BATCH, *shape),))
        graph: fx.GraphModule = program.module(check_guards=False)
    except Exception as second:
        reason = " ".join(str(error).split())[:200]
        raise IntrsError(
            f"{name}: torch.fx cannot trace it ({reason}), nor can torch.export ({type(second).__name__}); take "
            "control flow that depends on the input out of forward()"
        ) from second
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch prints and logs of a failure: the reason is raised, in a line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


class _Recorder(fx.Interpreter):  # type: ignore[misc]
    """Runs the graph once; keeps every node's value, and which earlier values each node changed in place."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.seen: dict[fx.Node, Any] = {}
        self.changed: dict[fx.Node, list[fx.Node]] = {}
        self._versions: dict[fx.Node, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        self.changed[n] = [m for m, version in self._versions.items() if self.seen[m]._version != version]
        for m in self.changed[n]:
            self._versions[m] = self.seen[m]._version
        self.seen[n] = value
        if isinstance(value, Tensor):
            self._versions[n] = value._version
        return value


class _Broken:
    """The result of a node that was already reported."""


class _Stale:
    """A value of which something was changed in place behind its back."""


@dataclass
class Builder:
    """The layers as they are found; what handlers use is `layer`, `whole`, `result`, ``weights`` and ``norms``."""

    graph: fx.GraphModule
    shape: tuple[int, ...]
    name: str
    layers: list[Layer] = field(default_factory=list)
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    norms: dict[str, nn.Module] = field(default_factory=dict)
    nodes: dict[str, fx.Node] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    env: dict[fx.Node, Any] = field(default_factory=dict)
    result: Any = None

    def build(self) -> Traced:
        """Raises IntrsError that lists every problem."""
        recorder = _Recorder(self.graph)
        try:
            with torch.no_grad():
                recorder.run(example_of(self.shape))
        except Exception as error:
            raise IntrsError(
                f"{self.name}: it does not run on an input of shape {(BATCH, *self.shape)} "
                f"({(str(error).splitlines() or [type(error).__name__])[0]}); give the shape that it was written for"
            ) from error
        output = None
        for node in self.graph.graph.nodes:
            self.result = recorder.seen.get(node)
            if node.op == "output":
                output = node.args[0]
                output = output[0] if isinstance(output, (tuple, list)) and len(output) == 1 else output
            else:
                self.env[node] = self._visit(node)
                self._follow(node, recorder)
        if self.problems:
            more = f"; and {len(self.problems) - LISTED} more" if len(self.problems) > LISTED else ""
            raise IntrsError(
                f"{self.name}: {len(self.problems)} place{'s' * (len(self.problems) > 1)} cannot be quantised: "
                f"{'; '.join(self.problems[:LISTED])}{more}"
            )
        last = self.env.get(output) if isinstance(output, fx.Node) else None
        if not isinstance(last, Value) or last.layer == INPUT:
            raise IntrsError(f"{self.name}: its output is not one tensor that depends on the input; return the logits")
        return self._finish(last)

    def _finish(self, last: Value) -> Traced:
        layers = fuse(self.layers, last.layer, self.weights, self.norms)
        shape = layers[-1].shape
        classes = layers[-1].shape[0] if len(shape) == 1 else int(torch.Size(shape).numel())
        if len(shape) != 1:
            layers.append(Layer("logits", "reshape", (layers[-1].name,), (classes,)))
        if classes < 2:
            raise IntrsError(f"{self.name}: its output has the shape {shape}; a classifier needs at least 2 classes")
        names = {layer.name for layer in layers}
        return Traced(
            Architecture(self.name, self.shape, classes, tuple(layers)),
            {k: v for k, v in self.weights.items() if k in names},
            {k: v for k, v in self.norms.items() if k in names},
            self.graph,
            self.nodes.get(last.layer),
        )

    def _follow(self, node: fx.Node, recorder: _Recorder) -> None:
        """Other names of a tensor that a node changed in place mean its result from here on."""
        for other in recorder.changed.get(node, ()):
            if isinstance(self.env.get(other), Value):
                whole = _same_tensor(recorder.seen[other], self.result)
                self.env[other] = self.env[node] if whole else _Stale()

    def _visit(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            if any(isinstance(v, Value) for v in self.env.values()):
                return node.args[0] if node.args else None
            return Value(INPUT, self.shape)
        if node.op == "get_attr":
            return self.result
        args = fx.node.map_arg(node.args, self.env.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.env.__getitem__)
        given = _flat((args, kwargs))
        if not any(isinstance(v, (Value, _Broken, _Stale)) for v in given):
            return self.result
        if any(isinstance(v, _Broken) for v in given):
            return _Broken()
        if _is_question(node):  # sizes and the like are numbers here
            return self.result
        try:
            if any(isinstance(v, _Stale) for v in given):
                raise Unsupported("reads a tensor of which a part was changed in place; assign the result instead")
            return self._handle(node, args, kwargs)
        except Unsupported as error:
            self.problems.append(f"{_where(node) or node.name}: {error}")
        return _Broken()

    def _handle(self, node: fx.Node, args: Any, kwargs: dict[str, Any]) -> Any:
        handler: Callable[..., Any] | None
        if node.op == "call_module":
            module = self.graph.get_submodule(str(node.target))
            called = type(module).__name__
            handler = MODULES.get(type(module)) or next((h for k, h in MODULES.items() if isinstance(module, k)), None)
            args = (module, *args)
        else:
            called = getattr(node.target, "__name__", str(node.target))
            handler = (METHODS if node.op == "call_method" else FUNCTIONS).get(node.target)
            called += "()"
        if handler is None:
            raise Unsupported(f"{called} has no quantised form; {remedy(called.removesuffix('()'))}")
        if node.op == "call_module" and not _takes_module(handler):
            args = args[1:]
        try:
            inspect.signature(handler).bind(self, node, *args, **kwargs)
        except TypeError as error:
            raise Unsupported(f"{called} is called in a way that is not supported ({error}); leave it out") from error
        return handler(self, node, *args, **kwargs)

    # what handlers use

    def layer(
        self,
        node: fx.Node,
        kind: str,
        inputs: tuple[Value, ...],
        *,
        suffix: str = "",
        shape: tuple[int, ...] | None = None,
        **options: Any,
    ) -> Value:
        """Adds a layer whose result is the node's (or has another ``shape``)."""
        shape = shape or self.whole(self.result)
        name, known = f"{node.name}{suffix}", {layer.name for layer in self.layers}
        while name in known or name in _TAKEN:
            name += "_"
        self.layers.append(Layer(name, kind, tuple(v.layer for v in inputs), shape, options=options))
        if isinstance(self.result, Tensor) and self.result.shape[1:] == shape:
            self.nodes[name] = node
        return Value(name, shape)

    def whole(self, result: Any) -> tuple[int, ...]:
        """The shape of a result without the batch."""
        if not isinstance(result, Tensor):
            raise Unsupported("gives something else than one tensor; use one that gives a tensor")
        if result.dim() < 2 or result.shape[0] != BATCH:
            raise Unsupported("mixes the images of a batch; keep the first axis for the batch")
        return tuple(result.shape[1:])


def _takes_module(handler: Callable[..., Any]) -> bool:
    """Handlers of functions serve modules too where nothing of the module matters."""
    return "m" in inspect.signature(handler).parameters


def _same_tensor(a: Tensor, b: Any) -> bool:
    return isinstance(b, Tensor) and a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride()


def _flat(values: Any) -> list[Any]:
    if isinstance(values, (tuple, list)):
        return [v for part in values for v in _flat(part)]
    if isinstance(values, dict):
        return _flat(list(values.values()))
    if isinstance(values, slice):
        return _flat((values.start, values.stop, values.step))
    return [values]


def _is_question(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in ("size", "dim", "ndimension", "numel", "type", "is_contiguous", "get_device")
    return node.op == "call_function" and node.target in (
        getattr, len, torch.numel, torch.ops.aten.sym_size.int, torch.ops.aten.sym_numel.default
    )  # fmt: skip


def _where(node: fx.Node) -> str:
    """The path of a module, or of the one whose forward() holds a node."""
    if node.op == "call_module":
        return str(node.target)
    stack = node.meta.get("nn_module_stack")
    return str(next(reversed(stack.values()))[0]) if stack else ""
