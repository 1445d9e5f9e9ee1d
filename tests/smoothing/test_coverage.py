"""Simulated certification with the device code: generator, sampler, votes, tables and stopping rules together keep
alpha.

The classifier has one pixel and answers class 0 while the noise is at most t, so p_A = F(t) is known exactly. A
certificate is false when it claims a squared radius whose needed probability is above p_A, or any radius for class 1.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from smoothing_device import compile_runtime

from intrs_edge.children import patient
from intrs_edge.smoothing import Mode, Smoothing


def false_share(
    folder: Path, smoothing: Smoothing, threshold: int, mode: Mode, runs: int, seed: int
) -> tuple[float, float]:
    """(share of false certificates, mean samples) of certifications of images 0 .. runs-1 by the C runtime."""
    flags = [f"-DTOY_THRESHOLD={threshold}"]
    program = compile_runtime(folder, smoothing, 1, "gcc", flags, "study", "smoothing_study.c")
    command = [str(program), "runs", str(seed), "0", str(runs), str(int(mode))]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=patient(3000))
    rows = np.array([[int(v) for v in line.split()] for line in out.stdout.splitlines()])
    assert rows[:, 4].sum() == runs
    p_a = int(smoothing.distribution.cdf(threshold) * 2**256)
    false = 0
    for label, squared, _, _, times in rows:
        if squared and (label != 0 or smoothing.rule.needed(int(squared)) > p_a):
            false += int(times)
    return false / runs, float((rows[:, 2] * rows[:, 4]).sum() / runs)


def configuration(n: int, alpha: str, threshold: int, certificate: str) -> Smoothing:
    """A target just beyond what the classifier's p_A proves: the hardest place for the decision."""
    target, precision = (threshold + 1) / 255, "0.2" if certificate == "one-sided" else None
    made = {"certificate": certificate, "target_radius": f"{target:.6f}", "precision": precision}
    return Smoothing(shape=(1, 1, 1), sigma="0.25", n=n, alpha=alpha, **made)


CASES = [*(("one-sided", mode) for mode in Mode), ("two-sided", Mode.FIXED), ("two-sided", Mode.TARGET)]


@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_false_certificates(tmp_path, kind, mode):
    alpha, runs, threshold = 0.05, 6000, 40
    share, samples = false_share(tmp_path, configuration(400, "0.05", threshold, kind), threshold, mode, runs, seed=7)
    assert share <= alpha + 4 * np.sqrt(alpha * (1 - alpha) / runs)
    # the experiment sees false certificates: it would fail an alpha ten times smaller
    assert share > alpha / 10 + 4 * np.sqrt(alpha / 10 / runs)
    assert samples <= 400


@pytest.mark.long
@pytest.mark.parametrize("threshold", [40, 100])
@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_false_certificates_in_a_million_runs(tmp_path, kind, mode, threshold):
    alpha, runs = 0.001, 1_000_000
    made = configuration(200, "0.001", threshold, kind)
    share, samples = false_share(tmp_path, made, threshold, mode, runs, seed=2024)
    print(f"{kind}, {mode.name.lower()}, t {threshold}: {share:.2e} false at alpha 1e-3, {samples:.0f} samples a run")
    assert share <= alpha + 3 * np.sqrt(alpha / runs)
    assert share > 0
