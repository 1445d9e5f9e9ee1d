# SPDX-License-Identifier: Apache-2.0
"""What can be named as images, in words: light, so that the command line's help needs no more."""

NAMES = ("digits", "fashion-mnist", "cifar10", "caltech101")
SYNTAX = "NAME[:train|:test][SLICE] with NAME one of " + ", ".join(NAMES) + "; or a folder, a PNG/JPEG or a .npy file"
