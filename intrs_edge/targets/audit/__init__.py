"""What can be proved of a built image: integers only, no allocation, no recursion, a stack bound, sizes."""

from intrs_edge.targets.audit.report import AuditReport, Rule, audit_image, audit_project

__all__ = ["AuditReport", "Rule", "audit_image", "audit_project"]
