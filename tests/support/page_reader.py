"""Read a page strictly: errors that an HTML parser would repair are failures here."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Final

_VOID: Final = frozenset({"meta", "link", "br", "hr", "img", "input"})


class Page(HTMLParser):
    """Collect the elements, attributes and text of a page; fail if it is not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    @property
    def tags(self) -> set[str]:
        """Return the names of all elements."""
        return {tag for tag, _ in self.elements}

    @property
    def text(self) -> str:
        """Return the text of the page."""
        return " ".join(" ".join(self.texts).split())

    def values(self, attribute: str) -> list[str]:
        """Return all values of an attribute."""
        return [found[attribute] for _, found in self.elements if attribute in found]

    def of(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements with this name."""
        return [found for name, found in self.elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element that closes itself, as in SVG."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that the element opened last ends first."""
        assert self._open, f"{tag} ends but was not opened"
        assert self._open.pop() == tag, f"{tag} ends inside another element"

    def handle_data(self, data: str) -> None:
        """Record text, except styles and scripts."""
        if not {"style", "script"} & set(self._open):
            self.texts.append(data)


def read_page(path: Path) -> Page:
    """Read a page from a file."""
    return Page(path.read_text(encoding="utf-8"))
