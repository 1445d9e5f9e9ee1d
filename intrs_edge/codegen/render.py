"""Jinja over templates/, the same way everywhere: undefined names are errors, nothing is escaped (the output is C, not
HTML).
"""

from __future__ import annotations

from typing import Any

import jinja2

from intrs_edge.paths import shipped


def render(template: str, **values: Any) -> str:
    """The text of a template of templates/."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(shipped("templates"))),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    return environment.get_template(template).render(**values)
