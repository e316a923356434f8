"""The page: well-formed, self-contained, accessible, reproducible and safe."""

import base64
import dataclasses
import hashlib
import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from gaussdb_tasks.database.query import run_query
from gaussdb_tasks.report.attention import attention_items
from gaussdb_tasks.report.figures import CoverageGap
from gaussdb_tasks.report.page import Origin, make_page
from gaussdb_tasks.report.queries import MAX_ROWS, read_figures
from tests.support.page_reader import Page
from tests.support.report_archives import (
    HOSTILE,
    LOADED_AT,
    PAGE_KINDS,
    add_many_tasks,
    loaded,
    page_of,
    page_of_kind,
)
from tests.support.sample_archive import (
    Row,
    given,
    load_run,
    rejected_record,
    task,
    vanished_task,
    window,
)


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


def element(text: str, tag: str) -> str:
    """Return the content of the only element of a kind, as it was written."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return str(content)


def test_the_page_is_self_contained(text: str) -> None:
    """It has no external address, and one script and one style sheet."""
    page = Page(text)
    assert not page.tags & {"iframe", "object", "embed", "img", "form", "base", "video"}
    references = [*page.values("href"), *page.values("src")]
    assert all(reference.startswith("#") or reference == "data:," for reference in references)
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert not re.search(r"@import|url\(", element(text, "style"))


def test_only_the_script_and_styles_of_the_package_may_run(text: str) -> None:
    """The policy names them by their digests: another script or style does nothing."""
    (policy,) = (meta for meta in Page(text).of("meta") if "http-equiv" in meta)
    hashes = {
        tag: base64.b64encode(hashlib.sha256(element(text, tag).encode()).digest()).decode()
        for tag in ("script", "style")
    }
    assert policy["content"] == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; "
        f"style-src 'sha256-{hashes['style']}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    package = Path(make_page.__code__.co_filename).parent
    assert element(text, "script") == (package / "page.js").read_text()
    assert element(text, "style") == (package / "page.css").read_text()


def test_the_script_cannot_make_elements_of_text() -> None:
    """It uses nothing that parses text as markup or as a program."""
    script = (Path(make_page.__code__.co_filename).parent / "page.js").read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function|DOMParser"
        r"|setTimeout|import|fetch|XMLHttp|location|</",
        script,
    )


def test_ids_are_unique_and_references_resolve(text: str) -> None:
    """Links and labels refer to ids of the page."""
    page = Page(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    attributes = ("aria-labelledby", "aria-describedby", "for", "list")
    referred = [
        name for each in attributes for names in page.values(each) for name in names.split()
    ]
    referred += [link[1:] for link in page.values("href") if link.startswith("#")]
    assert set(referred) <= set(ids)


def test_a_screen_reader_can_read_the_page(text: str) -> None:
    """Check the language, landmarks, headings, table heads, captions and names of plots."""
    page = Page(text)
    assert page.of("html") == [{"lang": "en"}]
    for landmark in ("main", "h1", "nav", "footer"):
        assert len(page.of(landmark)) == 1
    assert all("aria-labelledby" in section for section in page.of("section"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.of("table")) == len(page.of("caption"))
    assert all("scope" in head for head in page.of("th"))
    drawings = [each for each in page.of("svg") if each.get("aria-hidden") != "true"]
    assert all(drawing["role"] == "img" for drawing in drawings)
    named = re.findall(r'<svg [^>]*role="img"[^>]*>\s*<title[^>]*>[^<]', text)
    assert len(named) == len(drawings)
    times = re.findall(r"<time>([^<]*)</time>", text)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", time) for time in times)


def test_all_colours_and_fonts_are_in_the_style_sheet(text: str) -> None:
    """Otherwise the dark style would be incomplete."""
    page = Page(text)
    for attribute in ("style", "fill", "stroke", "font-family", "font-size"):
        assert page.values(attribute) == []
    classes = {name for names in page.values("class") for name in names.split()}
    styles = element(text, "style")
    undefined = {name for name in classes if not re.search(rf"\.{name}\b", styles)}
    assert undefined <= {"compact", "look"}


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


def test_several_databases_are_named_with_their_archives() -> None:
    """Each archive has its newest entry; projects without a name of their own have their ids."""
    runs = [
        load_run(project_id=f"project-{n}", project_name=name)
        for n, name in enumerate(("eu-de_shop", "eu-de_shop", "eu-de_bank", None))
    ]
    connection = given(load_runs=runs).connection
    figures = read_figures(connection)
    archives = [(f"archive-{n % 2}", f"digest-{n % 2}") for n in range(4)]
    projects = [
        dataclasses.replace(status, archive_id=archive_id, head_digest=digest)
        for status, (archive_id, digest) in zip(figures.projects, archives, strict=True)
    ]
    gap = CoverageGap(
        "eu-de", "project-1", LOADED_AT, LOADED_AT, is_lost=True, gap_seconds=0.0, expires_at=None
    )
    figures = dataclasses.replace(figures, projects=projects, gaps=[gap])
    page = make_page(figures, Origin(["/srv/a/tasks.duckdb", "/srv/b/tasks.duckdb"], LOADED_AT))
    text = Page(page.decode()).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "from /srv/a/tasks.duckdb , /srv/b/tasks.duckdb ." in text
    assert "digest-0 archive-0 2 digest-1 archive-1 2" in text
    assert "eu-de_shop project-1 2026-03-31 02:00 2026-03-31 02:00 0 ms" in text


def test_each_section_of_an_empty_archive_has_a_sentence() -> None:
    """No section is blank, before and after the first load."""
    text = text_with(**loaded())
    assert text.count("No task has finished yet") == 2
    assert text.count("No task has failed.") == 2
    assert "Nothing needs attention" in text
    assert "No finished task took longer than 95 % of the tasks of the same kind." in text
    assert text_with().count("No project has been loaded yet.") == 2


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
        task(
            job_id=f"{n}",
            task_name=f"Kind{n}",
            status="Failed",
            fail_reason=f"Reason {chr(65 + n)}!",
        )
        for n in range(60)
    ]
    plain = text_with(tasks=tasks, **loaded())
    assert "59 less frequent kinds" in plain
    assert "9 more: gaussdb-tasks query failure_rates_by_name" in plain
    assert "30 more: gaussdb-tasks query failure_reasons" in plain
    assert "30 more: gaussdb-tasks query failed_last_night" in plain


def test_each_item_has_the_rows_that_it_speaks_of() -> None:
    """Tasks with their ids and reasons, gaps with the time that is left, records, projects."""
    created_at = LOADED_AT - timedelta(days=40)
    plain = text_with(
        tasks=[
            task(),
            task(job_id="job-failed", status="Failed", fail_reason="Disk is full"),
            task(job_id="job-overdue", status="Running", created_at=LOADED_AT - timedelta(hours=3)),
            task(
                job_id="job-lost",
                status="Running",
                created_at=created_at,
                last_seen_at=created_at,
            ),
            task(job_id="job-deleted"),
        ],
        vanished_tasks=[vanished_task(job_id="job-deleted")],
        rejected_records=[rejected_record(job_id="job-rejected")],
        load_runs=[load_run(outcome="incomplete")],
        coverage=[
            window(LOADED_AT - timedelta(days=60), LOADED_AT - timedelta(days=50)),
            window(LOADED_AT - timedelta(days=48), LOADED_AT - timedelta(days=28)),
            window(LOADED_AT - timedelta(days=27), LOADED_AT),
        ],
    )
    plain = plain[plain.index("Needs attention") : plain.index("Instances that fail most")]
    for words in (
        "1 project needs a load",
        "project-1 last load incomplete; never a complete load; unread records expire in 2 nights",
        "1 open coverage gap",
        "2026-03-03 02:00 2026-03-04 02:00 1 d 2 d",
        "1 task newly failed",
        "job-failed orders 2026-03-30 10:00 Disk is full",
        "1 task overdue",
        "job-overdue orders 2026-03-30 23:00 3 h 1 min",
        "1 task lost from sight",
        "job-lost orders 2026-02-19 02:00 Running",
        "1 task deleted in the task center",
        "job-deleted orders 2026-03-30 10:00 Completed 2026-03-31 02:00",
        "1 record was rejected",
        "job_id is missing or empty job-rejected",
        "1 lost coverage gap",
        "2026-02-09 02:00 2026-02-11 02:00 2 d",
    ):
        assert words in plain


def test_the_command_of_each_item_shows_all_its_rows() -> None:
    """A saved question with a limit would not."""
    numbers = range(MAX_ROWS + 5)
    start = LOADED_AT - timedelta(days=29)
    archive = given(
        tasks=[
            *(task(job_id=f"failed-{n}", status="Failed") for n in numbers),
            *(task(job_id=f"overdue-{n}", status="Running", created_at=start) for n in numbers),
            *(task(job_id=f"deleted-{n}") for n in numbers),
        ],
        vanished_tasks=[vanished_task(job_id=f"deleted-{n}") for n in numbers],
        rejected_records=[rejected_record(record_hash=str(n)) for n in numbers],
        load_runs=[load_run()],
        coverage=[
            window(start + timedelta(hours=2 * n), start + timedelta(hours=2 * n + 1))
            for n in range(40)
        ],
    )
    items = attention_items(read_figures(archive.connection), LOADED_AT)
    commands = [item.table.command.split(" ", 1) for item in items]
    assert len(commands) == 6
    for item, (name, *query) in zip(items, commands, strict=True):
        if name == "query":
            rows = run_query(archive.connection, query[0].strip('"')).fetchall()
            assert len(rows) == item.table.total > len(item.table.rows) == MAX_ROWS


def test_an_old_load_needs_attention() -> None:
    """The limit is that of the command status."""
    rows = loaded()
    for hours, is_old in ((29, False), (30, True)):
        made_at = LOADED_AT + timedelta(hours=hours)
        connection = given(**rows).connection
        connection.execute(f"set variable gaussdb_tasks_now = timestamp '{made_at}'")
        items = attention_items(read_figures(connection), made_at)
        titles = [item.title.replace("\N{NO-BREAK SPACE}", " ") for item in items]
        assert titles == ["1 project needs a load"] * is_old


def test_urgent_items_come_first() -> None:
    """A failed load is more urgent than an overdue task."""
    rows: dict[str, list[Row]] = loaded()
    rows["load_runs"].append(load_run(outcome="failed", load_number=5, run_id="run-2"))
    tasks = [task(), task(job_id="job-2", status="Running")]
    plain = text_with(tasks=tasks, **rows)
    act, look = plain.index("Act 1 project needs a load"), plain.index("Look 1 task overdue")
    assert act < look
    assert "Nothing needs attention" not in plain


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("eu-de_shop", "eu-de_shop project-1 eu-de"),
        ("<b>&\n", r"<b>&\n project-1 eu-de"),
        (None, "project-1 eu-de"),
    ],
)
def test_a_project_is_shown_by_its_name_and_id(name: str | None, shown: str) -> None:
    """The id stands alone if the name is not known."""
    failed = load_run(outcome="failed", load_number=5, run_id="run-2", project_name=name)
    plain = text_with(load_runs=[load_run(project_name=name), failed])
    assert f"{shown} 2026-03-31 02:00 failed" in plain
    assert f"{shown.removesuffix(' eu-de').split(' ')[0]} last load failed" in plain


def test_the_page_of_a_large_archive_is_bounded() -> None:
    """A thousand projects with gaps, five hundred kinds and ten years; foreign text is short."""
    projects = [f"{n:032x}" for n in range(1_000)]
    archive = given(
        load_runs=[
            load_run(project_id=each, project_name=f"eu-de_{n}_{'x' * 60}" if n % 2 else None)
            for n, each in enumerate(projects)
        ],
        coverage=[
            window(start, start + timedelta(days=29), project_id=each)
            for each in projects[:120]
            for start in (LOADED_AT - timedelta(days=30 * n) for n in range(1, 30))
        ],
        rejected_records=[
            rejected_record(project_id=each, record_hash=each, reason="why " * 100)
            for each in projects[:100]
        ],
    )
    add_many_tasks(archive, 20_000, days=3_650)
    archive.connection.execute(
        """
        update task_center.tasks
        set
            task_name = 'Kind ' || hash(job_id) % if(hash(job_id) % 3 = 0, 6, 500),
            project_id = printf('%032x', hash(job_id) % 1000),
            instance_name = instance_name || repeat('y', 60),
            fail_reason = fail_reason || chr(65 + (hash(job_id) % 26)::int) || repeat(' why', 100),
            last_changed_at = timestamp '2026-03-31 02:00:00'
        """
    )
    text = page_of(archive)
    page = Page(text)
    assert "1,000 projects" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "500 kinds" in page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert len(text.encode()) < 1_000_000


def test_hostile_text_stays_text() -> None:
    """Markup in names, reasons, statuses and projects does not become elements."""
    text = page_of_kind("hostile")
    page = Page(text)
    assert not page.tags & {"img", "iframe"}
    assert len(page.of("script")) == len(page.of("style")) == 1
    for hostile in HOSTILE[:4]:
        assert " ".join(hostile.split()) in page.text
    assert r"\u202egnp.exe\u202c" in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "(10,000 characters)" in page.text
    assert len(text) < 300_000


def test_only_literals_and_the_style_sheet_are_markup() -> None:
    """No text from the database can become markup."""
    package = Path(make_page.__code__.co_filename).parent
    template = (package / "page.html.j2").read_text()
    assert "safe" not in re.findall(r"\|\s*(\w+)", template)
    modules = "".join(path.read_text() for path in package.glob("*.py"))
    assert re.findall(r"Markup\((?!['\")]).*?\)", modules) == ["Markup(css)", "Markup(script)"]
