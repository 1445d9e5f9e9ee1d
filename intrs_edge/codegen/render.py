# SPDX-License-Identifier: Apache-2.0
"""Jinja over templates/, the same way everywhere: undefined names are errors; values are escaped in HTML alone."""

from __future__ import annotations

from typing import Any

import jinja2

from intrs_edge.paths import shipped


def render(template: str, **values: Any) -> str:
    """The text of a template of templates/; in one that is called .html.j2 what a value holds is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(shipped("templates"))),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=template.endswith(".html.j2"),
    )
    return environment.get_template(template).render(**values)
