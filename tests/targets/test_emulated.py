"""Every target that runs here gives the same answers."""

import numpy as np
import pytest
import toy_model as toy

from intrs_edge.boards import board_ids, load_board
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets import open_target, rp2040js
from intrs_edge.targets.protocol import LinkRefusedError

EMULATED = [i for i in board_ids() if load_board(i).status == "emulated"]
rng = np.random.default_rng(1)
IMAGE = rng.integers(0, 256, toy.SHAPE, dtype=np.uint8)
INPUTS = rng.integers(-128, 128, (3, *toy.SHAPE)).astype(np.int8)
STREAM = Stream(0xFEDCBA9876543210, 7)


def check(target) -> None:
    np.testing.assert_array_equal(target.infer(INPUTS), toy.infer(INPUTS))
    np.testing.assert_array_equal(target.votes(IMAGE, STREAM, 5, 300), toy.votes(IMAGE, STREAM.seed, 7, 5, 300))
    np.testing.assert_array_equal(target.votes(IMAGE, STREAM, 9, 0), np.zeros(toy.CLASSES))
    counts = toy.votes(IMAGE, STREAM.seed, 7, 20, 200)
    certificate = target.certify(IMAGE, STREAM)
    assert (certificate.selected, certificate.count, certificate.samples) == (1, counts[1], 200)
    counts = toy.votes(IMAGE, STREAM.seed, 7, 0, 200)
    predicted = target.predict(IMAGE, STREAM)
    assert (predicted.label, predicted.top, predicted.samples) == (1, 1, 200)
    assert predicted.votes == (counts[1], np.delete(counts, 1).max())


@pytest.mark.parametrize("board", EMULATED)
def test_board_answers_as_the_model_in_python(board, tmp_path):
    if load_board(board).emulator.program == "rp2040js" and rp2040js.node_path() is None:
        pytest.skip(f"rp2040js is not installed: {rp2040js.INSTALL}")
    with open_target(toy.toy_project(tmp_path, board), "emulator") as target:
        assert target.info.board == board
        check(target)
        if load_board(board).entropy:
            assert len({target.entropy() for _ in range(4)}) == 4
        else:
            with pytest.raises(LinkRefusedError, match="cannot do that"):
                target.entropy()
        assert (target.client.dropped, target.client.repeated, target.client.foreign) == (0, 0, 0)


@pytest.mark.parametrize("spec", ["host", "run:{}/build/host/intrs"])
def test_host_answers_as_the_model_in_python(spec, tmp_path):
    with open_target(toy.toy_project(tmp_path), spec.format(tmp_path)) as target:
        check(target)
