"""Projects in other ecosystems' layouts: metadata as each defines it, the example run with a stand-in of its SDK."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from known import IMAGE, OPTIONS, expected, said
from library import run
from networks import tiny

from intrs_edge.children import patient
from intrs_edge.codegen import generate
from intrs_edge.codegen.layouts import LAYOUTS
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing import Stream
from intrs_edge.targets.build import build_project

SDK = Path(__file__).parent / "sdk"
OTHERS = LAYOUTS[1:]
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
M4 = ("-mcpu=cortex-m4+nofp", "-mthumb", "-mfloat-abi=soft")
needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A project in every other layout, of portable C, so that it runs here."""
    root = tmp_path_factory.mktemp("layouts")
    for layout in OTHERS:
        generate(tiny(), dataclasses.replace(OPTIONS, board="generic", layout=layout), root / layout / "intrs")
    return {layout: root / layout / "intrs" for layout in OTHERS}


def certificate() -> str:
    return said(expected(IMAGE, Stream(1, 0)))


def listed(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


### what all have ###


@pytest.mark.parametrize("layout", OTHERS)
def test_the_library_is_one_flat_folder(projects: dict[str, Path], layout: str) -> None:
    project = projects[layout]
    files = listed(project)
    assert {"LICENSE", "README.md", "project.json", "model.tflite", "src/intrs.h", "src/intrs_model.c"} <= files
    assert not [f for f in files if f.startswith(("host/", "board/", "runtime/", "include/", "common/"))]
    assert json.loads((project / "project.json").read_text())["layout"] == layout
    sources = [f for f in files if f.startswith("src/")]
    assert all(re.fullmatch(r"src/[a-z0-9_]+\.[ch]", f) for f in sources)
    for path in sources:
        for name in re.findall(r'#\s*include\s+"([^"]+)"', (project / path).read_text()):
            assert f"src/{name}" in files, (path, name)
    assert not [f for f in files if re.search(r"\{[{%] ", (project / f).read_text(errors="replace"))]


@pytest.mark.parametrize("layout", OTHERS)
def test_the_same_bytes_in_any_folder(projects: dict[str, Path], layout: str, tmp_path: Path) -> None:
    generate(tiny(), dataclasses.replace(OPTIONS, board="generic", layout=layout), tmp_path / "x" / "y")
    again = tmp_path / "x" / "y"
    assert listed(again) == listed(projects[layout])
    for path in listed(again):
        assert (again / path).read_bytes() == (projects[layout] / path).read_bytes(), path


def test_the_sources_compile_for_the_board_at_two_levels(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    generate(tiny(), dataclasses.replace(OPTIONS, layout="arduino"), tmp_path / "p")
    source = tmp_path / "p" / "src"
    for level in ("-Os", "-O2"):
        for path in sorted(source.glob("*.c")):
            run("arm-none-eabi-gcc", *M4, level, "-std=gnu11", "-Wall", "-Wextra", "-Werror", f"-I{source}",
                "-c", path, "-o", tmp_path / "o", cwd=tmp_path)  # fmt: skip


def test_what_cannot_be_is_said(tmp_path: Path, projects: dict[str, Path]) -> None:
    with pytest.raises(IntrsError, match="layout 'cargo' is not one of cmake, arduino"):
        generate(tiny(), dataclasses.replace(OPTIONS, layout="cargo"), tmp_path / "p")
    for board in ("host", "rpi-4b"):
        with pytest.raises(IntrsError, match=f"--layout arduino is for a microcontroller, {board} is none"):
            generate(tiny(), dataclasses.replace(OPTIONS, board=board, layout="arduino"), tmp_path / "p")
    assert not (tmp_path / "p").exists()
    with pytest.raises(IntrsError, match="a library in the layout 'zephyr', which that ecosystem builds"):
        build_project(projects["zephyr"])


### Arduino ###

# https://arduino.github.io/arduino-cli/latest/library-specification
CATEGORIES = {
    "Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing", "Data Storage",
    "Data Processing", "Other",
}  # fmt: skip


def properties(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_arduino_metadata(projects: dict[str, Path]) -> None:
    project = projects["arduino"]
    found = properties(project / "library.properties")
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert set(found) == required | {"includes"}
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", found["name"])
    assert SEMVER.fullmatch(found["version"])
    assert found["category"] in CATEGORIES
    assert found["sentence"].endswith(".")
    assert not found["paragraph"].startswith(found["sentence"])  # arduino-lint LP037
    assert (project / "src" / found["includes"]).is_file()
    interface = "".join(p.read_text() for p in (project / "src").glob("intrs*.h"))
    for line in (project / "keywords.txt").read_text().splitlines():
        word, kind = line.split("\t")
        assert kind in ("KEYWORD1", "KEYWORD2")
        assert word in interface
    (sketch,) = (project / "examples").rglob("*.ino")
    assert sketch.parent.name == sketch.stem


@pytest.mark.skipif(shutil.which("arduino-builder") is None, reason="arduino-builder is not installed")
def test_arduino_builder_finds_the_library_and_the_example_runs(projects: dict[str, Path], tmp_path: Path) -> None:
    """By Arduino's own builder: this computer is the board, so what it links runs here."""
    project = projects["arduino"]
    (sketch,) = (project / "examples").rglob("*.ino")
    folders = ["-hardware", SDK / "arduino", "-hardware", "/usr/share/arduino-builder"]
    for name in ("tools", "build"):
        (tmp_path / name).mkdir()
    folders += ["-tools", tmp_path / "tools", "-libraries", project.parent, "-build-path", tmp_path / "build"]
    told = run(
        "arduino-builder", "-compile", "-verbose", *folders, "-fqbn", "intrs:native:native", sketch, cwd=tmp_path
    )
    assert re.search(
        rf"^Using library {project.name} at version \d+\.\d+\.\d+ in folder: {project}", told, re.MULTILINE
    )
    assert run(tmp_path / "build" / "sketch.out", cwd=tmp_path) == certificate().splitlines(keepends=True)[0]


### PlatformIO ###


def test_platformio_metadata_and_example(projects: dict[str, Path], tmp_path: Path) -> None:
    """https://docs.platformio.org/en/latest/manifests/library-json: what is required, and what is named is there."""
    project = projects["platformio"]
    found = json.loads((project / "library.json").read_text())
    assert set(found) == {
        "name", "version", "description", "keywords", "authors", "license", "frameworks", "platforms", "headers",
        "build", "examples",
    }  # fmt: skip
    assert re.fullmatch(r"[^:/,]{1,100}", found["name"])
    assert SEMVER.fullmatch(found["version"])
    assert 1 <= len(found["description"]) <= 255
    assert all(re.fullmatch(r"[a-z\d\- ]+", word) for word in found["keywords"])
    (example,) = found["examples"]
    assert all((project / example["base"] / name).is_file() for name in example["files"])
    build = found["build"]
    assert (project / build["includeDir"] / found["headers"]).is_file()
    sources = sorted((project / build["srcDir"]).rglob("*.c"))
    main = project / example["base"] / "src/main.c"
    run(
        "gcc", *build["flags"], f"-I{project / build['includeDir']}", main, *sources, "-o", tmp_path / "p", cwd=tmp_path
    )
    assert run(tmp_path / "p", cwd=tmp_path) == certificate()


def test_platformio_packs_it(projects: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pio pkg pack`: its own parser and schema; the list of licences, which it fetches, is the one used here."""
    pytest.importorskip("platformio")
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    from platformio.package.manifest.schema import ManifestSchema, ManifestValidationError
    from platformio.package.pack import PackagePacker

    monkeypatch.setattr(
        ManifestSchema, "load_spdx_licenses", staticmethod(lambda: {"licenses": [{"licenseId": "Apache-2.0"}]})
    )
    packed = PackagePacker(str(projects["platformio"])).pack(str(tmp_path / "p.tar.gz"))
    with tarfile.open(packed) as archive:
        assert {"library.json", "src/intrs.h", "src/intrs_model.c"} <= set(archive.getnames())
    wrong = tmp_path / "wrong"
    shutil.copytree(projects["platformio"], wrong)
    (wrong / "library.json").write_text((wrong / "library.json").read_text().replace('"Apache-2.0"', '"Nobody"'))
    with pytest.raises(ManifestValidationError):
        PackagePacker(str(wrong)).pack(str(tmp_path / "w.tar.gz"))


### Zephyr ###


@needs_cmake
def test_zephyr_module_and_sample(projects: dict[str, Path], tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    project = projects["zephyr"]
    module = yaml.safe_load((project / "zephyr/module.yml").read_text())
    # the keys of scripts/zephyr_module.py's schema that are used here
    assert set(module) == {"name", "build", "samples"}
    assert set(module["build"]) == {"cmake", "kconfig"}
    assert (project / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (project / module["build"]["kconfig"]).is_file()
    assert all((project / folder).is_dir() for folder in module["samples"])
    sample = yaml.safe_load((project / "samples/certify_image/sample.yaml").read_text())
    assert {"name", "description"} <= set(sample["sample"])
    (test,) = sample["tests"].values()
    (pattern,) = test["harness_config"]["regex"]
    run(
        "cmake", "-S", project / "samples/certify_image", "-B", tmp_path, f"-DZephyr_DIR={SDK / 'zephyr'}", cwd=tmp_path
    )
    run("cmake", "--build", tmp_path, "-j1", cwd=tmp_path)
    text = run(tmp_path / "app", cwd=tmp_path)
    assert text == certificate()
    assert re.search(pattern, text)
    config = (project / "samples/certify_image/prj.conf").read_text()
    assert "CONFIG_INTRS=y" in config.splitlines()
    assert re.search(r"^config INTRS$", (project / "zephyr/Kconfig").read_text(), re.MULTILINE)


def test_kconfig_is_read_by_kconfiglib(projects: dict[str, Path], tmp_path: Path) -> None:
    """The library that Zephyr's own build reads Kconfig with; every warning is an error."""
    kconfiglib = pytest.importorskip("kconfiglib")
    found = kconfiglib.Kconfig(str(projects["zephyr"] / "zephyr/Kconfig"), warn_to_stderr=False)
    found.warn_assign_undef = True
    sample = projects["zephyr"] / "samples/certify_image/prj.conf"
    mine = [line for line in sample.read_text().splitlines() if line.startswith("CONFIG_INTRS")]
    (tmp_path / "mine.conf").write_text("\n".join(mine) + "\n")
    found.load_config(str(tmp_path / "mine.conf"))
    assert found.warnings == []
    assert found.syms["INTRS"].str_value == "y"
    assert found.syms["INTRS_OPTIMIZE"].str_value.startswith("-O")
    (tmp_path / "mine.conf").write_text("CONFIG_INTRS_NO_SUCH=y\n")
    found.load_config(str(tmp_path / "mine.conf"))
    assert found.warnings != []  # the control


### ESP-IDF ###


@needs_cmake
def test_idf_component_and_example(projects: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yaml = pytest.importorskip("yaml")
    project = projects["esp-idf"]
    found = yaml.safe_load((project / "idf_component.yml").read_text())
    assert set(found) == {"version", "description", "license", "tags", "examples"}
    assert SEMVER.fullmatch(found["version"])
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{3,32}", tag) for tag in found["tags"])
    assert all((project / e["path"] / "CMakeLists.txt").is_file() for e in found["examples"])
    manifest = yaml.safe_load((project / "examples/certify_image/main/idf_component.yml").read_text())
    (dependency,) = manifest["dependencies"].values()
    assert (project / "examples/certify_image/main" / dependency["override_path"]).resolve() == project.resolve()
    monkeypatch.setenv("IDF_PATH", str(SDK / "idf"))
    run("cmake", "-S", project / "examples/certify_image", "-B", tmp_path, cwd=tmp_path)
    run("cmake", "--build", tmp_path, "-j1", cwd=tmp_path)
    assert run(tmp_path / "app", cwd=tmp_path) == certificate()


def test_idf_component_manager_packs_it(projects: dict[str, Path], tmp_path: Path) -> None:
    """`compote component pack`, the component manager's own check of what goes to its registry."""
    pytest.importorskip("idf_component_manager")
    component = tmp_path / "intrs"
    shutil.copytree(projects["esp-idf"], component)
    pack = [sys.executable, "-m", "idf_component_manager", "component", "pack", "--name", "intrs"]
    env = {**os.environ, "IDF_TOOLS_PATH": str(tmp_path), "HOME": str(tmp_path)}

    def packed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            pack, cwd=component, env=env, capture_output=True, text=True, timeout=patient(60), check=False
        )

    done = packed()
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = (component / "dist").glob("intrs_*.*.?.tgz")
    with tarfile.open(archive) as tar:
        assert {"idf_component.yml", "CMakeLists.txt", "src/intrs.h"} <= {n.removeprefix("./") for n in tar.getnames()}
    shutil.rmtree(component / "dist")
    text = (component / "idf_component.yml").read_text()
    (component / "idf_component.yml").write_text(re.sub(r"(?m)^version: .*", "version: one", text))
    assert packed().returncode != 0


### CMSIS-Pack ###


def test_cmsis_pack_and_template(projects: dict[str, Path], tmp_path: Path) -> None:
    """The schema's order and required elements (PACK.xsd 1.7.36) of what is used; every file that is named is there."""
    project = projects["cmsis-pack"]
    (path,) = project.glob("*.pdsc")
    package = ET.parse(path).getroot()
    order = ["vendor", "name", "description", "url", "license", "releases", "conditions", "components"]
    assert [e.tag for e in package] == [tag for tag in order if tag != "conditions"]
    assert path.name == f"{package.findtext('vendor')}.{package.findtext('name')}.pdsc"
    assert re.fullmatch(r"[-_A-Za-z0-9]+", package.findtext("name") or "")
    (release,) = package.iterfind("releases/release")
    assert SEMVER.fullmatch(release.attrib["version"])
    (component,) = package.iterfind("components/component")
    assert {"Cclass", "Cgroup", "Cversion"} <= set(component.attrib)
    assert [e.tag for e in component] == ["description", "files"]
    files = [dict(e.attrib) for e in component.iterfind("files/file")]
    for f in files:
        assert f["category"] in ("doc", "include", "header", "source")
        assert (project / f["name"]).is_dir() if f["category"] == "include" else (project / f["name"]).is_file()
    sources = [f["name"] for f in files if f["category"] == "source" and "attr" not in f]
    assert set(sources) == {p for p in listed(project) if p.startswith("src/") and p.endswith(".c")}
    (include,) = (f["name"] for f in files if f["category"] == "include")
    templates = {f["name"] for f in files if f.get("attr") == "template"}
    assert all("select" in f for f in files if f.get("attr") == "template")
    for name in sorted(templates):
        build = [project / name, *(project / s for s in sources)]
        run("gcc", "-O2", f"-I{project / include}", *build, "-o", tmp_path / "p", cwd=tmp_path)
        assert run(tmp_path / "p", cwd=tmp_path).startswith("class 0")


def test_cmsis_pack_of_a_core_asks_for_it(tmp_path: Path) -> None:
    generate(tiny(), dataclasses.replace(OPTIONS, layout="cmsis-pack"), tmp_path / "p")
    (path,) = (tmp_path / "p").glob("*.pdsc")
    package = ET.parse(path).getroot()
    (condition,) = package.iterfind("conditions/condition")
    assert condition.find("accept").attrib == {"Dcore": "Cortex-M4"}
    assert package.find("components/component").attrib["condition"] == condition.attrib["id"]
