"""Every recipe is read and trains, on small archives in the layout of the published ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import intrs_edge.train
from intrs_edge.convert import load_model
from intrs_edge.errors import IntrsError
from intrs_edge.paths import shipped
from intrs_edge.train import build_network
from intrs_edge.train.recipe import load_recipe, recipe_names
from tests.train.published import EfficientNetLite0, random_state

pytestmark = pytest.mark.xdist_group("recipes")
CLASSES = ("accordion", "airplanes", "anchor")


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> Path:
    """CIFAR-10's binary batches, Fashion-MNIST's idx.gz files and Caltech-101's folders, a few images each."""
    root = tmp_path_factory.mktemp("archives")
    rng = np.random.default_rng(0)
    cifar = root / "cifar-10-batches-bin"
    cifar.mkdir()
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        records = rng.integers(0, 256, (4, 3073), np.uint8)
        records[:, 0] = rng.integers(0, 10, 4)
        (cifar / f"{name}.bin").write_bytes(records.tobytes())
    fashion = root / "fashion-mnist"
    fashion.mkdir()
    for prefix, count in (("train", 16), ("t10k", 6)):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (count, 28, 28), np.uint8)),
            ("labels-idx1", rng.integers(0, 10, count).astype(np.uint8)),
        ):
            head = bytes((0, 0, 8, array.ndim)) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
            (fashion / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    for name in (*CLASSES, "BACKGROUND_Google"):
        folder = root / "caltech-101" / "101_ObjectCategories" / name
        folder.mkdir(parents=True)
        for k in range(1, 6):
            pixels = rng.integers(0, 256, (40 + k, 60, 3), np.uint8)  # every image has a size of its own
            image = Image.fromarray(pixels) if k > 1 else Image.fromarray(pixels[..., 0])  # grey ones are among them
            image.save(folder / f"image_{k:04}.jpg")
    return root


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """A checkpoint in the keys of the public CIFAR ResNets: what the recipes `from-clean` ask for."""
    network = build_network("resnet20", (32, 32, 3), 10, options={"shortcut": "pad"}, seed=3)
    state = {}
    for key, value in network.state_dict().items():
        parts = key.removeprefix("modules_by_layer.").split(".")
        if not key.startswith("modules_by_layer.") or parts[-1] in ("frozen", "num_batches_tracked"):
            continue
        if parts[0] == "logits":
            name = "linear"
        elif parts[0] == "stem":
            name = "bn1" if parts[1] == "bn" else "conv1"
        else:
            block, conv = parts[0].split("_")
            stage, number = block[1:].split("b")
            name = f"layer{stage}.{int(number) - 1}.{'bn' if parts[1] == 'bn' else 'conv'}{conv[-1]}"
        state[f"module.{name}.{parts[-1]}"] = value
    path = tmp_path_factory.mktemp("clean") / "clean.th"
    torch.save({"state_dict": state}, path)
    return path


def torchvision_resnet50(path: Path) -> Path:
    """A checkpoint of ResNet-50 in the keys of torchvision."""
    network = build_network("resnet50", (32, 32, 3), len(CLASSES), seed=3)
    state = {}
    for key, value in network.state_dict().items():
        parts = key.removeprefix("modules_by_layer.").split(".")
        if not key.startswith("modules_by_layer.") or parts[-1] in ("frozen", "num_batches_tracked"):
            continue
        if parts[0] == "logits":
            state[f"fc.{parts[1]}"] = value
            continue
        norm = parts[1] == "bn"
        if parts[0] == "stem":
            state[f"{'bn1' if norm else 'conv1'}.{parts[-1]}"] = value
            continue
        block, conv = parts[0].split("_")
        stage, number = block[1:].split("b")
        part = f"downsample.{int(norm)}" if conv == "skip" else f"{'bn' if norm else 'conv'}{conv[-1]}"
        state[f"layer{stage}.{int(number) - 1}.{part}.{parts[-1]}"] = value
    torch.save(state, path)
    return path


def test_recipes_there_are():
    names = recipe_names()
    assert {f"cifar10-resnet20-s{s}" for s in ("0.12", "0.25", "0.50", "1.00")} <= set(names)
    assert {f"cifar10-resnet20-s{s}-consistency" for s in ("0.25", "0.50", "1.00")} <= set(names)
    weights = {s: load_recipe(f"cifar10-resnet20-s{s}-consistency").config for s in ("0.25", "0.50", "1.00")}
    assert [c.consistency for c in weights.values()] == [20, 10, 10]
    for config in weights.values():
        assert (config.learning_rate, config.momentum, config.weight_decay, config.batch) == (0.1, 0.9, 1e-4, 256)
        assert (config.epochs, config.steps, config.entropy) == (150, (50 / 150, 100 / 150), 0.5)
        assert (config.flip, config.shift) == (True, 4)
    for name in (n for n in names if "-s" in n):
        assert f"{load_recipe(name).config.sigma:g}" == f"{float(name.partition('-s')[2][:4]):g}"


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains(run_cli, archives, clean, tmp_path, name):
    recipe = load_recipe(name)
    out = tmp_path / "run"
    more = ["--start", clean] if "from-clean" in name else []
    if "resnet50" in name:
        more = ["--start", torchvision_resnet50(tmp_path / "r50.pth")]
    if "efficientnet" in name:
        torch.save(random_state(EfficientNetLite0, 1000)[1], tmp_path / "lite0.pth")
        more = ["--start", tmp_path / "lite0.pth"]
    if recipe.size:
        more += ["--size", "32x32"]
    code, text, err = run_cli("train", "--recipe", name, "--data-dir", archives, "-o", out, "--epochs", 2,
                              "--float-epochs", 1, "--batch", 4, "--bank", 4096, "--threads", 1, "--no-progress",
                              *more)  # fmt: skip
    assert code == 0, err
    assert "noisy copy of each of" in text
    graph = load_model(out / "model.onnx")
    assert float(graph.metadata["intrs.sigma"]) == recipe.config.sigma
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert len([row for row in rows if "epoch" in row]) == 2
    if recipe.size:
        assert graph.tensors[graph.inputs[0]].shape == (1, 32, 32, 3)
        assert tuple(json.loads(graph.metadata["intrs.classes"])) == CLASSES


def test_options_overrule_a_recipe_and_only_those_given(run_cli, archives, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(intrs_edge.train, "train", lambda *given: seen.append(given), raising=False)
    base = load_recipe("cifar10-resnet20-s0.50").config
    for more in (
        [],
        ["--epochs", "90", "--seed", "0"],
        ["--epochs", "7", "--float-epochs", "0", "--set", "widths=4,4,4"],
    ):
        run_cli("train", "--recipe", "cifar10-resnet20-s0.50", "--data-dir", archives, "-o", tmp_path, *more)
    configs = [config for config, _, _ in seen]
    assert configs[0] == configs[1]
    assert {**vars(configs[0]), "out": base.out} == vars(base)
    assert (configs[2].epochs, configs[2].float_epochs, configs[2].sigma) == (7, 0, 0.5)
    assert configs[2].network_options == {"shortcut": "pad", "widths": (4, 4, 4)}
    # 90 epochs are the default of a training without a recipe, and still overrule one
    recipe = ["--recipe", "cifar10-resnet20-s0.50-consistency", "--data-dir", archives]
    run_cli("train", *recipe, "-o", tmp_path, "--epochs", 90, "--float-epochs", 80)
    assert (seen[-1][0].epochs, seen[-1][0].consistency) == (90, 10)
    run_cli(
        "train", "--recipe", "cifar10-resnet20-s0.50", "--network", "ds-cnn", "--data-dir", archives, "-o", tmp_path
    )
    assert seen[-1][0].network_options == {}
    assert (len(seen[-1][1]), len(seen[-1][2])) == (20, 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "no-such"], "unknown recipe 'no-such'; known: caltech101"),
        (["--recipe", "absent.toml"], "absent.toml: cannot be read"),
        ([], "name the training images"),
        (["--recipe", "cifar10-resnet20-s0.25-from-clean"], "goes on from resnet20-12fca82f.th"),
    ],
)
def test_what_is_missing_is_said(run_cli, tmp_path, arguments, words):
    code, _, err = run_cli("train", *arguments, "-o", tmp_path / "run")
    assert (code, words in err, (tmp_path / "run").exists()) == (2, True, False)


