"""An ordinary torch module as an `Architecture`: traced by torch.fx, its layers named one by one.

Values are followed node by node: what does not depend on the input is computed, what does becomes a layer. Batch norm
behind a convolution or matrix product is folded into it, an activation is fused where TFLite can, dropout and identity
go, a softmax at the end is dropped. Everything that cannot be represented is listed at once, by module path.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from intrs_edge.errors import IntrsError
from intrs_edge.train.architecture import INPUT, Architecture, Layer
from intrs_edge.train.network import QatNetwork
from intrs_edge.train.quantise import QatPrelu
from intrs_edge.train.trace_handlers import FUNCTIONS, METHODS, MODULES, Unsupported, Value

BATCH = 2  # traced with more than one image, so that a model that mixes images of a batch is noticed
LISTED = 20
FUSED_ACTIVATIONS = ("conv", "conv_transpose", "linear", "add", "sub", "mul")
TAILS = ("softmax",)


@dataclass
class Traced:
    """An architecture, and the float tensors that its layers begin with: layer name -> parameters and norm."""

    arch: Architecture
    weights: dict[str, dict[str, Tensor]]
    norms: dict[str, nn.Module]
    paths: dict[str, str]


def from_torch(
    module: nn.Module,
    example: Tensor | tuple[int, ...],
    *,
    sigma: float = 0.0,
    classes: tuple[str, ...] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    name: str = "",
) -> QatNetwork:
    """A quantisation-aware network that computes what ``module`` does, with its weights, batch statistics and all.

    module: float, with or without trained weights; it is not changed. example: an input [N, C, H, W] (or [N, C, L],
    [N, features]), or its shape without the batch; the network takes images of that shape whose real values are pixel /
    255, or (pixel / 255 - mean) / std as the module was trained. sigma: the noise that it will see, in [0,1] pixels.
    Raises IntrsError listing every node that has no quantised form, by module path, each with what to do.
    """
    traced = trace(module, example, name or type(module).__name__)
    network = QatNetwork(traced.arch, sigma, 0, classes, mean, std)
    for layer, tensors in traced.weights.items():
        target = network.modules_by_layer[layer]
        with torch.no_grad():
            for key, value in tensors.items():
                getattr(target, key).copy_(value)
            if layer in traced.norms:
                source = traced.norms[layer]
                target.bn.eps, target.bn.momentum = source.eps, source.momentum
                state = source.state_dict()
                for key in ("weight", "bias"):  # affine=False has neither
                    state.setdefault(key, torch.full_like(source.running_mean, float(key == "weight")))
                target.bn.load_state_dict(state)
        if isinstance(target, QatPrelu):
            continue
        if layer in traced.norms and "weight" not in tensors:  # batch norm by itself: its convolution stays ones
            target.weight.data.fill_(1.0)
            target.weight.requires_grad_(False)
    return network


def prepare(
    module: nn.Module,
    example: Tensor | tuple[int, ...],
    *,
    sigma: float,
    classes: tuple[str, ...] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> QatNetwork:
    """`from_torch` for a training loop of one's own, in training mode:

    qat = prepare(module, (3, 32, 32), sigma=0.25)
    for images, labels in loader:                       # uint8 [N, H, W, C], or [N, C, H, W] tensors
        loss = criterion(qat(qat.noisy(images)), labels)
        ...
    qat.freeze()                                        # before the last steps: train as it will be exported
    export(qat, path)
    """
    network = from_torch(module, example, sigma=sigma, classes=classes, mean=mean, std=std)
    network.train()
    return network


def trace(module: nn.Module, example: Tensor | tuple[int, ...], name: str = "model") -> Traced:
    """The layers of a module; see `from_torch`."""
    shape = tuple(example.shape[1:]) if isinstance(example, Tensor) else tuple(example)
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise IntrsError(
            f"{name}: an input of shape {shape} is no image; give [N, C, H, W], [N, C, L] or [N, features]"
        )
    module = copy.deepcopy(module).float().cpu().eval()
    if type(module) in MODULES:  # fx would look inside a single layer
        module = nn.Sequential(module)
    try:
        graph = fx.symbolic_trace(module)
    except Exception as error:
        graph = _exported(module, shape, name, error)
    builder = _Builder(graph, shape, name)
    return builder.build()


def _exported(module: nn.Module, shape: tuple[int, ...], name: str, error: Exception) -> fx.GraphModule:
    """torch.export follows control flow that fx cannot, for inputs of this one shape."""
    try:
        graph: fx.GraphModule = torch.export.export(module, (torch.zeros(BATCH, *shape),)).module(check_guards=False)
    except Exception as second:
        reason = " ".join(str(error).split())[:200]
        raise IntrsError(
            f"{name}: torch.fx cannot trace it ({reason}), nor can torch.export ({type(second).__name__}); take "
            "control flow that depends on the input out of forward()"
        ) from second
    return graph


class _Recorder(fx.Interpreter):  # type: ignore[misc]
    """Runs the graph once and keeps every node's value."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.seen: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        self.seen[n] = value
        return value


