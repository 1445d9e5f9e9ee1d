# SPDX-License-Identifier: Apache-2.0
"""The certificate: noise, streams, confidence bounds, radii, stopping rules and the reference certification
(docs/certificate.md).
"""

from typing import TYPE_CHECKING

from intrs_edge.lazy import lazy

if TYPE_CHECKING:
    from intrs_edge.smoothing.binomial import lower_confidence_bound
    from intrs_edge.smoothing.config import Smoothing
    from intrs_edge.smoothing.noise import DiscreteGaussian, Noise
    from intrs_edge.smoothing.radius import certified_radii_squared, certified_radius, certified_radius_squared
    from intrs_edge.smoothing.reference import certify, predict, votes
    from intrs_edge.smoothing.results import ABSTAIN, Certificate, Mode, Prediction, Stop, Stream, radius_text
    from intrs_edge.smoothing.sampler import Sampler
    from intrs_edge.smoothing.sequential import SequentialPlan

__all__ = [
    "ABSTAIN",
    "Certificate",
    "DiscreteGaussian",
    "Mode",
    "Noise",
    "Prediction",
    "Sampler",
    "SequentialPlan",
    "Smoothing",
    "Stop",
    "Stream",
    "certified_radii_squared",
    "certified_radius",
    "certified_radius_squared",
    "certify",
    "lower_confidence_bound",
    "predict",
    "radius_text",
    "votes",
]

_PLACES = {
    "binomial": ("lower_confidence_bound",),
    "config": ("Smoothing",),
    "noise": ("DiscreteGaussian", "Noise"),
    "radius": ("certified_radii_squared", "certified_radius", "certified_radius_squared"),
    "reference": ("certify", "predict", "votes"),
    "results": ("ABSTAIN", "Certificate", "Mode", "Prediction", "Stop", "Stream", "radius_text"),
    "sampler": ("Sampler",),
    "sequential": ("SequentialPlan",),
}
__getattr__, __dir__ = lazy(
    __name__, {name: f"{__name__}.{module}" for module, names in _PLACES.items() for name in names}
)
