# SPDX-License-Identifier: Apache-2.0
"""What can be proved of a built image: integers only, no allocation, no recursion, a stack bound, sizes."""

from intrs_edge.targets.audit.report import audit_image, audit_project
from intrs_edge.targets.audit.rules import AuditReport, Rule

__all__ = ["AuditReport", "Rule", "audit_image", "audit_project"]
