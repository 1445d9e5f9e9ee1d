"""Without selection samples (n0 = 0) the class is the leader of the votes: a board that names another one is caught."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import python_board
import toy_model as toy
from python_board import CLASSES, BoardConnection, N, PythonBoard, ToyJudge, manifest, votes

from intrs_edge.smoothing.results import ABSTAIN, Stream
from intrs_edge.targets.board import BoardTarget
from intrs_edge.targets.protocol import BoardFaultError, Message

IMAGE = np.random.default_rng(1).integers(0, 256, toy.SHAPE, dtype=np.uint8)
LEAD = struct.Struct("<iIIIII")


class Namer(PythonBoard):
    """Counts rightly, and names ``chosen`` with that class's own votes and what they prove."""

    def __init__(self, chosen: int) -> None:
        super().__init__()
        self.chosen = chosen

    def computed(self, kind, body):
        said = super().computed(kind, body)
        if kind != Message.CERTIFY or isinstance(said, int):
            return said
        count = int(np.frombuffer(self.kept, "<u4")[self.chosen])
        squared, stop = ToyJudge().judge(0, N, count, 0)
        label = self.chosen if squared else ABSTAIN
        return LEAD.pack(label, self.chosen, count, N, squared, stop) + said[LEAD.size :]


@pytest.mark.parametrize("n0", [0, 20])
@pytest.mark.parametrize("chosen", range(CLASSES))
def test_a_board_that_names_another_leader(tmp_path, monkeypatch, n0, chosen):
    """It cannot be seen where the class was selected on samples that the client has not: then an audit sees it."""
    monkeypatch.setattr(python_board, "N0", n0)
    monkeypatch.setitem(toy._SETTINGS, "n0", n0)
    counted = votes(IMAGE.tobytes(), 5, 6, n0, N)
    leader = int(counted.argmax())
    assert counted[leader] > N // 2
    with BoardTarget(BoardConnection(Namer(chosen)), manifest(tmp_path), ToyJudge()) as target:
        if n0 or chosen == leader:
            found = target.certify(IMAGE, Stream(5, 6))
            assert (found.selected, found.count) == (chosen, counted[chosen])
            return
        with pytest.raises(BoardFaultError, match=f"class {chosen} for the votes .*, where class {leader} leads"):
            target.certify(IMAGE, Stream(5, 6))
