"""The page: well-formed, sufficient to itself, accessible, the same each time, and harmless."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from gaussdb_tasks.report.figures import read_figures
from gaussdb_tasks.report.page import Origin, make_page
from tests.support.page_reader import Page
from tests.support.report_archives import (
    HOSTILE,
    LOADED_AT,
    add_many_tasks,
    add_years,
    hostile_rows,
    loaded,
)
from tests.support.sample_archive import Archive, Row, given, load_run, task

ORIGIN = Origin("data/gaussdb_tasks.duckdb", LOADED_AT)


def page_of(archive: Archive) -> str:
    """Return the page of an archive, made when it was loaded."""
    archive.connection.execute(f"set variable gaussdb_tasks_now = timestamp '{LOADED_AT}'")
    return make_page(read_figures(archive.connection), ORIGIN).decode()


def page_with(**rows: list[Row]) -> str:
    """Return the page of an archive with these rows."""
    return page_of(given(**rows))


@pytest.fixture(scope="module", params=["virgin", "none", "one", "many", "years", "hostile"])
def text(request: pytest.FixtureRequest) -> str:
    """The page of an archive of each kind."""
    archive = Archive()
    rows = {
        "none": loaded(),
        "one": {"tasks": [task()], **loaded()},
        "many": loaded(),
        "hostile": hostile_rows(),
    }
    archive.insert(**rows.get(request.param, {}))
    if request.param == "many":
        add_many_tasks(archive, 5_000)
    if request.param == "years":
        add_years(archive)
    return page_of(archive)


def test_the_page_needs_nothing_else(text: str) -> None:
    """No script, no address but of its own parts, and a policy that would forbid any."""
    page = Page(text)
    assert not page.tags & {"script", "iframe", "object", "embed", "img", "form", "base", "video"}
    references = [*page.values("href"), *page.values("xlink:href"), *page.values("src")]
    assert all(reference.startswith("#") or reference == "data:," for reference in references)
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    styles = text[text.index("<style>") : text.index("</style>")] + "".join(page.values("style"))
    assert "@import" not in styles
    assert set(re.findall(r"url\((.)", styles + "".join(page.values("clip-path")))) <= {"#"}
    (policy,) = (meta for meta in page.of("meta") if "http-equiv" in meta)
    assert policy["content"] == ("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_names_are_unique_and_lead_somewhere(text: str) -> None:
    """Each id is there once, and each reference to one finds it."""
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    referred = [name for names in page.values("aria-labelledby") for name in names.split()]
    referred += [link[1:] for link in page.values("href") if link.startswith("#")]
    referred += [link[1:] for link in page.values("xlink:href")]
    referred += re.findall(r"url\(#([^)]+)\)", text)
    assert set(referred) <= set(ids)


def test_who_cannot_see_it_can_read_it(text: str) -> None:
    """A language, headings in order, tables with captions and heads, drawings with words."""
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


def test_every_colour_is_the_pages(text: str) -> None:
    """Drawings name no colour of their own, so that dark and light both have theirs."""
    body = text[text.index("</style>") :]
    assert not re.findall(r"(?:fill|stroke): ?#\w+", body)
    assert not re.findall(r"font-family|DejaVu", body)


def test_the_same_archive_gives_the_same_bytes() -> None:
    """Nothing of the page is by chance, nor by the clock."""
    archive = given(tasks=[task(), task(job_id="job-2", status="Failed")], **loaded())
    assert page_of(archive) == page_of(archive)


def test_what_the_header_says() -> None:
    """When it was made, from which database, and that times are UTC."""
    text = Page(page_with(**loaded())).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Made 2026-03-31 02:00 UTC" in text
    assert "data/gaussdb_tasks.duckdb" in text
    assert "All times are UTC" in text


def test_an_empty_archive_says_so_everywhere() -> None:
    """Each section has its sentence where it has nothing to show."""
    text = Page(page_with(**loaded())).text
    assert text.count("No task has finished yet") == 3
    for sentence in (
        *("No task has failed.", "No task in flight is overdue.", "Nothing needs attention"),
        "No finished task took longer than is typical of its kind.",
    ):
        assert sentence in text
    assert Page(page_with()).text.count("No project has been loaded yet.") == 3


def test_numbers_stand_behind_each_drawing() -> None:
    """A kind's point is in its table, its facts are in words."""
    tasks = [task(job_id=str(n), duration_ms=1_084_000) for n in range(9)]
    failed = task(job_id="failed", status="Failed", fail_reason="Node 7 is down.")
    text = Page(page_with(tasks=[*tasks, failed], **loaded())).text
    plain = text.replace("\N{NO-BREAK SPACE}", " ")
    assert "10 tasks, median 18 min 4 s" in plain
    assert "1 of 10 failed: 10.0 % (1.8 % to 40.4 %)" in plain
    assert "2026-03-30 10 18 min 4 s" in plain
    assert "Node <n> is down." in plain
    assert "15 min to 30 min 9 90.0 %" in plain


def test_what_is_left_out_is_said() -> None:
    """Where a list is cut, a sentence says how many more there are, and how to see them."""
    tasks = [
        task(job_id=f"{n}", task_name=f"Kind{n}", status="Failed", fail_reason=chr(97 + n))
        for n in range(20)
    ]
    plain = Page(page_with(tasks=tasks, **loaded())).text.replace("\N{NO-BREAK SPACE}", " ")
    assert plain.count("Shown are the 12 most frequent kinds; 8 others are in") == 3
    assert "5 more: gaussdb-tasks query failure_reasons" in plain


def test_what_to_look_at_comes_first() -> None:
    """A failed load, gaps and overdue tasks are said at the head, the pressing before the rest."""
    rows: dict[str, list[Row]] = loaded()
    rows["load_runs"].append(load_run(outcome="failed", load_number=5, run_id="run-2"))
    tasks = [task(), task(job_id="job-2", status="Running")]
    plain = Page(page_with(tasks=tasks, **rows)).text.replace("\N{NO-BREAK SPACE}", " ")
    act, note = plain.index("its last load was failed."), plain.index("1 task in flight has taken")
    assert act < note
    assert "Nothing needs attention" not in plain


def test_hostile_texts_are_shown_as_texts() -> None:
    """Names, reasons, statuses and projects made of markup are words on the page, nothing more."""
    text = page_with(**hostile_rows())
    page = Page(text)
    assert not page.tags & {"script", "img", "iframe", "b:"}
    for hostile in HOSTILE[:4]:
        assert " ".join(hostile.split()) in page.text
    assert r"\u{202e}gnp.exe\u{202c}" in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "(10,000 characters)" in page.text
    assert len(text) < 2_000_000


def test_the_template_trusts_no_text() -> None:
    """Only drawings and the style sheet, which are our own, go into the page as markup."""
    template = Path(str(make_page.__code__.co_filename)).with_name("page.html.j2").read_text()
    assert "safe" not in re.findall(r"\|\s*(\w+)", template)
    assert re.findall(r"\|\s*body\b", template) == ["| body"]
