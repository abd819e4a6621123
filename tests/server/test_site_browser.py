"""The server's page in Chromium: its figures are those of ``estimate``; it asks no other host."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urlencode

import pytest
from server_helpers import TOKEN
from site_helpers import ASKED, CALL, assert_shows, card, expect

from browsing import BUILT, NARROW, WIDE, violations
from impactree import ModelCall, estimate, explain
from impactree.advice import scaled
from impactree.calls.counting import count_tokens
from impactree.methods import METHODS
from impactree.service.reporting import report_of_calls


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_a_request_shows_the_figures_of_estimate(visit, method):
    page = visit("one", **ASKED, method=method)
    assert_shows(page, estimate(ModelCall(**CALL), method=method))
    page.locator("select[name=zone]").select_option("FRA")
    assert_shows(page, estimate(ModelCall(**CALL, zone="FRA"), method=method))
    page.get_by_label("Output tokens").fill("800")
    changed = {**CALL, "output_tokens": 800, "zone": "FRA"}
    assert_shows(page, estimate(ModelCall(**changed), method=method))
    found = explain("gpt-4o", "openai", input_tokens=1200, output_tokens=800, zone="FRA")
    page.get_by_text("How was this computed?").click()
    steps = page.get_by_role("region", name="Steps").locator("tbody th").all_inner_texts()
    if method == found.method:
        assert steps == [step.symbol for step in found.steps]
    assert len(steps) > 5
    assert page.get_by_role("region", name="Hypotheses").get_by_role("link").count() > 5


def test_a_task_fills_in_its_tokens_and_says_where_they_are_from(visit):
    page = visit("one", **ASKED)
    page.get_by_label("Task").select_option("agent")
    expect(page.get_by_label("Input tokens")).to_have_value("127037")
    expect(page.get_by_label("of these cached")).to_have_value("126180")
    expect(page.locator("fieldset a").first).to_have_attribute("href", re.compile("tracelab"))
    page.get_by_label("Output tokens").fill("7")
    expect(page.get_by_label("Task")).to_have_value("")


def test_a_pasted_text_is_counted_here_and_stands_in_no_link(visit):
    page = visit("one", **ASKED, cached=1000)  # of another text
    page.get_by_text("Count the tokens of a text").click()
    page.get_by_label("Text to read").fill("Quokkas live on Rottnest Island. " * 30)
    count = count_tokens("Quokkas live on Rottnest Island. " * 30)
    expect(page.get_by_label("Input tokens")).to_have_value(str(count))
    expect(page.get_by_label("of these cached")).to_have_value("")
    expect(page.get_by_role("status")).to_contain_text(f"{count} tokens")
    assert_shows(page, estimate(ModelCall(**{**CALL, "input_tokens": count})))
    expect(page).to_have_url(re.compile(f"input={count}"))
    kept = "decodeURIComponent(location.href) + JSON.stringify([localStorage, sessionStorage])"
    assert "Quokka" not in page.evaluate(kept)
    page.reload()
    expect(page.get_by_label("Input tokens")).to_have_value(str(count))
    assert "Quokka" not in page.content()


def test_a_region_is_one_of_its_host_s_cloud(visit):
    page = visit("one", **{**ASKED, "model": "claude-haiku-4-5", "provider": "aws-bedrock"})
    region = page.locator("select[name=region]")
    region.select_option("eu-west-3")
    call = {**CALL, "model": "claude-haiku-4-5", "provider": "aws-bedrock", "region": "eu-west-3"}
    assert_shows(page, estimate(ModelCall(**call)))
    page.locator("select[name=provider]").select_option("anthropic")
    expect(region).to_have_count(0)
    del call["region"]
    assert_shows(page, estimate(ModelCall(**{**call, "provider": "anthropic"})))


def test_hardware_counts_by_the_method_that_plans_with_it(visit):
    known = {"accelerator": "H100", "count": 2, "precision": "fp8", "parallelism": "tensor"}
    page = visit("one", **ASKED, method="impactree-1", batch=32, **known)
    deployment = {**known, "batch_size": 32}
    call = ModelCall(**CALL)
    assert_shows(page, estimate(call, method="impactree-1", deployment=deployment))


def test_what_cannot_be_estimated_says_why(visit):
    page = visit("one", model="dall-e-3", output=5)
    expect(page.get_by_text("Not estimated.")).to_be_visible()
    expect(card(page, "gwp")).to_contain_text("not estimated")


def test_what_no_open_factor_gives_is_unknown(visit):
    page = visit("one", **ASKED, method="impactree-1", zone="AFG")
    expect(card(page, "adpe")).to_contain_text("unknown")
    page.get_by_text("How was this computed?").click()
    steps = page.get_by_role("region", name="Steps").locator("tr", has_text="adpe_u")
    expect(steps.locator("td").nth(1)).to_have_text("unknown")


def test_what_is_wrong_is_said(visit):
    page = visit("one", **{**ASKED, "output": "-3"})
    expect(page.get_by_text("output_tokens: Input should be")).to_be_visible()


def test_a_link_reopens_what_was_chosen(visit):
    page = visit("one", **ASKED)
    page.locator("select[name=zone]").select_option("SWE")
    page.get_by_role("combobox", name="Model").fill("gpt-4o-mini")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page).to_have_url(re.compile("mode=compare"))  # once it is drawn
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("select[name=zone]")).to_have_value("SWE")
    expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value("gpt-4o-mini")


def test_alternatives_are_those_of_a_report(visit):
    page = visit("compare", **ASKED, **{"1.model": "gpt-4o-mini", "2.zone": "SWE"})
    rows = page.locator(".compared tbody tr")
    expect(rows).to_have_count(3)
    ours = report_of_calls([ModelCall(**CALL)]).compare(
        {"gpt-4o-mini": {"model": "gpt-4o-mini"}, "in SWE": {"zone": "SWE"}}
    )
    for place, row in enumerate(ours.rows):
        cells = rows.nth(place).locator("th, td").all_inner_texts()
        assert cells[0] == f"{place + 1}. {row.name}"
        assert cells[1] == str(row.total.gwp)
        assert cells[3] == str(row.total.energy)
        assert cells[4] == str(row.total.wcf)
    page.get_by_role("button", name="Remove alternative 1").click()
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="Add an alternative").click()
    page.get_by_role("combobox", name="Another model").last.fill("o3")
    expect(rows).to_have_count(3)


def test_alternatives_that_cannot_be_told_apart_are_named(visit):
    alike = {"1.model": "claude-haiku-4-5", "1.provider": "anthropic"}
    page = visit("compare", **{**ASKED, "model": "gpt-4o-mini"}, method="impactree-1", **alike)
    expect(page.get_by_text("Cannot be told apart")).to_be_visible()
    page.locator("[name=model-1]").fill("")
    page.locator("[name=provider-1]").select_option("")
    page.locator("[name=zone-1]").select_option("SWE")  # the same machine, another mix
    expect(page.get_by_text("All of these can be told apart")).to_be_visible()
    expect(page.get_by_text("Cannot be told apart")).to_have_count(0)


def test_a_year_of_an_organisation_is_the_sum_of_its_calls(visit, tmp_path):
    page = visit("organisation", method="impactree-1")
    uses = page.locator(".use")
    uses.nth(1).get_by_role("button", name="Remove").click()
    fill = {"Who": "Support", "People": "3", "Requests a day each": "7", "Model": "gpt-4o"}
    fill |= {"Input tokens": "1200", "Output tokens": "400"}
    uses.first.locator("select[name=provider-0]").select_option("openai")
    for label, value in fill.items():
        uses.first.get_by_label(label, exact=True).fill(value)
    one = estimate(ModelCall(**CALL), method="impactree-1")
    assert_shows(page, scaled(one, 3 * 7 * 365))
    by_use = page.get_by_role("region", name="By use").locator("tbody tr")
    assert by_use.locator("th, td").all_inner_texts()[:3] == ["Support", "gpt-4o", "7,665"]
    months = page.get_by_role("region", name="By month").locator("tbody td.number")
    assert months.nth(1).inner_text() == str(scaled(one, 3 * 7 * 28).gwp)  # February
    for name, ending in (("CSV", ".csv"), ("Excel", ".xlsx"), ("JSON", ".json")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=name, exact=True).click()
        assert saved.value.suggested_filename.endswith(ending)
        saved.value.save_as(tmp_path / f"uses{ending}")
    table = (tmp_path / "uses.csv").read_text("utf-8")
    page.get_by_text("Paste or open CSV").click()
    page.get_by_label("A file").set_input_files(tmp_path / "uses.csv")
    page.get_by_label("Columns:").fill(table.replace("Support", "Sales").replace(",3.0,", ",6.0,"))
    page.get_by_role("button", name="Take these uses").click()
    expect(uses.first.get_by_label("Who", exact=True)).to_have_value("Sales")
    assert_shows(page, scaled(one, 6 * 7 * 365))
    page.reload()
    expect(uses.first.get_by_label("Who", exact=True)).to_have_value("Sales")


def test_a_use_that_is_wrong_or_without_a_model_is_named(visit):
    page = visit("organisation", method="impactree-1")
    expect(card(page, "gwp")).to_be_visible()
    page.get_by_role("button", name="Add a use").click()
    expect(page.get_by_text("Without a model, and so not counted: use 3.")).to_be_visible()
    page.locator("[name=model-0]").fill("")
    expect(page.get_by_text("not counted: use 1, use 3.")).to_be_visible()
    page.locator("[name=from_month-1]").fill("5")
    page.locator("[name=months-1]").fill("9")
    expect(page.get_by_text("Use 2, Months: 9 from month 5 on end after December")).to_be_visible()
    page.locator("[name=months-1]").fill("")  # up to December
    expect(card(page, "gwp")).to_be_visible()
    months = page.get_by_role("region", name="By month").locator("tbody tr")
    assert "0" in months.nth(3).inner_text().split()[1]
    requests = page.get_by_role("region", name="By use").locator("tbody tr").locator("th, td")
    days = 31 + 30 + 31 + 31 + 30 + 31 + 30 + 31  # May to December
    assert requests.all_inner_texts()[2] == f"{12 * 60 * days:,}"
    page.locator("[name=people-1]").fill("-3")
    expect(page.get_by_text("Use 2, People: Input should be greater")).to_be_visible()


def test_a_year_is_printed_whole_from_the_first_page_on(visit):
    page = visit("organisation", theme="dark")
    page.get_by_role("region", name="What it rests on").wait_for()
    page.emulate_media(media="print")
    for hidden in ("nav", "form.panel", ".buttons"):
        expect(page.locator(hidden).first).to_be_hidden()
    for shown in ("A year", "By month", "By use", "By model", "What it rests on"):
        expect(page.get_by_text(shown, exact=True).first).to_be_visible()
    expect(page.locator(".credits")).to_contain_text("CC BY 4.0")
    source = page.locator(".sheet a").first
    printed = source.evaluate("(link) => getComputedStyle(link, '::after').content")
    assert source.get_attribute("href") in printed  # on paper nobody can follow a link
    panel = page.locator("div.panel")
    assert panel.evaluate("(one) => getComputedStyle(one).breakInside") == "auto"
    body = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(body) == "rgb(255, 255, 255)"
    assert page.pdf().startswith(b"%PDF")


def test_csv_that_is_wrong_says_where(visit):
    page = visit("organisation")
    page.get_by_text("Paste or open CSV").click()
    page.get_by_label("Columns:").fill("model,people\ngpt-4o,many\n")
    page.get_by_role("button", name="Take these uses").click()
    expect(page.get_by_text("line 2: people must be a number, not 'many'")).to_be_visible()


def test_a_film_shows_the_figures_of_estimate(visit):
    page = visit("video", film="google/veo-3.1", resolution="1080p", seconds=6, sound="no")
    film = {"kind": "video", "model": "google/veo-3.1", "resolution": "1080p", "seconds": 6}
    assert_shows(page, estimate(ModelCall(**film, sound=False)))
    page.get_by_label("Sound").select_option("yes")
    assert_shows(page, estimate(ModelCall(**film, sound=True)))


CELLS = ("td:nth-of-type(1)", "td:nth-of-type(2)")
"""What a constant is, and its value."""


def test_the_method_names_its_equations_constants_and_sources(visit):
    page = visit("method", **ASKED, method="impactree-1")
    expect(page.get_by_role("region", name="Equations")).to_contain_text("E_gpu")
    assert page.get_by_role("region", name="Constants").locator("tbody tr").count() > 10
    constants = page.get_by_role("region", name="Constants").locator("tbody tr")
    shown = dict(zip(*(constants.locator(c).all_inner_texts() for c in CELLS), strict=True))
    for constant in METHODS["impactree-1"].constants():
        number, _, unit = shown[constant.name].partition(" ")
        assert float(number) == pytest.approx(constant.value, rel=1e-5)
        assert unit == constant.unit
    told = page.get_by_role("region", name="What makers published themselves")
    expect(told).to_contain_text("0.24 Wh")  # Google's median text prompt, August 2025
    assert told.get_by_role("link").count() > 3
    expect(page.get_by_text("What is not counted")).to_be_visible()


MODES = {
    "One request": "one",
    "Expert": "expert",
    "Compare": "compare",
    "Your organisation": "organisation",
    "Your runs": "runs",
    "Video": "video",
    "Method and sources": "method",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_is_in_the_way_of_anybody_and_all_fits(visit, mixed, tmp_path, size, theme):
    mixed("impactree-1").report().to_json(tmp_path / "report.json")
    page = visit("one", size=size, **ASKED, theme=theme)
    for title, mode in MODES.items():
        page.get_by_role("button", name=title, exact=True).click()
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        if mode == "runs":
            page.get_by_label("A report").set_input_files(tmp_path / "report.json")
            page.wait_for_selector("tr[data-row]")
        page.wait_for_load_state("networkidle")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert violations(page) == [], mode
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], mode
        expect(page).to_have_url(re.compile(f"mode={mode}"))


def reached_by_tab(page, most=200):
    """What has the focus, one Tab after the other, until it comes round again."""
    found = []
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(most):
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUSED))
        if found[-1] in ("", found[0]) and len(found) > 1:
            break
    return found


FOCUSED = """() => {
  const one = document.activeElement;
  return one === document.body ? "" : one.name || one.getAttribute("aria-label") || one.textContent;
}"""


@pytest.mark.parametrize(
    ("mode", "reached"),
    [
        ("one", ["theme", "Compare", "task", "input", "Count the tokens of a text", "model"]),
        ("one", ["provider", "zone", "method", "latency", "How was this computed?"]),
        ("expert", ["total", "active", "pue", "wue_dc", "gwp", "wue", "pe", "adpe"]),
        ("compare", ["model-1", "Remove alternative 1", "Add an alternative", "Alternatives"]),
        (
            "organisation",
            ["model-0", "people-1", "Remove use 2", "Add a use", "Paste or open CSV", "Excel"],
        ),
        ("organisation", ["Print or PDF", "By month", "By use", "By model", "What it rests on"]),
        ("video", ["film", "resolution", "seconds", "zone", "method"]),
        ("method", ["Equations", "Constants", "What makers published themselves"]),
    ],
)
def test_all_by_keyboard(visit, mode, reached):
    page = visit(mode, **ASKED)
    page.wait_for_load_state("networkidle")
    page.wait_for_selector(".sheet, .card")
    assert set(reached) - set(reached_by_tab(page)) == set()


def test_a_mode_is_driven_by_keys_alone(visit):
    page = visit("one", **ASKED)
    page.get_by_role("button", name="Video").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Video")).to_be_visible()
    page.get_by_role("button", name="One request").focus()
    page.keyboard.press("Space")
    page.locator("[name=output]").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("800")
    assert_shows(page, estimate(ModelCall(**{**CALL, "output_tokens": 800})))
    page.get_by_text("How was this computed?").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Steps")).to_be_visible()


def test_the_token_is_kept_in_the_tab_and_leaves_the_address(browser, guarded):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{guarded}/?token={TOKEN}#mode=one&{urlencode(ASKED)}")
    assert_shows(page, estimate(ModelCall(**CALL)))
    assert TOKEN not in page.evaluate("location.href")
    page.reload()
    assert_shows(page, estimate(ModelCall(**CALL)))
    other = context.new_page()  # has the page, but not the token
    other.goto(f"{guarded}/#mode=one&{urlencode(ASKED)}")
    other.get_by_label("This server asks for its token").fill(TOKEN)
    other.get_by_role("button", name="Open").click()
    assert_shows(other, estimate(ModelCall(**CALL)))
    context.close()


def test_the_page_is_small():
    sizes = [len(gzip.compress((BUILT / name).read_bytes())) for name in ("app.js", "app.css")]
    assert sum(sizes) < 300_000
