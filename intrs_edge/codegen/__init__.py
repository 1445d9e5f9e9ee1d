# SPDX-License-Identifier: Apache-2.0
"""Graph to C project: kernel choice, memory plan, weights, build files (docs/generate.md)."""

from intrs_edge.codegen.front import ModelFile
from intrs_edge.codegen.inspect import inspect, inspect_text
from intrs_edge.codegen.options import GenerateOptions
from intrs_edge.codegen.project import generate
from intrs_edge.codegen.report import Report

__all__ = ["GenerateOptions", "ModelFile", "Report", "generate", "inspect", "inspect_text"]
