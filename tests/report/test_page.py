"""The page: well-formed, self-contained, accessible, reproducible and safe."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from gaussdb_tasks.report.page import make_page
from tests.support.page_reader import Page
from tests.support.report_archives import HOSTILE, PAGE_KINDS, loaded, page_of, page_of_kind
from tests.support.sample_archive import Row, given, load_run, task


def page_with(**rows: list[Row]) -> Page:
    """Return the page of an archive with these rows."""
    return Page(page_of(given(**rows)))


def text_with(**rows: list[Row]) -> str:
    """Return the text of the page of an archive with these rows, with plain spaces."""
    return page_with(**rows).text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(params=PAGE_KINDS)
def text(request: pytest.FixtureRequest) -> str:
    """The page of an archive of each kind."""
    return page_of_kind(request.param)


def test_the_page_is_self_contained(text: str) -> None:
    """It has no script and no external address, and a policy that forbids both."""
    page = Page(text)
    assert not page.tags & {"script", "iframe", "object", "embed", "img", "form", "base", "video"}
    references = [*page.values("href"), *page.values("src")]
    assert all(reference.startswith("#") or reference == "data:," for reference in references)
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert not re.search(r"@import|url\(", text[text.index("<style>") : text.index("</style>")])
    (policy,) = (meta for meta in page.of("meta") if "http-equiv" in meta)
    assert policy["content"] == ("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_ids_are_unique_and_references_resolve(text: str) -> None:
    """Links and labels refer to ids of the page."""
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    referred = [name for names in page.values("aria-labelledby") for name in names.split()]
    referred += [link[1:] for link in page.values("href") if link.startswith("#")]
    assert set(referred) <= set(ids)


def test_a_screen_reader_can_read_the_page(text: str) -> None:
    """Check the language, headings, table heads, captions and plot descriptions."""
    page = Page(text)
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("main")) == len(page.of("h1")) == len(page.of("nav")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.of("table")) == len(page.of("caption"))
    assert all("scope" in head for head in page.of("th"))
    for drawing in page.of("svg"):
        is_decoration = drawing.get("aria-hidden") == "true"
        assert is_decoration or (drawing["role"] == "img" and "aria-labelledby" in drawing)
    assert all(time["datetime"] for time in page.of("time"))


def test_all_colours_and_fonts_are_in_the_style_sheet(text: str) -> None:
    """Otherwise the dark style would be incomplete."""
    page = Page(text)
    for attribute in ("style", "fill", "stroke", "font-family", "font-size"):
        assert page.values(attribute) == []
    classes = {name for names in page.values("class") for name in names.split()}
    styles = text[text.index("<style>") : text.index("</style>")]
    undefined = {name for name in classes if not re.search(rf"\.{name}\b", styles)}
    assert undefined <= {"bar-head", "look"}


def test_the_same_archive_gives_the_same_bytes() -> None:
    """Neither the clock nor chance changes the page."""
    archive = given(tasks=[task(), task(job_id="job-2", status="Failed")], **loaded())
    assert page_of(archive) == page_of(archive)


def test_the_header_has_the_time_and_the_database() -> None:
    """It also states that times are UTC."""
    text = text_with(**loaded())
    assert "Created 2026-03-31 02:00 UTC" in text
    assert "data/gaussdb_tasks.duckdb" in text
    assert "All times are UTC" in text


def test_each_section_of_an_empty_archive_has_a_sentence() -> None:
    """No section is blank, before and after the first load."""
    text = text_with(**loaded())
    assert text.count("No task has finished yet") == 3
    for sentence in (
        *("No task has failed.", "No task in flight is overdue.", "Nothing needs attention"),
        "No finished task took longer than 95 % of the tasks of the same kind.",
    ):
        assert sentence in text
    assert text_with().count("No project has been loaded yet.") == 3


def test_each_plot_has_a_caption_and_a_table() -> None:
    """The table has the values of each point and bin."""
    tasks = [task(job_id=str(n), duration_ms=1_084_000) for n in range(9)]
    failed = task(job_id="failed", status="Failed", fail_reason="Node 7 is down.")
    plain = text_with(tasks=[*tasks, failed], **loaded())
    assert "10 tasks, median 18 min 4 s" in plain
    assert "1 of 10 failed: 10.0 % (1.8 % to 40.4 %)" in plain
    assert "2026-03-30 10 18 min 4 s" in plain
    assert "Node <n> is down." in plain
    assert "15 min to 30 min 9 90.0 %" in plain


def test_a_cut_list_has_the_count_of_the_rest_and_a_command() -> None:
    """The command shows the complete list."""
    tasks = [
        task(job_id=f"{n}", task_name=f"Kind{n}", status="Failed", fail_reason=chr(97 + n))
        for n in range(20)
    ]
    plain = text_with(tasks=tasks, **loaded())
    sentence = "The 12 most frequent kinds are shown. 8 others: gaussdb-tasks query "
    assert plain.count(sentence) == 3
    assert "5 more: gaussdb-tasks query failure_reasons" in plain


def test_urgent_items_come_first() -> None:
    """A failed load is more urgent than an overdue task."""
    rows: dict[str, list[Row]] = loaded()
    rows["load_runs"].append(load_run(outcome="failed", load_number=5, run_id="run-2"))
    tasks = [task(), task(job_id="job-2", status="Running")]
    plain = text_with(tasks=tasks, **rows)
    act, note = plain.index("the last load ended as failed."), plain.index("1 task is overdue")
    assert act < note
    assert "Nothing needs attention" not in plain


@pytest.mark.parametrize(
    ("name", "heading", "item"),
    [
        ("eu-de_shop", "eu-de_shop project-1 eu-de", "Project project-1 eu-de_shop:"),
        ("<b>&\n", r"<b>&\n project-1 eu-de", r"Project project-1 <b>&\n:"),
        (None, "project-1 eu-de", "Project project-1:"),
    ],
)
def test_a_project_is_shown_by_its_name_and_id(name: str | None, heading: str, item: str) -> None:
    """The id stands alone if the name is not known."""
    rows: dict[str, list[Row]] = loaded()
    runs = [{**run, "project_name": name} for run in rows.pop("load_runs")]
    failed = load_run(outcome="failed", load_number=5, run_id="run-2", project_name=name)
    plain = " ".join(text_with(load_runs=[*runs, failed], **rows).split())
    assert plain.count(f" {heading} ") == 2  # the calendar and the status
    assert f"{item} the last load ended as failed." in plain


def test_hostile_text_stays_text() -> None:
    """Markup in names, reasons, statuses and projects does not become elements."""
    text = page_of_kind("hostile")
    page = Page(text)
    assert not page.tags & {"script", "img", "iframe"}
    for hostile in HOSTILE[:4]:
        assert " ".join(hostile.split()) in page.text
    assert r"\u202egnp.exe\u202c" in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "(10,000 characters)" in page.text
    assert len(text) < 2_000_000


def test_only_literals_and_the_style_sheet_are_markup() -> None:
    """No text from the database can become markup."""
    package = Path(make_page.__code__.co_filename).parent
    template = (package / "page.html.j2").read_text()
    assert "safe" not in re.findall(r"\|\s*(\w+)", template)
    modules = "".join(path.read_text() for path in package.glob("*.py"))
    assert re.findall(r"Markup\((?!['\")]).*?\)", modules) == ['Markup(_text("page.css")']