GOOD = 'about = "a"\ndata = "digits:train"\n[train]\nepochs = 3\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 3", "epoch = 3", "train: unknown 'epoch'"),
        ("epochs = 3", "epochs = 3.0", "train.epochs is 3.0, which is no int"),
        ("epochs = 3", "epochs = true", "train.epochs is True"),
        ("epochs = 3", "epochs = 0", "'epochs' is 0; it must be from 1"),
        ("epochs = 3", 'out = "/tmp"', "train: unknown 'out'"),
        ("epochs = 3", "steps = 0.5", "train.steps is 0.5"),
        ("about = \"a\"\n", "", "lacks 'about'"),
        ("about = \"a\"", "about = 1", "'about' is 1, which is no str"),
        ("[train]", "size = [0, 5]\n[train]", r"size [0, 5] is not [height, width]"),
        ("[train]", "[train", "is not TOML"),
        ("about", "\x00about", "is not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_one_line(tmp_path, old, new, words):
    (tmp_path / "r.toml").write_text(GOOD)
    assert load_recipe(str(tmp_path / "r.toml")).config.epochs == 3
    assert old in GOOD
    (tmp_path / "r.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(IntrsError) as error:
        load_recipe(str(tmp_path / "r.toml"))
    assert words in str(error.value)


def test_a_recipe_may_go_on_from_a_shipped_model(tmp_path):
    (tmp_path / "r.toml").write_text('about = "a"\nstart = "zoo:digits-tiny"\n' + GOOD.partition("\n")[2])
    recipe = load_recipe(str(tmp_path / "r.toml"))
    assert (recipe.start, recipe.config.start) == (None, shipped("models") / "digits-tiny.onnx")
