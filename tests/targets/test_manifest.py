"""project.json is what generate wrote, or it is refused."""

import copy
import json

import pytest
import toy_model as toy

from intrs_edge import __version__
from intrs_edge.codegen.front import FORMAT
from intrs_edge.codegen.manifest import digest
from intrs_edge.errors import IntrsError
from intrs_edge.targets.manifest import read_manifest

OTHER = {
    "sigma": "0.5", "n0": 21, "n": 1380, "alpha": "0.01", "noise": "rounded", "rng": "lfsr113", "certificate": "paper",
    "target_radius": "0.5", "precision": "0.1",
}  # fmt: skip


def written(tmp_path, manifest):
    (tmp_path / "project.json").write_text(json.dumps(manifest))
    return tmp_path


def test_as_it_was_written(tmp_path):
    manifest = read_manifest(written(tmp_path, toy.toy_manifest()))
    assert (manifest.n0, manifest.n, manifest.classes) == (20, 200, 10)


@pytest.mark.parametrize("name", sorted(toy.toy_manifest()))
def test_any_change_is_seen(tmp_path, name):
    changed = toy.toy_manifest()
    changed.pop(name)
    with pytest.raises(IntrsError, match=r"was changed after|of format"):
        read_manifest(written(tmp_path, changed))


@pytest.mark.parametrize("name", OTHER)
def test_a_setting_changed_with_a_new_digest_is_not_that_of_the_tables(tmp_path, name):
    changed = copy.deepcopy(toy.toy_manifest())
    changed["settings"][name] = OTHER[name]
    changed["digest"] = digest(changed)
    with pytest.raises(IntrsError, match="settings are not those that its tables were made for"):
        read_manifest(written(tmp_path, changed))


def test_so_is_the_shape(tmp_path):
    changed = toy.toy_manifest() | {"image_shape": [10, 3, 10]}
    with pytest.raises(IntrsError, match="settings are not those"):
        read_manifest(written(tmp_path, changed | {"digest": digest(changed)}))


@pytest.mark.parametrize("number", [FORMAT - 1, FORMAT + 1, "2", None, [2]])
def test_another_format_is_one_line(tmp_path, number):
    changed = toy.toy_manifest() | {"format": number, "generator": "0.0.9"}
    with pytest.raises(IntrsError, match=f"by intrs-edge 0.0.9.*{__version__}, which reads format {FORMAT}") as caught:
        read_manifest(written(tmp_path, changed | {"digest": digest(changed)}))
    assert "\n" not in str(caught.value)


def test_another_version_of_the_generator_is_named_once(tmp_path, capsys):
    read_manifest(written(tmp_path, toy.toy_manifest()))
    assert capsys.readouterr().err == ""
    changed = toy.toy_manifest() | {"generator": "9.9.9"}
    for _ in range(2):
        read_manifest(written(tmp_path, changed | {"digest": digest(changed)}))
    (line,) = capsys.readouterr().err.splitlines()
    assert "9.9.9" in line
    assert __version__ in line


@pytest.mark.parametrize("text", ["", "[]", "null", "3", '"x"', "{", "[" * 100_000, '{"format": 2}', "\x00"])
def test_what_is_no_manifest_is_one_line(tmp_path, text):
    (tmp_path / "project.json").write_text(text)
    with pytest.raises(IntrsError) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)
