"""A realistic distribution of p_A: percentiles of published certified radii, turned back into probabilities."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

# percentiles 0.5, 1.5, ... of the radii of a ResNet-110 on CIFAR-10's test set (trained as Cohen et al. 2019;
# N = 100 000, alpha = .001; Salman et al. 2019's published logs), in [0,1] pixels; abstentions are counted in ABSTAINED
RADII = {
    "0.25": """0.00609 0.0138 0.0239 0.031 0.0389 0.048 0.0575 0.067 0.076 0.0851 0.0925 0.103 0.113 0.122 0.131
    0.143 0.152 0.163 0.173 0.184 0.194 0.203 0.213 0.225 0.236 0.247 0.258 0.269 0.28 0.291 0.301 0.314 0.325 0.335
    0.346 0.358 0.369 0.382 0.393 0.405 0.416 0.427 0.439 0.449 0.461 0.471 0.481 0.492 0.502 0.515 0.531 0.543 0.557
    0.57 0.582 0.596 0.612 0.625 0.638 0.652 0.668 0.682 0.696 0.71 0.723 0.735 0.748 0.765 0.777 0.793 0.81 0.825
    0.839 0.852 0.865 0.881 0.892 0.905 0.913 0.922 0.935 0.935 0.953 0.953 0.953 0.953 0.953 0.953 0.953 0.953 0.953
    0.953""",
    "1": """0.0177 0.0312 0.0514 0.0692 0.0832 0.0993 0.115 0.134 0.152 0.169 0.186 0.202 0.224 0.245 0.262 0.281
    0.298 0.318 0.337 0.359 0.377 0.396 0.415 0.433 0.454 0.476 0.498 0.524 0.544 0.571 0.591 0.617 0.645 0.672 0.698
    0.731 0.755 0.786 0.813 0.848 0.879 0.911 0.939 0.97 1 1.04 1.07 1.11 1.15 1.19 1.24 1.28 1.33 1.38 1.44 1.49 1.55
    1.6 1.67 1.73 1.81 1.87 1.96 2.05 2.13 2.24 2.38 2.56 2.81 3.23""",
}
ABSTAINED = {"0.25": 8, "1": 30}


def probabilities(sigma: str) -> npt.NDArray[np.float64]:
    """100 values of p_A. A radius gives its Clopper-Pearson bound back, and that p_A about 3.1 standard errors above
    it.

    An abstention says only that p_A is below about .505: those are spread evenly over .3 .. .505 (an assumption;
    nearer to a half is dearer).
    """
    normal, n = NormalDist(), 100_000
    bound = np.array([normal.cdf(float(r) / float(sigma)) for r in RADII[sigma].split()])
    z = normal.inv_cdf(0.999)
    p = bound.copy()
    for _ in range(50):
        p = np.minimum(1.0, bound + z * np.sqrt(p * (1 - p) / n) + z * z / (2 * n))
    k = ABSTAINED[sigma]
    return np.concatenate([0.3 + 0.205 * (np.arange(k) + 0.5) / k, p])
