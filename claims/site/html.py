"""A small HTML builder that escapes everything: no text from a file can become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

from claims.base.errors import MalformedFile
from claims.base.text import replace_hidden

__all__ = ["Html", "clean", "fill", "h", "join"]

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "path", "rect", "circle", "line", "use"})
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*\Z")
_SLOT = re.compile(r"<!--@([a-z_]+)-->")


@dataclass(frozen=True)
class Html:
    """Markup that is safe to write as it is. Only this module and ``fill`` make it."""

    text: str

    def __str__(self) -> str:
        return self.text


def clean(text: str) -> str:
    """Replace what no reader can see (the hidden characters of FORMATS.md) by U+FFFD, newlines and tabs by spaces."""
    return replace_hidden(text.replace("\n", " ").replace("\t", " "), "\ufffd")


def join(children: Iterable[object]) -> Html:
    """Children one after the other; text is escaped, None left out, nested sequences flattened."""
    out: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            out.append(child.text)
        elif isinstance(child, str):
            out.append(escape(clean(child), quote=False))
        elif isinstance(child, int):
            out.append(str(child))
        elif isinstance(child, Iterable):
            out.append(join(child).text)
        else:
            raise TypeError(f"no child: {type(child).__name__}")
    return Html("".join(out))


def h(tag: str, attributes: Mapping[str, object] | None = None, *children: object) -> Html:
    """An element.

    Args:
        tag: element name, a constant of the caller.
        attributes: values are escaped; True gives an attribute without a value, None and False leave it out. Event
            handlers and ``style`` are refused: the page's policy forbids both.
        children: see :func:`join`.

    Raises:
        ValueError: an element or attribute that the page may not have.
    """
    if not _NAME.match(tag) or tag in ("script", "style"):
        raise ValueError(f"element {tag!r}")
    parts = [f"<{tag}"]
    for name, value in (attributes or {}).items():
        if not _NAME.match(name) or name.startswith("on") or name == "style":
            raise ValueError(f"attribute {name!r}")
        if value is None or value is False:
            continue
        parts.append(f" {name}" if value is True else f' {name}="{escape(clean(str(value)))}"')
    inner = join(children).text
    if tag in _VOID:
        if inner:
            raise ValueError(f"{tag} has no content")
        return Html("".join(parts) + (" />" if tag in ("path", "rect", "circle", "line", "use") else ">"))
    return Html("".join(parts) + f">{inner}</{tag}>")


def fill(template: str, slots: Mapping[str, Html]) -> str:
    """Put each slot's markup in place of its ``<!--@name-->``, in one pass.

    Raises:
        MalformedFile: the template lacks a slot, has one twice, or one that is not given.
    """
    found = _SLOT.findall(template)
    if sorted(found) != sorted(slots):
        raise MalformedFile("the page's template does not have exactly the slots that are filled")
    return _SLOT.sub(lambda match: slots[match.group(1)].text, template)