@dataclass
class _Builder:
    graph: fx.GraphModule
    shape: tuple[int, ...]
    name: str
    layers: list[Layer] = field(default_factory=list)
    weights: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    norms: dict[str, nn.Module] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    env: dict[fx.Node, Any] = field(default_factory=dict)

    def build(self) -> Traced:
        recorder = _Recorder(self.graph)
        try:
            with torch.no_grad():
                recorder.run(torch.zeros(BATCH, *self.shape))
        except Exception as error:
            raise IntrsError(
                f"{self.name}: it does not run on an input of shape {(BATCH, *self.shape)} "
                f"({str(error).splitlines()[0]}); give the shape that it was written for"
            ) from error
        output = None
        for node in self.graph.graph.nodes:
            self.result = recorder.seen.get(node)
            if node.op == "output":
                output = node.args[0]
                output = output[0] if isinstance(output, (tuple, list)) and len(output) == 1 else output
            else:
                self.env[node] = self._visit(node)
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

    def _visit(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            if any(isinstance(v, Value) for v in self.env.values()):
                return node.args[0] if node.args else None
            return Value(INPUT, self.shape)
        if node.op == "get_attr":
            return self.result
        args = fx.node.map_arg(node.args, self._value)
        kwargs = fx.node.map_arg(node.kwargs, self._value)
        if not any(isinstance(v, (Value, _Broken)) for v in _flat((args, kwargs))):
            return self.result
        if any(isinstance(v, _Broken) for v in _flat((args, kwargs))):
            return _Broken()
        if _is_question(node):  # sizes and the like are numbers here
            return self.result
        path = node.target if node.op == "call_module" else _where(node)
        try:
            return self._handle(node, args, kwargs)
        except Unsupported as error:
            self.problems.append(f"{path or node.name}: {error}")
        return _Broken()

    def _value(self, node: fx.Node) -> Any:
        return self.env[node]

    def _handle(self, node: fx.Node, args: Any, kwargs: dict[str, Any]) -> Any:
        handler: Callable[..., Any] | None
        if node.op == "call_module":
            module = self.graph.get_submodule(str(node.target))
            handler = next((h for kind, h in MODULES.items() if type(module) is kind), None) or next(
                (h for kind, h in MODULES.items() if isinstance(module, kind)), None
            )
            if handler is None:
                raise Unsupported(f"{type(module).__name__} has no quantised form; replace it")
            return handler(self, node, module, *args, **kwargs)
        table = METHODS if node.op == "call_method" else FUNCTIONS
        handler = table.get(node.target)
        if handler is None:
            called = getattr(node.target, "__name__", str(node.target))
            raise Unsupported(f"{called}() has no quantised form; replace it")
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
        name = f"{node.name}{suffix}"
        self.layers.append(Layer(name, kind, tuple(v.layer for v in inputs), shape, options=options))
        self.paths[name] = str(node.target) if node.op == "call_module" else _where(node) or node.name
        return Value(name, shape)

    def whole(self, result: Any) -> tuple[int, ...]:
        """The shape of a result without the batch."""
        if not isinstance(result, Tensor):
            raise Unsupported("gives something else than one tensor")
        if result.dim() < 2 or result.shape[0] != BATCH:
            raise Unsupported("mixes the images of a batch; keep the first axis for the batch")
        return tuple(result.shape[1:])

    # what is done to the whole list

    def _finish(self, last: Value) -> Traced:
        layers = {layer.name: layer for layer in self.layers}
        alias: dict[str, str] = {}
        output = last.layer
        while output in layers and layers[output].kind in TAILS:
            output = layers[output].inputs[0]
        if output == INPUT:
            raise IntrsError(f"{self.name}: no layer lies between its input and its output; return the logits")
        layers = _reachable(layers, output)
        users = _users(layers, output)
        for layer in list(layers.values()):
            source = alias.get(layer.inputs[0], layer.inputs[0])
            before, single = layers.get(source), users.get(layer.inputs[0], 0) == 1
            if layer.kind == "batch_norm":
                if (
                    before is not None
                    and single
                    and before.kind in ("conv", "conv_transpose", "linear")
                    and (not before.activation and not before.options["norm"])
                ):
                    layers[source] = replace(before, options={**before.options, "norm": True})
                    self.norms[source] = self.norms.pop(layer.name)
                    self._drop(layers, layer, source, alias)
                else:
                    layers[layer.name] = self._lone_norm(layer)
            elif (
                layer.kind in ("relu", "relu6")
                and before is not None
                and single
                and not before.activation
                and (before.kind in FUSED_ACTIVATIONS)
            ):
                layers[source] = replace(before, activation=layer.kind)
                self._drop(layers, layer, source, alias)
            elif layer.kind == "conv" and before is not None and before.kind == "pad" and single:
                spatial = len(before.options["pad"]) // 2
                begins, ends = before.options["pad"][:spatial], before.options["pad"][spatial:]
                if not begins[0] and not ends[0]:
                    pad = tuple(a + b for a, b in zip(layer.options["pad"], (*begins[1:], *ends[1:]), strict=True))
                    layers[layer.name] = replace(
                        layer, inputs=(before.inputs[0],), options={**layer.options, "pad": pad}
                    )
                    del layers[source]
            elif layer.kind in TAILS:
                raise IntrsError(f"{self.name}: {self.paths[layer.name]}: softmax inside a network is not supported")
        final = alias.get(output, output)
        resolved = [
            replace(layer, kind="clip", options={"low": 0.0, "high": 6.0}) if layer.kind == "relu6" else layer
            for layer in layers.values()
        ]
        resolved = [replace(v, inputs=tuple(alias.get(i, i) for i in v.inputs)) for v in resolved]
        if resolved[-1].name != final:
            raise IntrsError(f"{self.name}: layers follow the output; return the logits last")
        classes = math.prod(resolved[-1].shape)
        if len(resolved[-1].shape) != 1:
            flat = Layer("logits", "reshape", (final,), (classes,))
            resolved.append(flat)
        if classes < 2:
            raise IntrsError(
                f"{self.name}: its output has the shape {resolved[-1].shape}; a classifier needs at least 2 classes"
            )
        names = {layer.name for layer in resolved}
        return Traced(
            Architecture(self.name, self.shape, classes, tuple(resolved)),
            {k: v for k, v in self.weights.items() if k in names},
            {k: v for k, v in self.norms.items() if k in names},
            self.paths,
        )

    @staticmethod
    def _drop(layers: dict[str, Layer], layer: Layer, source: str, alias: dict[str, str]) -> None:
        del layers[layer.name]
        alias[layer.name] = source

    def _lone_norm(self, layer: Layer) -> Layer:
        """Batch norm that follows no convolution: a depthwise 1x1 convolution with weights of one."""
        axes = len(layer.shape) - 1
        if axes not in (1, 2):
            raise IntrsError(
                f"{self.name}: {self.paths[layer.name]}: batch norm of a vector that no linear layer gave; fold it "
                "into the next linear layer"
            )
        self.weights[layer.name] = {}
        ones = (1,) * axes
        options = {
            "kernel": ones, "stride": ones, "pad": (0,) * (2 * axes), "dilation": ones,
            "groups": layer.shape[0], "norm": True, "bias": False,
        }  # fmt: skip
        return replace(layer, kind="conv", options=options)


class _Broken:
    """The result of a node that was already reported."""


def _flat(values: Any) -> list[Any]:
    if isinstance(values, (tuple, list)):
        return [v for part in values for v in _flat(part)]
    if isinstance(values, dict):
        return _flat(list(values.values()))
    return [values]


def _is_question(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in ("size", "dim", "numel", "type", "is_contiguous")
    return node.op == "call_function" and node.target in (getattr, torch.ops.aten.sym_size.int)


def _where(node: fx.Node) -> str:
    """The path of the module whose forward() holds a node."""
    stack = node.meta.get("nn_module_stack")
    return str(next(reversed(stack.values()))[0]) if stack else ""


def _reachable(layers: dict[str, Layer], output: str) -> dict[str, Layer]:
    needed, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name not in needed and name in layers:
            needed.add(name)
            waiting.extend(layers[name].inputs)
    return {name: layer for name, layer in layers.items() if name in needed}


def _users(layers: dict[str, Layer], output: str) -> dict[str, int]:
    count = {output: 1}
    for layer in layers.values():
        for name in layer.inputs:
            count[name] = count.get(name, 0) + 1
    return count
