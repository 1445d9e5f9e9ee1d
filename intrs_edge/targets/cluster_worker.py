# SPDX-License-Identifier: Apache-2.0
"""What runs on a worker of a cluster: it is checked once, and then counts. Dask calls these functions by name, so the
package must be installed there.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import os
import platform
import shutil
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from intrs_edge import __version__
from intrs_edge.errors import IntrsError
from intrs_edge.smoothing.results import Stream
from intrs_edge.targets.base import Image
from intrs_edge.targets.build import build_project
from intrs_edge.targets.crew import Answer, Job
from intrs_edge.targets.host import HostTarget, open_host
from intrs_edge.targets.manifest import Manifest, read_manifest

PROBE = 64  # samples that a worker counts to show that it counts right
_MEASURED = 0.2  # seconds
_LIBRARY = Path("build", "host", "libintrs.so")

_opened: dict[str, HostTarget] = {}
_lock = threading.Lock()
_never = threading.Event()


@dataclass(frozen=True)
class Bundle:
    """A built project as workers get it. machine: that the library is for; ``sources``: a tar of the project without
    what was built; hashes: SHA-256 in hexadecimal. image, stream: of the samples that show whether a worker counts
    right.
    """

    version: str
    machine: str
    library: bytes
    library_hash: str
    manifest_hash: str
    sources: bytes
    image: Image
    stream: Stream
    revised: Manifest | None

    @property
    def key(self) -> str:
        """Names the project, its library and the tables that decide."""
        tables = self.revised.table_hash if self.revised is not None else 0
        return f"{self.manifest_hash}-{self.library_hash}-{tables:08x}"


@dataclass(frozen=True)
class Admission:
    """What a worker said when it was checked. ``votes``: of samples 0 .. PROBE-1; ``rate``: samples a second of one
    thread; ``built``: it compiled the library itself.
    """

    host: str
    version: str
    model_hash: int
    table_hash: int
    library_hash: str
    manifest_hash: str
    built: bool
    votes: tuple[int, ...]
    rate: float


def bundle_of(manifest: Manifest) -> Bundle:
    """The bundle of a built project; raises IntrsError when it is not built."""
    directory = manifest.directory
    try:
        library = (directory / _LIBRARY).read_bytes()
    except OSError:
        raise IntrsError(f"{directory / _LIBRARY} is not there; build it first: intrs-edge build {directory}") from None
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in sorted(directory.iterdir()):
            if path.name not in ("build", "build.log"):
                tar.add(path, path.name)
    height, width, channels = manifest.image_shape
    pattern = hashlib.shake_128(b"intrs").digest(height * width * channels)
    image = np.frombuffer(pattern, np.uint8).reshape(height, width, channels)
    return Bundle(
        __version__, platform.machine(), library, _digest(library), _digest((directory / "project.json").read_bytes()),
        packed.getvalue(), image, Stream(0, 0), manifest if manifest.tables is not None else None,
    )  # fmt: skip


def admit(bundle: Bundle, threads: int) -> Admission:
    """Opens the bundle here, and shows what it counts. Raises IntrsError for another version of this package, and where
    the library is for another machine and cannot be built here.
    """
    if bundle.version != __version__:
        raise IntrsError(f"it has intrs-edge {__version__}, and {bundle.version} is needed; install that there")
    with _lock:
        target = _opened.get(bundle.key)
        if target is None:
            target = _opened[bundle.key] = _open(bundle, threads)
    folder = target.library.parents[2]
    job = Job(0, bundle.image, bundle.stream, 0, PROBE)
    ((_, _, votes),) = target.count([job], _never)[0].parts
    samples, begun = PROBE, time.monotonic()
    while True:
        target.count([Job(0, bundle.image, bundle.stream, 0, samples)], _never)
        seconds = time.monotonic() - begun
        if seconds > _MEASURED or samples > 1 << 20:
            break
        samples, begun = 2 * samples, time.monotonic()
    library_hash = _digest(target.library.read_bytes())
    return Admission(
        platform.node(), __version__, target.info.model_hash, target.info.table_hash, library_hash,
        _digest((folder / "project.json").read_bytes()), library_hash != bundle.library_hash, votes,
        samples / max(seconds, 1e-6),
    )  # fmt: skip


def _open(bundle: Bundle, threads: int) -> HostTarget:
    folder = Path(tempfile.mkdtemp(prefix="intrs-edge-"))
    atexit.register(shutil.rmtree, folder, True)
    with tarfile.open(fileobj=io.BytesIO(bundle.sources), mode="r:gz") as tar:
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type]
    manifest = read_manifest(folder)
    if bundle.revised is not None:
        manifest = replace(bundle.revised, directory=folder, generated=manifest)
    why = f"its processor is {platform.machine()}, and the library is for {bundle.machine}"
    if platform.machine() == bundle.machine:
        library = folder / _LIBRARY
        library.parent.mkdir(parents=True)
        library.write_bytes(bundle.library)
        try:
            return open_host(manifest, threads)
        except IntrsError as error:  # another C library, say
            why = str(error)
            shutil.rmtree(folder / "build")
    try:
        build_project(folder, os.cpu_count() or 1)
        return open_host(manifest, threads)
    except IntrsError as error:
        raise IntrsError(f"{why}, and it cannot be built there: {error}") from None


def count(key: str, jobs: Sequence[Job]) -> tuple[list[Answer], float]:
    """Answers a task in this thread, and the seconds that it took. Raises LookupError when this process was not
    checked: it was started anew.
    """
    target, begun = _opened[key], time.monotonic()
    answers = target.count(jobs, _never)
    return answers, time.monotonic() - begun


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
