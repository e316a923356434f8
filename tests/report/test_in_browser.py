"""The page in a browser: at several widths, light and dark, and printed."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.report_archives import HOSTILE, PAGE_KINDS, page_of_kind

WIDTHS: Final = (360, 800, 1400)
SCHEMES: Final = ("light", "dark")
SIZES: Final[Sequence[tuple[Literal["screen", "print"], int]]] = (
    *(("screen", width) for width in (*WIDTHS, 690, 840, 1010, 1050)),
    ("print", 690),
)
"""Windows, and a sheet of A4."""

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
  const drawn = ['time', 'time-edge', 'fail', 'fail-edge', 'spread', 'covered', 'open', 'lost']
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

    def column(self, section: str, place: int) -> list[str]:
        """Return the visible cells of a column of the first table of a section."""
        return self.page.eval_on_selector(  # type: ignore[no-any-return]
            f"#{section} table",
            """(table, place) => [...table.tBodies[0].rows]
                .filter(row => row.checkVisibility())
                .map(row => row.cells[place].innerText.split('\\n')[0])""",
            place,
        )

    def sort(self, section: str, heading: str) -> str | None:
        """Click a heading of the first table of a section; return the order that is announced."""
        head = self.page.locator(f"#{section} table").first.locator(
            "thead th", has_text=re.compile(rf"^{heading}$")
        )
        head.get_by_role("button").click()
        return head.get_attribute("aria-sort")

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
    """Tables of tasks and reasons have room for words."""
    opened = OpenPage(browser, page_file, WIDTHS[0], "light")
    for medium, width in SIZES:
        opened.resize(width)
        opened.page.emulate_media(media=medium)
        widths = opened.page.evaluate(
            "[...document.querySelectorAll('.wide tbody :is(th, td):not(.number)')]"
            ".filter(c => c.checkVisibility()).map(c => c.clientWidth)"
        )
        assert min(widths, default=100) > 50
        assert not opened.is_wider_than_its_window()
    opened.page.close()


@pytest.mark.parametrize("page_file", ["many"], indirect=True)
def test_large_numbers_stay_in_one_line(browser: Browser, page_file: Path) -> None:
    """The tiles have room for ten million tasks, also on a phone and on paper."""
    opened = OpenPage(browser, page_file, WIDTHS[0], "light")
    opened.page.eval_on_selector_all(
        ".tiles dt + dd", "all => all.slice(0, 3).forEach(dd => dd.textContent = '12,345,678')"
    )
    for medium, width in SIZES:
        opened.resize(width)
        opened.page.emulate_media(media=medium)
        lines = opened.page.eval_on_selector_all(
            ".tiles dt + dd",
            """all => all.map(dd => {
                const range = document.createRange()
                range.selectNodeContents(dd)
                return new Set([...range.getClientRects()].map(box => box.top)).size
            })""",
        )
        assert lines == [1] * 5
        assert not opened.is_wider_than_its_window()
    opened.page.close()


def test_it_can_be_printed(browser: Browser, page_file: Path) -> None:
    """The PDF has at most twenty sheets; on paper all parts are unfolded and nothing is dark."""
    opened = OpenPage(browser, page_file, 800, "dark")
    pdf = opened.page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 20
    opened.page.emulate_media(media="print")
    hidden = """
    [...document.querySelectorAll('main tr, main figure, main h3')]
      .filter(e => !e.closest('.numbers') && !e.checkVisibility({contentVisibilityAuto: true}))
      .map(e => e.textContent.slice(0, 60))
    """
    assert opened.page.evaluate(hidden) == []
    assert opened.page.locator("nav").is_hidden()
    opened.page.close()


def test_printing_unfolds_and_folds_again(browser: Browser, page_file: Path) -> None:
    """A browser that cannot unfold by style is helped by the script; tables of plots stay away."""
    opened = OpenPage(browser, page_file, 800, "light")
    folded = "document.querySelectorAll('details:not([open]):not(.numbers)').length"
    before = opened.page.evaluate(folded)
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.evaluate(folded) == 0
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.evaluate(folded) == before > 0
    opened.page.close()


@pytest.mark.parametrize("page_file", ["hostile"], indirect=True)
def test_hostile_text_stays_text(browser: Browser, page_file: Path) -> None:
    """Markup is shown as it was written, also after sorting and filtering."""
    opened = OpenPage(browser, page_file, 1400, "light")
    opened.page.evaluate("document.querySelectorAll('.all input').forEach(box => box.click())")
    elements = "document.querySelectorAll('body *').length"
    count = opened.page.evaluate(elements)
    for section, heading in (
        ("attention", "Reason"),
        ("slow", "Instance"),
        ("instances", "Failed"),
    ):
        opened.sort(section, heading)
    text = " ".join(opened.page.inner_text("body").split())
    assert " ".join(HOSTILE[0].split()) in text
    assert HOSTILE[1] in text
    assert "javascript:alert(1)" in text
    assert opened.page.title().startswith("GaussDB task history")
    assert opened.page.evaluate(elements) == count
    assert opened.page.locator("script, style").count() == 2
    assert (
        opened.page.locator("iframe, img, b:not(.item h3 > b), script:not(body > *)").count() == 0
    )
    assert opened.messages == []
    assert opened.requests == [opened.address]
    opened.page.close()


@pytest.mark.parametrize("page_file", ["hostile"], indirect=True)
def test_text_that_would_escape_could_not_run(
    browser: Browser, page_file: Path, tmp_path: Path
) -> None:
    """Even if a text became markup, the policy would let neither script, style nor image act."""
    attack = (
        "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
        "<p id=attack style='position: fixed'>x</p><style>body { display: none }</style>"
        "<base href='https://example.com/'><img src='https://example.com/x.png'>"
    )
    broken = tmp_path / "broken.html"
    page = page_file.read_text(encoding="utf-8")
    broken.write_text(page.replace("<main>", f"<main>{attack}"), encoding="utf-8")
    opened = OpenPage(browser, broken, 800, "light")
    assert opened.page.title().startswith("GaussDB task history")
    style = opened.page.eval_on_selector("#attack", "e => getComputedStyle(e).position")
    assert style == "static"
    assert opened.page.locator("body").is_visible()
    refused = [
        re.findall(r"script-src|style-src|img-src|base-uri", each) for each in opened.messages
    ]
    assert {each[0] for each in refused} == {"script-src", "style-src", "img-src", "base-uri"}
    assert opened.page.get_by_role("button", name="Reason").first.is_visible()  # ours still runs
    opened.page.close()


@pytest.mark.parametrize("page_file", ["many"], indirect=True)
def test_the_page_needs_no_script(browser: Browser, page_file: Path) -> None:
    """All rows can be reached when scripts are off; what needs a script is not shown."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("main > section").count() == 7
    assert page.locator("thead button").count() == 0
    assert page.get_by_label("Project", exact=True).is_hidden()
    rows = page.locator("#instances tbody tr")
    assert [rows.nth(place).is_visible() for place in (0, 4, 5, 29)] == [True, True, False, False]
    page.locator("#instances").get_by_label("Show all 30").check()
    assert rows.nth(29).is_visible()
    context.close()


