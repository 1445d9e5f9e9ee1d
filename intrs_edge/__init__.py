"""IntRS-Edge: integer-only certified robustness, from a trained network to a microcontroller."""

__version__ = "0.1.0"
