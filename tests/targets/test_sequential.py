"""Both loops, fixed and sequential, in Python, in C here and in C on an emulated board: equal counts, equal stops.

On the demo model. The Python side has numpy's noise and numpy's network: nothing of the generated C.
"""

from decimal import Decimal

import numpy as np
import pytest

from intrs_edge.codegen import GenerateOptions, generate
from intrs_edge.convert import load_model
from intrs_edge.datasets import load_images
from intrs_edge.graph import reference
from intrs_edge.graph.input_map import derive_input_map, image_shape
from intrs_edge.paths import shipped
from intrs_edge.smoothing import Mode, Stop, Stream, certify
from intrs_edge.targets import open_target
from intrs_edge.targets.build import build_project

IMAGES = 6


@pytest.mark.parametrize("n0", [0, 50])
def test_python_host_and_emulated_board_stop_alike(tmp_path, n0):
    graph = load_model(shipped("models") / "digits-resnet.onnx")
    options = GenerateOptions(
        board="mps2-an386", sigma=Decimal("0.25"), n0=n0, n=600, target_radius=Decimal("0.25"), precision=Decimal("0.2")
    )
    generate(graph, options, tmp_path / "p")
    build_project(tmp_path / "p", jobs=2)
    smoothing = options.smoothing(image_shape(graph))
    to_input = derive_input_map(graph, smoothing.distribution.last)

    def classify(noisy):
        return np.argmax(reference.run(graph, to_input.apply(noisy)), axis=-1)

    seen = {mode: set() for mode in Mode}
    with open_target(tmp_path / "p", "host") as host, open_target(tmp_path / "p", "emulator") as board:
        for number, original in enumerate(load_images(f"digits:test[0:{IMAGES}]").images):
            # less contrast in every image: the margin, and with it the moment of stopping, changes
            image = (original * (1 - number / IMAGES)).astype(np.uint8)
            for mode in Mode:
                stream = Stream(3, number)
                expected = certify(classify, image, stream, smoothing, host.info.classes, mode)
                assert host.certify(image, stream, mode) == expected
                assert board.certify(image, stream, mode) == expected
                seen[mode].add((expected.stop, expected.samples))
    assert {samples for _, samples in seen[Mode.FIXED]} == {options.n}
    assert {Stop.ACCEPT, Stop.REJECT} <= {stop for stop, _ in seen[Mode.TARGET]}
    assert Stop.ACCEPT in {stop for stop, _ in seen[Mode.PRECISION]}
    assert min(samples for _, samples in seen[Mode.TARGET] | seen[Mode.PRECISION]) < options.n  # somewhere it saved
