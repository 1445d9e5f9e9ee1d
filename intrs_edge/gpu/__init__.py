# SPDX-License-Identifier: Apache-2.0
"""The network and its noise in torch, for a GPU: the same integers as every other back end (docs/gpu.md). Needs the
extra ``gpu``; only `intrs_edge.targets` imports it, when ``--target cuda`` or ``torch-cpu`` asks for it.
"""
