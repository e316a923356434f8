"""Reading a page strictly: what an HTML parser would mend is an error here."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Final

_VOID: Final = frozenset({"meta", "link", "br", "hr", "img", "input"})


class Page(HTMLParser):
    """The elements, attributes and text of a page; raises where it is not well-formed."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    @property
    def tags(self) -> set[str]:
        """The names of all elements."""
        return {tag for tag, _ in self.elements}

    @property
    def text(self) -> str:
        """What is to be read."""
        return " ".join(" ".join(self.texts).split())

    def values(self, attribute: str) -> list[str]:
        """Return all values of an attribute."""
        return [found[attribute] for _, found in self.elements if attribute in found]

    def of(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of a name."""
        return [found for name, found in self.elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice: {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element that is closed at once, as SVG has them."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that what ends is what was opened last."""
        assert self._open, f"{tag} ends and was not begun"
        assert self._open.pop() == tag, f"{tag} ends inside of another"

    def handle_data(self, data: str) -> None:
        """Take note of text, but for styles."""
        if "style" not in self._open:
            self.texts.append(data)


def read_page(path: Path) -> Page:
    """Read a page from a file."""
    return Page(path.read_text(encoding="utf-8"))