@pytest.mark.parametrize("page_file", ["many"], indirect=True)
def test_tables_can_be_sorted(browser: Browser, page_file: Path) -> None:
    """By text and by number, in both orders; the order is announced, also on a phone."""
    opened = OpenPage(browser, page_file, 1400, "light")
    opened.page.locator("#instances").get_by_label("Show all 30").check()
    names = opened.column("instances", 0)
    assert len(names) == 30
    assert opened.sort("instances", "Instance") == "ascending"
    in_order = sorted(names, key=lambda name: int(name.removeprefix("orders-")))
    assert opened.column("instances", 0) == in_order
    assert opened.sort("instances", "Instance") == "descending"
    assert opened.column("instances", 0) == in_order[::-1]
    assert opened.sort("instances", "Finished") == "descending"
    finished = [int(number.replace(",", "")) for number in opened.column("instances", 3)]
    assert finished == sorted(finished, reverse=True)
    assert opened.page.locator("#instances [aria-sort]").count() == 1
    medians = opened.page.locator("#kinds .list").first
    assert opened.sort("kinds", "Median") == "descending"
    seconds = medians.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => Number(row.cells[2].dataset.v))"
    )
    assert seconds == sorted(seconds, reverse=True)
    assert len(set(seconds)) > 3
    opened.resize(WIDTHS[0])
    assert opened.sort("instances", "Failed") == "descending"
    opened.page.close()


@pytest.mark.parametrize("page_file", ["many"], indirect=True)
def test_rows_can_be_filtered_by_project(browser: Browser, page_file: Path) -> None:
    """By a part of the name or id; what belongs to all projects says so."""
    opened = OpenPage(browser, page_file, 1400, "light")
    opened.page.locator("#instances").get_by_label("Show all 30").check()
    box, result = opened.page.get_by_label("Project", exact=True), opened.page.locator("output")
    everything = opened.column("instances", 0)
    assert set(opened.column("instances", 1)) == {"project-1", "project-2"}
    note = opened.page.locator("#reasons .of-all")
    assert note.is_hidden()
    box.fill("Project-2")
    assert result.inner_text() == "1 of 2 projects"
    for section, place in (("instances", 1), ("projects", 0)):
        assert set(opened.column(section, place)) == {"project-2"}
    assert note.is_visible()
    box.fill("no such project")
    assert opened.page.locator("#slow .no-row").is_visible()
    assert opened.column("slow", 0) == []
    box.fill("")
    assert opened.column("instances", 0) == everything
    assert result.inner_text() == ""
    opened.page.close()


@pytest.mark.parametrize("page_file", ["many"], indirect=True)
def test_each_bucket_shows_its_title_on_hover(browser: Browser, page_file: Path) -> None:
    """The topmost shape at each place of a plot is part of a mark, axes and gaps excepted."""
    opened = OpenPage(browser, page_file, 1400, "light")
    titles = opened.page.evaluate(
        """
        () => {
          const svg = document.querySelectorAll('#plots .plot')[1]
          svg.scrollIntoView({block: 'center'})
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
