"""The page's mode of runs in Chromium: a report that is dropped, a database."""

from __future__ import annotations

import re

import pytest
from server_helpers import TOKEN, serving
from site_helpers import CALL, expect

from browsing import NARROW, WIDE, violations
from impactree import ImpactTracker, ModelCall
from impactree.exporters import SQLExporter
from impactree.server.settings import ServeSettings

SHOWN = (".card-value", ".card-range", ".bars", "tr[data-row]", ".detail", ".advice")
"""Where the figures of a report's page stand."""


def texts(page):
    return {
        where: [re.sub(r"\s+", " ", text) for text in page.locator(where).all_inner_texts()]
        for where in SHOWN
    }


def settled(page):
    """The page, when it has asked all that it asks for by itself."""
    expect(page.get_by_text("Started with --db")).to_be_visible()  # the last of it
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize("by", ["choosing", "dropping"])
def test_a_report_is_read_in_the_browser_as_its_own_page_shows_it(visit, mixed, tmp_path, by):
    more = (
        ModelCall(model="claude-haiku-4-5", provider="anthropic", output_tokens=70),
        ModelCall(model="nobody-knows", input_tokens=9, output_tokens=5, tokens_source="counted"),
        ModelCall(**CALL),
    )
    report = mixed("impactree-1", more=more).report()
    report.to_json(tmp_path / "report.json")
    report.to_html(tmp_path / "report.html")
    page = settled(visit("runs"))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    if by == "choosing":
        page.get_by_label("A report").set_input_files(tmp_path / "report.json")
    else:
        page.evaluate(DROP, (tmp_path / "report.json").read_text("utf-8"))
    expect(page.get_by_role("heading", name="root").first).to_be_visible()
    found = texts(page)
    assert asked == []
    notes = page.locator(".grounds").inner_text() + page.locator(".remarks").inner_text()
    assert "model-prior (1 call)" in notes
    assert "1 counted locally" in notes
    assert f"{report.total.training.gwp}: training the models" in notes
    expect(page).to_have_url(re.compile("mode=runs"))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("tr[data-row]")
    assert found == texts(page)
    assert len(found["tr[data-row]"]) == 9


def grounds(page):
    """The hypotheses of each model, and the calls by host."""
    page.get_by_role("radio", name="host").check()
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    models = page.locator(".grounds details:has(.hypotheses):has(bdi)")
    rows = page.locator("section:has(#groups-title) .bars tr")
    return [[re.sub(r"\s+", " ", text) for text in one.all_inner_texts()] for one in (models, rows)]


def test_what_a_dropped_report_rests_on_is_asked_by_names_alone(visit, mixed, tmp_path):
    more = (
        ModelCall(model="claude-haiku-4-5", provider="anthropic", output_tokens=70),
        ModelCall(model="nobody-knows", input_tokens=9, output_tokens=5),
        ModelCall(**CALL, zone="FRA"),
        ModelCall(**CALL, zone="XYZ"),  # none
    )
    report = mixed("impactree-1", more=more).report()
    report.to_json(tmp_path / "report.json")
    report.to_html(tmp_path / "report.html")
    page = settled(visit("runs"))
    page.get_by_label("A report").set_input_files(tmp_path / "report.json")
    button = page.get_by_role("button", name="Ask this server what it rests on")
    expect(button).to_be_visible()
    asked = []
    page.on("request", lambda one: asked.append((one.url, one.post_data_json)))
    button.press("Enter")
    expect(button).to_have_count(0)
    found = grounds(page)
    (refused,) = [url for url, body in asked if body is None]  # of a zone that is none
    assert refused.endswith("/v1/resolve?name=gpt-4o&provider=openai")
    bodies = [(url, body) for url, body in asked if body is not None]
    assert len(bodies) == 8
    for url, body in bodies:
        assert url.endswith("/v1/explain")
        assert not {"name", "user", "agent", "metadata", "latency_s"} & body.keys()
    for size in (NARROW, WIDE):
        page.set_viewport_size(size)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("tr[data-row]")
    ours = grounds(page)
    assert found[1] == ours[1]
    assert any("anthropic" in row for row in found[1])
    known = [[row for row in each if "XYZ" not in row] for each in (found[0], ours[0])]
    assert len(known[0]) == 7
    for one, other in zip(*known, strict=True):
        # Asked by itself, a call's zone is a setting.
        assert one.replace("the setting zone", "the call").split() == other.split()


