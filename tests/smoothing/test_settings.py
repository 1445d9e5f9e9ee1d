"""The settings of a certificate are written once; what names them elsewhere follows."""

from __future__ import annotations

import argparse
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from intrs_edge.cli.options import add_settings, settings_of
from intrs_edge.codegen import GenerateOptions
from intrs_edge.codegen.manifest import smoothing_of
from intrs_edge.errors import IntrsError
from intrs_edge.evaluate.log import SETTINGS as COLUMNS_OF_A_LOG
from intrs_edge.smoothing import Smoothing
from intrs_edge.smoothing import settings as words
from intrs_edge.smoothing.generator import GENERATORS
from intrs_edge.smoothing.noise import NOISES
from intrs_edge.smoothing.results import Mode
from intrs_edge.smoothing.settings import ANY_TIME, SETTINGS, Settings
from intrs_edge.targets.base import Ends
from intrs_edge.targets.manifest import Manifest

NAMES = tuple(setting.name for setting in SETTINGS)
OTHER = {
    "n0": 5, "n": 77, "alpha": Decimal("0.01"), "sigma": Decimal("0.50"), "noise": "rounded",
    "certificate": "one-sided", "rng": "lfsr113", "seed": 9, "target_radius": Decimal("0.2"),
    "precision": Decimal("0.1"),
}  # fmt: skip


def test_words_name_what_there_is():
    assert tuple(NOISES) == words.NOISES
    assert tuple(GENERATORS) == words.GENERATORS
    assert {mode.setting for mode in Mode} - {None} <= set(NAMES)


def test_both_configurations_have_every_setting():
    for kind in (Smoothing, GenerateOptions):
        assert set(NAMES) <= {field.name for field in fields(kind)}
    assert set(OTHER) == set(NAMES)


def test_every_setting_goes_from_the_command_to_the_tables():
    parser = argparse.ArgumentParser()
    add_settings(parser)
    assert settings_of(parser.parse_args([])) == {name: getattr(Settings(), name) for name in NAMES}
    typed = [word for name, value in OTHER.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    options = GenerateOptions(**settings_of(parser.parse_args(typed)))
    assert {name: getattr(options, name) for name in NAMES} == OTHER
    made = options.smoothing((2, 2, 1))
    assert made == Smoothing((2, 2, 1), **OTHER)
    again = smoothing_of({"image_shape": [2, 2, 1], "settings": options.as_json()})
    assert again == Smoothing((2, 2, 1), **OTHER | {"seed": None})  # a run's, not the tables'
    assert again.table_hash == made.table_hash


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("seed", "target_radius", "precision")])
def test_every_setting_that_decides_a_table_is_in_its_hash(name: str):
    plain = Smoothing((2, 2, 1), sigma="0.25", certificate="two-sided")
    other = Smoothing((2, 2, 1), **{"sigma": "0.25", "certificate": "two-sided"} | {name: OTHER[name]})
    assert plain.bound_hash("") != other.bound_hash("")


def test_numbers_are_written_as_they_were_given():
    found = GenerateOptions(sigma=Decimal("0.250"), alpha=Decimal("1E-5")).as_json()
    assert found == Settings().as_json() | {"sigma": "0.250", "alpha": "0.00001"}


def test_a_log_has_its_columns_in_their_order():
    columns = [setting.name for setting in SETTINGS if setting.metadata["column"]]
    assert [name for name in COLUMNS_OF_A_LOG if name in columns] == columns


def test_what_may_change_at_run_time_and_what_may_not():
    ends = Ends("int8", "int8", (1, 2, 2, 1), False, "")
    raw = {"image_shape": [2, 2, 1], "settings": GenerateOptions(sigma=Decimal("0.25")).as_json()}
    manifest = Manifest(Path(), "host", 0, 0, (2, 2, 1), 0, 1000, 2, ends, raw)
    for name in ANY_TIME:
        assert manifest.revised(**{name: OTHER[name]}).raw["settings"][name] == (
            OTHER[name] if isinstance(OTHER[name], int) else str(OTHER[name])
        )
    with pytest.raises(TypeError, match="noise"):
        manifest.revised(noise="rounded")
    with pytest.raises(IntrsError, match="alpha"):
        manifest.revised(alpha=Decimal(7))
