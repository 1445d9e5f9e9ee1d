"""One configuration: what it normalises, what it refuses, and that its hash follows every table."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest

from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import DiscreteGaussian, Smoothing
from intrs_edge.smoothing.noise import RoundedGaussian

BASE = Smoothing(shape=(8, 8, 3), sigma="0.25", n0=10, n=100)


def test_decimals_are_taken_as_written():
    assert BASE.sigma_steps == Fraction("63.75")
    assert Smoothing(shape=(1, 1, 1), sigma=0.12).sigma_steps == Fraction("30.6")
    assert Smoothing(shape=(1, 1, 1), sigma=0.25, alpha=1e-3) == Smoothing(
        shape=(1, 1, 1), sigma="0.250", alpha="0.001"
    )


def test_parts():
    assert BASE.dimension == 192
    assert isinstance(BASE.distribution, DiscreteGaussian)
    assert isinstance(dataclasses.replace(BASE, noise="rounded").distribution, RoundedGaussian)
    assert BASE.total_variation == 192 * BASE.distribution.total_variation
    assert BASE.target_plan is None
    assert BASE.precision_plan is None
    assert BASE.sound


@pytest.mark.parametrize(
    "change",
    [
        {"sigma": "0.26"},
        {"n": 101},
        {"n0": 11},
        {"alpha": "0.002"},
        {"noise": "rounded"},
        {"rng": "lfsr113"},
        {"certificate": "paper"},
        {"target_radius": "0.1"},
        {"precision": "0.2"},
        {"shape": (8, 8, 1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_follows_every_setting(change):
    assert dataclasses.replace(BASE, **change).table_hash != BASE.table_hash


def test_the_hash_is_of_the_tables_not_of_the_run():
    assert dataclasses.replace(BASE, seed=99).table_hash == BASE.table_hash
    assert Smoothing(shape=(8, 8, 3), sigma=0.25, n0=10, n=100).table_hash == BASE.table_hash
    # golden: a change of any table shows here
    assert BASE.table_hash == GOLDEN


GOLDEN = "7c4304e3d148f53019e0542be8bad264036ba511959e66f38f451195fa27012e"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sigma": "3"}, "sigma of 765 lattice steps"),
        ({"sigma": "0.001"}, "sigma of 0.255 lattice steps"),
        ({"sigma": "x"}, "sigma 'x' is not a number"),
        ({"n": 0}, "n of 0 samples"),
        ({"n0": -1}, "n0 of -1 samples"),
        ({"n": 10**8}, "n of 100000000 samples"),
        ({"alpha": "0.5"}, "alpha 0.5"),
        ({"alpha": "0"}, "alpha 0"),
        ({"seed": 1 << 64}, "64-bit seed"),
        ({"seed": -1}, "64-bit seed"),
        ({"rng": "rand"}, "unknown generator 'rand'"),
        ({"noise": "uniform"}, "unknown noise 'uniform'"),
        ({"certificate": "mine"}, "unknown certificate 'mine'"),
        ({"certificate": "paper", "noise": "rounded"}, "discrete noise and fixed samples only"),
        ({"shape": (8, 8)}, "not (H, W, C)"),
        ({"shape": (8, 0, 1)}, "not (H, W, C)"),
        ({"shape": (5000, 5000, 3)}, "not (H, W, C)"),
        ({"target_radius": "far"}, "target radius 'far' is not a number"),
        ({"precision": "fine"}, "precision 'fine' is not a number"),
    ],
)
def test_refusals_are_one_line(change, words):
    with pytest.raises(IntrsError) as caught:
        dataclasses.replace(BASE, **change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