DROP = """(text) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], "report.json"));
  const dropped = new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true});
  document.querySelector(".drop").dispatchEvent(dropped);
}"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "it lacks method, runs, total, coverage"),
        ("[1, 2", "it is no JSON"),
        ('{"format": 9, "runs": []}', "which is newer than this page reads"),
        (
            '{"method": null, "total": {}, "coverage": {}, "runs": [{"id": "a"}]}',
            "runs[0] has no name",
        ),
    ],
)
def test_what_is_no_report_says_why(visit, tmp_path, text, said):
    page = visit("runs")
    (tmp_path / "broken.json").write_text(text)
    page.get_by_label("A report").set_input_files(tmp_path / "broken.json")
    expect(page.locator(".drop .warning")).to_contain_text(said)


@pytest.fixture
def team(tmp_path):
    """A server with a database of an agent's run; and the run."""
    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(url)], method="impactree-1")
    tracker.start("root", None, name="dear one", kind="graph", metadata={"user_id": "ada"})
    for step, tokens in enumerate((4000, 7000, 10_000)):
        tracker.start(f"n{step}", "root", name="plan", kind="node", labels={"node": "plan"})
        call = ModelCall(**{**CALL, "input_tokens": tokens, "output_tokens": 60})
        tracker.record(call, f"n{step}", name=f"ask {step}")
        tracker.end(f"n{step}")
    tracker.end("root")
    assert tracker.flush(20)
    with serving(ServeSettings(db=url, token=TOKEN)) as address:
        yield address, tracker.runs[0]


def test_the_database_is_shown_with_each_run_s_tree(browser, team):
    address, run = team
    page = browser.new_page()
    page.goto(f"{address}/?token={TOKEN}#mode=runs")
    dearest = page.get_by_role("region", name="The dearest runs").locator("tbody tr")
    expect(dearest).to_have_count(1)
    cells = dearest.locator("th, td").all_inner_texts()
    assert cells[:2] == ["dear one", str(run.total.gwp)]
    assert cells[4] == "3"
    for by, label in (("model", "gpt-4o"), ("user", "ada"), ("kind", "chat")):
        page.get_by_label("Totals by").select_option(by)
        groups = page.get_by_role("region", name=f"By {by}").locator("tbody tr")
        expect(groups).to_have_count(1)
        cells = groups.locator("th, td").all_inner_texts()
        total = run.total
        assert cells[:4] == [label, str(total.gwp), str(total.energy), str(total.wcf)]
        assert cells[5:] == ["3", "21,000, 180"]
    page.get_by_role("button", name="dear one").press("Enter")
    rows = page.locator("tr[data-row]")
    expect(rows).to_have_count(7)
    for name in ("dear one", "ask 2"):
        (found,) = [one for one in run.walk() if one.name == name]
        number, _, rest = str(found.total.gwp).partition(" ")
        row = page.locator(f'tr[data-row]:has(bdi[title="{name}"])')
        expect(row.locator("td.value")).to_have_text(f"{number} {rest.rpartition(' ')[2]}")
    assert page.locator(".advice h3").count() > 0
    expect(page.locator(".detail")).not_to_contain_text("embodied")
    expect(page.get_by_text("usage and embodied impacts are kept as one")).to_be_visible()
    page.locator("[name=since]").select_option("24h")
    expect(page).to_have_url(re.compile("by=kind&since=24h&run=root$"))  # once it is drawn
    page.reload()  # a link to the run
    expect(rows).to_have_count(7)
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.close()
