"""Reproduces the shipped models: python models/train_digits.py [NAME ...] (extra `train`; minutes on one core)."""

import shutil
import sys
import tempfile
from pathlib import Path

from intrs_edge.datasets import load_images
from intrs_edge.train import TrainConfig, train

HERE = Path(__file__).resolve().parent
COMMON = {"sigma": 0.25, "epochs": 120, "batch": 64, "consistency": 5.0, "bank": 1 << 20, "threads": 1, "seed": 1}
MODELS = {
    "digits-resnet": {
        "network": "resnet8",
        "network_options": {"widths": (16, 32), "blocks": (1, 1), "stem_stride": 2},
    },
    "digits-tiny": {"network": "ds-cnn", "network_options": {"width": 24, "blocks": 2, "stem_stride": 2}},
}


def main() -> None:
    """Trains the named models, or all, and puts them beside this file."""
    data, test = load_images("digits:train"), load_images("digits:test")
    for name in sys.argv[1:] or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            result = train(TrainConfig(out=Path(folder), **COMMON, **MODELS[name]), data, test)
            shutil.copyfile(result.model, HERE / f"{name}.onnx")
        print(f"{name}: {result.noisy_accuracy:.2%} of the noisy test images right")


if __name__ == "__main__":
    main()
