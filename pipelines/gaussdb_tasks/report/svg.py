"""Build SVG elements as markup; all text is escaped."""

from collections.abc import Iterable

from markupsafe import Markup


def line(css_class: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """Return a straight line."""
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        css_class, _number(x1), _number(y1), _number(x2), _number(y2)
    )


def polyline(css_class: str, points: Iterable[tuple[float, float]]) -> Markup:
    """Return a line through points."""
    places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(css_class, places)


def rectangle(css_class: str, x: float, y: float, width: float, height: float) -> Markup:
    """Return a rectangle; x and y are its upper left corner."""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        css_class, _number(x), _number(y), _number(width), _number(height)
    )


def circle(css_class: str, x: float, y: float, radius: float) -> Markup:
    """Return a circle around x and y."""
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
        css_class, _number(x), _number(y), _number(radius)
    )


def bars(css_class: str, places: Iterable[tuple[float, float, float]], bottom: float) -> Markup:
    """Return bars down to a bottom, as one path; a place is x, width and height."""
    path = "".join(
        f"M{_number(x)} {_number(bottom)}v-{_number(height)}h{_number(width)}V{_number(bottom)}z"
        for x, width, height in places
    )
    return Markup('<path class="{}" d="{}"/>').format(css_class, path)


def image(css_class: str, width: float, height: float, words: str, content: Markup) -> Markup:
    """Return a small plot that fills its width; the words are its name, also on hover."""
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img">'
        "<title>{}</title>{}</svg>"
    ).format(css_class, _number(width), _number(height), words, content)


def bar(words: str, title: str, *shapes: Markup) -> Markup:
    """Return words and a strip of 100 by 8 with shapes."""
    return Markup("{}{}").format(words, image("bar", 100, 8, title, join(shapes)))


def label(text: str, x: float, y: float, anchor: str) -> Markup:
    """Return a text; y is its baseline, and the anchor is start, middle or end."""
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        _number(x), _number(y), anchor, text
    )


def mark(title: str, *shapes: Markup) -> Markup:
    """Return shapes as one mark; browsers show its title on hover."""
    return Markup('<g class="mark"><title>{}</title>{}</g>').format(title, join(shapes))


def join(elements: Iterable[Markup]) -> Markup:
    """Return elements one after the other."""
    return Markup().join(elements)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
