"""Items made beforehand: the same ones in the same order, in another thread, and errors in their turn."""

from __future__ import annotations

import threading

import pytest

from intrs_edge.train.ahead import ahead


def test_every_item_in_order():
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([]))) == []
    assert list(ahead(iter([None, None]), depth=1)) == [None, None]


def test_items_are_made_while_one_is_used():
    made = threading.Event()

    def items():
        yield threading.current_thread().name
        made.set()
        yield "second"

    work = ahead(items())
    assert next(work).startswith("ahead")
    assert made.wait(30)  # before anybody asked for it
    assert next(work) == "second"


def test_an_error_comes_in_its_turn():
    def items():
        yield 1
        raise ValueError("broken")

    work = ahead(items(), depth=5)
    assert next(work) == 1
    with pytest.raises(ValueError, match="broken"):
        next(work)


def test_a_reader_that_leaves_ends_the_thread():
    before = threading.active_count()
    work = ahead(iter(range(1000)))
    next(work)
    work.close()
    assert threading.active_count() == before
