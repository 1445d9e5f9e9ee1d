import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.train import build_architecture


def test_resnet8_has_the_published_size():
    assert build_architecture("resnet8", (32, 32, 3), 10).macs == 12_501_632


def test_ds_cnn_has_the_published_size_on_keywords():
    assert build_architecture("ds-cnn", (49, 10, 1), 12).macs == 2_656_768


def test_resnet20_has_twenty_weighted_layers_and_two_shortcuts():
    convolutional = build_architecture("resnet20", (32, 32, 3), 10)
    kinds = [layer.kind for layer in convolutional.layers]
    assert kinds.count("conv") + kinds.count("linear") == 20 + 2
    padded = build_architecture("resnet20", (32, 32, 3), 10, {"shortcut": "pad"})
    assert [layer.kind for layer in padded.layers].count("pad") == 2
    assert padded.macs == 40_551_040  # He et al. report 41 M


def test_resnet50_uses_the_large_stem_for_large_images_only():
    large = build_architecture("resnet50", (224, 224, 3), 101)
    assert [layer.kind for layer in large.layers[:2]] == ["conv", "max_pool"]
    assert large.shape("pool") == (2048, 1, 1)
    assert large.macs == pytest.approx(4.09e9, rel=0.02)  # torchvision's count, without its 1000 classes
    assert build_architecture("resnet50", (32, 32, 3), 10).layers[1].kind == "conv"


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (49, 10, 1), (33, 31, 3)])
@pytest.mark.parametrize("name", ["resnet8", "resnet20", "ds-cnn"])
def test_every_network_fits_any_shape(name: str, shape: tuple[int, int, int]):
    arch = build_architecture(name, shape, 10)
    for layer in arch.layers:
        if layer.kind == "conv":
            o = layer.options
            for axis, extent in enumerate(arch.shape(layer.inputs[0])[1:]):
                padded = extent + o["pad"][axis] + o["pad"][2 + axis]
                assert layer.shape[1 + axis] == (padded - o["kernel"][axis]) // o["stride"][axis] + 1
        if layer.kind == "add":
            assert arch.shape(layer.inputs[0]) == arch.shape(layer.inputs[1]) == layer.shape


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("vgg", {}, "unknown network 'vgg'"),
        ("resnet8", {"depth": 3}, "no option depth"),
        ("resnet8", {"shortcut": "none"}, "unknown shortcut"),
        ("resnet8", {"blocks": (1,)}, "as many blocks as widths"),
        ("resnet8", {"widths": 3}, "wrong type"),
        ("ds-cnn", {"width": 0}, "at least 1"),
    ],
)
def test_bad_options_are_named(name: str, options: dict[str, object], says: str):
    with pytest.raises(IntrsError, match=says):
        build_architecture(name, (32, 32, 3), 10, options)
