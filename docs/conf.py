"""Sphinx settings of `make docs`: the repository is the source, since specifications stand by their code."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

project = "Standstill"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "**/*.md"]
exclude_patterns = ["build", ".venv", ".git", ".pytest_cache", "*.egg-info", "proofs/build", "**/node_modules"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "toc.not_included"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "Standstill"
html_show_sourcelink = False
html_copy_source = False


def inline_math(self: Any, node: nodes.math) -> None:
    """MathML, which browsers set by themselves: no page asks another host for anything."""
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block_math(self: Any, node: nodes.math_block) -> None:
    self.body.append(convert(node.astext(), display="block"))
    raise nodes.SkipNode


def setup(app: Any) -> None:
    app.add_html_math_renderer("mathml", inline_renderers=(inline_math, None), block_renderers=(block_math, None))
