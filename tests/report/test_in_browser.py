"""The page in a browser: at several widths, light and dark, and printed."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.report_archives import HOSTILE, PAGE_KINDS, page_of_kind

WIDTHS: Final = (360, 800, 1400)
SCHEMES: Final = ("light", "dark")
MEDIA: Final[Sequence[Literal["screen", "print"]]] = ("screen", "print")

# The contrast of each text and of each plot colour with the colour behind it.
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
    """Return the path of chromium; without it, fail in CI and skip elsewhere."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("chromium is not installed; CI needs it")
    if found is None:
        pytest.skip("chromium is not installed; apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of the system."""
    path = chromium()
    with sync_playwright() as playwright:
        # Chromium refuses to use its sandbox as root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


# The fullest page and the one with hostile texts; `make test-thorough` opens all of them.
KINDS: Final = [
    pytest.param(kind, marks=() if kind in {"many", "hostile"} else pytest.mark.thorough)
    for kind in PAGE_KINDS[1:]
]


@pytest.fixture(scope="module", params=KINDS)
def page_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an archive of each kind, in a file."""
    path = tmp_path_factory.mktemp(request.param) / "report.html"
    path.write_text(page_of_kind(request.param), encoding="utf-8")
    return path


class OpenPage:
    """A page in the browser, with its console messages, dialogs and requests."""

    def __init__(self, browser: Browser, path: Path, width: int, scheme: str) -> None:
        """Open a page."""
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.address = path.as_uri()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: self.messages.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.address)

    def resize(self, width: int) -> None:
        """Change the width of the window."""
        self.page.set_viewport_size({"width": width, "height": 800})

    def set_details(self, *, is_open: bool) -> None:
        """Open or close all details."""
        self.page.evaluate(
            "open => document.querySelectorAll('details').forEach(d => d.open = open)", is_open
        )

    def is_wider_than_its_window(self) -> bool:
        """Return whether a reader must scroll sideways."""
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_fits_its_window(browser: Browser, page_file: Path, scheme: str) -> None:
    """On a phone, a tablet and a desktop, without a console message or a request."""
    opened = OpenPage(browser, page_file, WIDTHS[0], scheme)
    for width in WIDTHS:
        opened.resize(width)
        for is_open in (False, True):
            opened.set_details(is_open=is_open)
            assert not opened.is_wider_than_its_window()
    assert opened.messages == []
    assert set(opened.requests) <= {opened.address, "data:,"}
    opened.page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_contrasts_are_sufficient(browser: Browser, page_file: Path, scheme: str) -> None:
    """At least 4.5 for text and 3 for plots, as WCAG requires."""
    opened = OpenPage(browser, page_file, 800, scheme)
    opened.set_details(is_open=True)
    contrasts = opened.page.evaluate(CONTRASTS)
    opened.page.close()
    assert len(contrasts["texts"]) > 50
    assert [text for text in contrasts["texts"] if text[1] < 4.5] == []
    assert [drawn for drawn in contrasts["drawn"] if drawn[1] < 3] == []


def test_dark_and_light_differ(browser: Browser, page_file: Path) -> None:
    """The page follows the setting of the reader; it is printed in light."""
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = OpenPage(browser, page_file, 800, "dark")
    light = OpenPage(browser, page_file, 800, "light")
    assert dark.page.evaluate(ground) != light.page.evaluate(ground)
    dark.page.emulate_media(media="print")
    assert dark.page.evaluate(ground) == "rgb(255, 255, 255)"
    for opened in (dark, light):
        opened.page.close()


def test_labels_of_axes_do_not_overlap(browser: Browser, page_file: Path) -> None:
    """Labels are largest on a phone."""
    overlapping = """
    () => [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
      const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBBox()])
      return boxes.flatMap(([one, a], n) => boxes.slice(n + 1)
        .filter(([_, b]) => a.x < b.x + b.width && b.x < a.x + a.width
          && a.y + 3 < b.y + b.height && b.y + 3 < a.y + a.height)
        .map(([other, _]) => one + ' / ' + other))
    })
    """
    opened = OpenPage(browser, page_file, WIDTHS[0], "light")
    for width in WIDTHS:
        opened.resize(width)
        assert opened.page.evaluate(overlapping) == []
    opened.page.close()


def test_columns_are_wide_enough(browser: Browser, page_file: Path) -> None:
    """Tables of tasks and reasons have room for words; a sheet of A4 is 690 pixels wide."""
    opened = OpenPage(browser, page_file, WIDTHS[0], "light")
    for medium, width in product(MEDIA, (*WIDTHS, 690, 840, 1000)):
        opened.resize(width)
        opened.page.emulate_media(media=medium)
        widths = opened.page.evaluate(
            "[...document.querySelectorAll('.wide tbody :is(th, td)')].map(c => c.clientWidth)"
        )
        assert min(widths, default=100) > 50
        if medium == "screen" or width == 690:
            assert not opened.is_wider_than_its_window()
    opened.page.close()


def test_it_can_be_printed(browser: Browser, page_file: Path) -> None:
    """The PDF has at most twenty sheets."""
    opened = OpenPage(browser, page_file, 800, "dark")
    pdf = opened.page.pdf(prefer_css_page_size=True)
    opened.page.close()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 20


@pytest.mark.parametrize("page_file", ["hostile"], indirect=True)
def test_hostile_text_stays_text(browser: Browser, page_file: Path) -> None:
    """Markup is shown as it was written, and does not become elements."""
    opened = OpenPage(browser, page_file, 800, "light")
    text = " ".join(opened.page.inner_text("body").split())
    assert " ".join(HOSTILE[0].split()) in text
    assert HOSTILE[1] in text
    assert "javascript:alert(1)" in text
    assert opened.page.title().startswith("GaussDB task history")
    assert opened.page.locator("script, iframe, img, b:not(.attention b)").count() == 0
    assert opened.messages == []
    assert opened.requests == [opened.address]
    opened.page.close()


def test_the_page_needs_no_script(browser: Browser, page_file: Path) -> None:
    """All sections are there when scripts are off."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("main > section").count() == 9
    context.close()


@pytest.mark.parametrize("page_file", ["many"], indirect=True)
def test_each_bucket_shows_its_title_on_hover(browser: Browser, page_file: Path) -> None:
    """The topmost shape at each place of a plot is part of a mark, axes and gaps excepted."""
    opened = OpenPage(browser, page_file, 1400, "light")
    titles = opened.page.evaluate(
        """
        () => {
          const svg = document.querySelector('#rates .plot')
          svg.scrollIntoView()
          return [...svg.querySelectorAll('.mark .hover')].map(area => {
            const box = area.getBoundingClientRect()
            const found = document.elementFromPoint(box.x + box.width / 2, box.y + 3)
            return found.closest('.mark').querySelector('title').textContent
          })
        }
        """
    )
    opened.page.close()
    assert len(titles) == len(set(titles)) > 10
    assert all("failed" in title for title in titles)
