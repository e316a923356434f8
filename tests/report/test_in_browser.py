"""The page as people see it: in a browser, at any width, in dark and light, on paper."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from gaussdb_tasks.report.figures import read_figures
from gaussdb_tasks.report.page import Origin, make_page
from tests.support.report_archives import (
    HOSTILE,
    LOADED_AT,
    add_many_tasks,
    add_years,
    hostile_rows,
    loaded,
)
from tests.support.sample_archive import Archive, task

WIDTHS: Final = (360, 800, 1400)
SCHEMES: Final = ("light", "dark")
MANY: Final = 100_000

# Each text with the colour that it has and the one behind it, as the browser reckons them.
CONTRASTS: Final = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return canvas.getImageData(0, 0, 1, 1).data
  }
  const luminance = ([r, g, b]) => [r, g, b]
    .map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0)
  const ratio = (one, other) => {
    const [low, high] = [luminance(rgb(one)), luminance(rgb(other))].sort((a, b) => a - b)
    return (high + 0.05) / (low + 0.05)
  }
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (rgb(colour)[3] > 0) return colour
    }
    return 'white'
  }
  const texts = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || element.closest('title, desc')) continue
    const style = getComputedStyle(element)
    const colour = element instanceof SVGElement ? style.fill : style.color
    texts.push([walker.currentNode.data.trim().slice(0, 40), ratio(colour, behind(element))])
  }
  const root = getComputedStyle(document.documentElement)
  const drawn = ['time', 'time-edge', 'fail', 'fail-edge', 'spread', 'covered', 'open-ink', 'lost']
    .map(name => [name, ratio(root.getPropertyValue('--' + name), root.getPropertyValue('--card'))])
  return {texts, drawn}
}
"""


def chromium() -> str:
    """Return where chromium is; where nobody runs the tests by hand it must be there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no chromium is installed, and this is a run that must not do without")
    if found is None:
        pytest.skip("no chromium is installed; apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's browser."""
    path = chromium()
    with sync_playwright() as playwright:
        # Root may not use the sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=["none", "one", "many", "years", "hostile"])
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an archive of each kind, in a file."""
    archive = Archive()
    archive.insert(
        **{
            "one": {"tasks": [task()], **loaded()},
            "hostile": hostile_rows(),
            "years": {},
        }.get(request.param, loaded())
    )
    if request.param == "many":
        add_many_tasks(archive, MANY)
    if request.param == "years":
        add_years(archive)
    path = tmp_path_factory.mktemp(request.param) / "report.html"
    path.write_bytes(make_page(read_figures(archive.connection), Origin("data", LOADED_AT)))
    archive.connection.close()
    return path


class Seen:
    """A page in the browser, and what went on while it was there."""

    def __init__(self, browser: Browser, path: Path, width: int, scheme: str) -> None:
        """Open a page."""
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.address = path.as_uri()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.address)

    def open_details(self) -> None:
        """Open all that is folded away."""
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    def is_wider_than_its_window(self) -> bool:
        """Tell whether one would have to scroll sideways."""
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_and_is_quiet(
    browser: Browser, page_file: Path, width: int, scheme: str
) -> None:
    """On a phone, a tablet and a desktop: no word of complaint, no request, nothing sticks out."""
    seen = Seen(browser, page_file, width, scheme)
    assert not seen.is_wider_than_its_window()
    seen.open_details()
    assert not seen.is_wider_than_its_window()
    assert seen.said == []
    assert set(seen.requests) <= {seen.address, "data:,"}
    seen.page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everything_can_be_read(browser: Browser, page_file: Path, scheme: str) -> None:
    """Text stands out from what is behind it by 4.5, and what is drawn by 3, in dark and light."""
    seen = Seen(browser, page_file, 800, scheme)
    seen.open_details()
    contrasts = seen.page.evaluate(CONTRASTS)
    seen.page.close()
    assert len(contrasts["texts"]) > 50
    assert [text for text in contrasts["texts"] if text[1] < 4.5] == []
    assert [drawn for drawn in contrasts["drawn"] if drawn[1] < 3] == []


def test_dark_and_light_differ(browser: Browser, page_file: Path) -> None:
    """The page follows what the reader prefers; on paper it is always light."""
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = Seen(browser, page_file, 800, "dark")
    light = Seen(browser, page_file, 800, "light")
    assert dark.page.evaluate(ground) != light.page.evaluate(ground)
    dark.page.emulate_media(media="print")
    assert dark.page.evaluate(ground) == "rgb(255, 255, 255)"
    for seen in (dark, light):
        seen.page.close()


def test_labels_of_axes_do_not_overlap(browser: Browser, page_file: Path) -> None:
    """The words of a drawing stand apart, also on a phone, where they are largest."""
    overlapping = """
    () => [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
      const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBBox()])
      return boxes.flatMap(([one, a], n) => boxes.slice(n + 1)
        .filter(([_, b]) => a.x < b.x + b.width && b.x < a.x + a.width
          && a.y + 3 < b.y + b.height && b.y + 3 < a.y + a.height)
        .map(([other, _]) => one + ' / ' + other))
    })
    """
    for width in WIDTHS:
        seen = Seen(browser, page_file, width, "light")
        assert seen.page.evaluate(overlapping) == []
        seen.page.close()


@pytest.mark.parametrize("width", [*WIDTHS, 690, 840, 1000])
@pytest.mark.parametrize("medium", ["screen", "print"])
def test_no_column_is_squeezed(
    browser: Browser, page_file: Path, width: int, medium: Literal["screen", "print"]
) -> None:
    """In the tables of tasks and reasons there is room for words; 690 pixels are a sheet of A4."""
    seen = Seen(browser, page_file, width, "light")
    seen.page.emulate_media(media=medium)
    widths = seen.page.evaluate(
        "[...document.querySelectorAll('.wide tbody th, .wide tbody td')].map(c => c.clientWidth)"
    )
    assert min(widths, default=100) > 50
    if medium == "screen" or width == 690:
        assert not seen.is_wider_than_its_window()
    seen.page.close()


def test_it_can_be_printed(browser: Browser, page_file: Path) -> None:
    """It makes a PDF of a few sheets."""
    seen = Seen(browser, page_file, 800, "dark")
    pdf = seen.page.pdf(prefer_css_page_size=True)
    seen.page.close()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 20


def test_hostile_texts_are_words(browser: Browser, tmp_path: Path) -> None:
    """What is made of markup is seen as it was written, and no element comes of it."""
    archive = Archive()
    archive.insert(**hostile_rows())
    path = tmp_path / "report.html"
    path.write_bytes(make_page(read_figures(archive.connection), Origin(HOSTILE[1], LOADED_AT)))
    seen = Seen(browser, path, 800, "light")
    shown = " ".join(seen.page.inner_text("body").split())
    assert " ".join(HOSTILE[0].split()) in shown
    assert HOSTILE[1] in shown
    assert "javascript:alert(1)" in shown
    assert seen.page.title().startswith("GaussDB task history")
    assert seen.page.locator("script, iframe, img, b:not(.concerns b)").count() == 0
    assert seen.said == []
    assert seen.requests == [seen.address]
    seen.page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_runs_in_it(browser: Browser, page_file: Path, scheme: str) -> None:
    """Where scripts are switched off altogether, the page is the same."""
    context = browser.new_context(java_script_enabled=False, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("main > section").count() == 9
    context.close()
