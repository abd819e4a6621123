"""The report's page in Chromium: what it shows, what it does, what it never does."""

from __future__ import annotations

import re

import pytest

from browsing import NARROW, WIDE, needs_browser, violations
from impactree.report._layout import label_text
from impactree.report.renderers._cells import count, duration, percent
from impactree.values.criteria import CRITERIA

expect = needs_browser().expect

ATTACK = "</script><img src=x onerror=alert(1)>"
TITLES = {
    "gwp": "Greenhouse gases",
    "energy": "Energy",
    "wcf": "Water",
    "pe": "Primary energy",
    "adpe": "Abiotic depletion",
}


@pytest.fixture
def show(browser, tmp_path):
    """Opens a report; afterwards nothing but the file was asked for, and nothing was complained."""
    asked, said, contexts = [], [], []

    def show(report, fragment="", size=WIDE, *, strict=True, **options):
        path = tmp_path / "report.html"
        report.to_html(path)
        context = browser.new_context(
            viewport=size, permissions=["clipboard-read", "clipboard-write"], **options
        )
        contexts.append(context)
        page = context.new_page()
        if strict:
            page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(f"{path.as_uri()}#{fragment}")
        page.wait_for_selector("main")
        return page

    yield show
    for context in contexts:
        context.close()
    assert set(asked) <= {(tmp_path / "report.html").as_uri()}
    assert said == []


@pytest.fixture
def mixed(build):
    """Two agents, three models, a tool, a cache, an unknown model, tokens counted here."""
    root = build.start(name="crew", kind="graph", metadata={"user_id": "ann"}, tags=["nightly"])
    for number, agent in enumerate(("writer", "critic")):
        here = build.start(root, agent, "agent", number, metadata={"lc_agent_name": agent})
        build.chat(here, "gpt-4o", out=100 + 50 * number, at=number, until=number + 0.5)
        tool = build.start(here, "search", "tool", number + 0.5)
        build.chat(tool, "mini", out=30, at=number + 0.5, until=number + 0.8, input_tokens=None)
        build.end(tool, number + 0.9)
        build.end(here, number + 1)
    build.chat(root, "mini", out=70, at=2, until=2.5, tokens_source="counted", name="=sum")
    build.chat(root, "gpt-4o", out=40, at=2, until=2.1, cached=True, name="cached one")
    build.chat(root, "unknown-7b", out=60, at=2, until=3, name="mystery")
    build.end(root, 3)
    return build.report()


def mean_text(impact):
    """As the report prints the expected value."""
    text = str(impact)
    number, _, rest = text.partition(" ")
    return f"{number} {rest.rpartition(' ')[2]}" if "(" in rest else text


def texts(page, selector):
    return [re.sub(r"\s+", " ", text).strip() for text in page.locator(selector).all_inner_texts()]


def row(page, run):
    return page.locator(f'tr[data-row]:has(bdi[title="{run.name}"])').first


def names(page):
    return texts(page, "tr[data-row] .run-name > bdi")


# What it shows


def test_every_figure_is_the_report_s(show, mixed):
    page = show(mixed, "together=0&fold=all")
    runs = [run for root in mixed.runs for run in root.walk()]
    assert names(page) == [run.name for run in runs]
    for criterion in CRITERIA:
        card = page.locator(f'.card:has(.card-title:text-is("{TITLES[criterion.key]}"))')
        card.click()
        impact = getattr(mixed.total, criterion.key)
        assert (
            card.locator(".card-value").inner_text() == f"≥{mean_text(impact)}"
        )  # one call has no estimate
        for run, place in zip(runs, page.locator("tr[data-row]").all(), strict=True):
            shown = place.locator("td.value").inner_text().strip()
            own = getattr(run.total, criterion.key)
            if not [r for r in run.walk() if r.call]:
                expected = ""
            elif own is None:
                expected = "not estimated"
            else:
                expected = ("≥" if run.total.lower_bound else "") + mean_text(own)
            assert shown == expected, run.name
    page.locator(".card", has_text="Greenhouse").click()
    for run, place in zip(runs, page.locator("tr[data-row]").all(), strict=True):
        cells = [cell.inner_text().strip() for cell in place.locator("td").all()]
        calls = [r for r in run.walk() if r.call]
        assert cells[1] == (count(len(calls)) if calls else "")
        assert cells[4] == duration(run.latency_s)
        gwp = run.total.gwp
        share = gwp.value.mean / mixed.total.gwp.value.mean if gwp and calls else None
        assert cells[6] == percent(share)


def test_groups_are_those_of_by(show, mixed):
    page = show(mixed)
    for key in ("model", "agent", "tool", "user", "kind"):
        page.get_by_role("radio", name=key, exact=True).check()
        lines = [texts(line, "th, td") for line in page.locator(".bars tbody tr").all()]
        shown = {cells[0]: cells for cells in lines}
        groups = mixed.by(key)
        assert list(shown) == [*map(label_text, groups)]
        for label, group in groups.items():
            cells = shown[label_text(label)]
            assert cells[1] == count(group.calls)
            if group.total.gwp is None:
                assert cells[3] == "not estimated"
                continue
            bound = "≥" if group.total.lower_bound else ""
            ends = str(group.total.gwp).partition("(")[2].partition(")")[0]
            assert cells[3] == f"{bound}{mean_text(group.total.gwp)} {ends}".strip()
            assert cells[4] == percent(group.share)


def test_ranges_are_drawn_to_scale(show, mixed):
    page = show(mixed)
    # By the test's engine a mean of 3 mg has ends of 2 and 4 mg: ticks at 2/4, 3/4 and 4/4.
    bar = page.locator(".bars tbody tr").first.locator(".range")
    box = bar.bounding_box()
    ends = bar.locator(".range-ends").bounding_box()
    tick = bar.locator(".range-mean").bounding_box()
    assert (ends["x"] - box["x"]) / box["width"] == pytest.approx(1 / 2, abs=0.02)
    assert (tick["x"] + 1 - box["x"]) / box["width"] == pytest.approx(3 / 4, abs=0.02)


def test_the_details_of_a_run(show, mixed):
    page = show(mixed, "together=0&fold=all")
    run = mixed.find("critic")[0]
    row(page, run).click()
    detail = texts(page, ".detail")[0]
    for criterion in CRITERIA:
        assert mean_text(getattr(run.total, criterion.key)) in detail
        assert mean_text(getattr(run.total.usage, criterion.key)) in detail
    assert "Where the energy goes" in detail
    assert "output 100%" in detail
    assert "agent critic" in detail
    assert "user ann" in detail
    row(page, mixed.find("mystery")[0]).click()
    assert "Not estimated: model-not-registered" in texts(page, ".detail")[0]
    row(page, mixed.find("cached one")[0]).click()
    assert "avoided by the cache" in texts(page, ".detail")[0]


def test_what_the_report_says_is_said(show, mixed):
    page = show(mixed)
    said = " ".join(texts(page, ".grounds"))
    text = re.sub(r"\s+", " ", str(mixed))
    for sentence in ("5 of 7 calls estimated", "model-arch-not-released", "counted locally"):
        assert sentence in text
        assert sentence in said
    assert "method flat-1" in page.locator(".grounds").text_content()


def test_what_would_help_is_shown_with_its_evidence(show, build):
    root = build.start(None, f"agent {ATTACK}", "agent")
    for step in range(3):
        build.chat(root, "gpt-4o", out=60, at=step, until=step + 1, input_tokens=4000 + 3000 * step)
    build.end(root, 3)
    report = build.report()
    advice = report.advice()
    page = show(report)
    assert texts(page, ".advice h3") == [re.sub(r"\s+", " ", item.what) for item in advice]
    assert texts(page, ".advice > li > p:not(.faint)") == [item.evidence for item in advice]
    for item, saving in zip(advice, texts(page, ".saving"), strict=True):
        mean, _, rest = item.text.removeprefix("saves ").partition(" (")
        assert saving.startswith(f"saves {mean} gCO2eq, {rest.rpartition(' ')[2]}")
    assert "By impactree-1" in page.locator("section:has(> .advice) > p").inner_text()


def test_names_are_text(show, build):
    root = build.start(name=ATTACK, metadata={"user_id": ATTACK, "lc_agent_name": ATTACK})
    build.chat(root, ATTACK, name="\u202eevil\x00", tags=[ATTACK])
    build.end(root)
    page = show(build.report(), "together=0&fold=all&by=user")
    assert names(page) == [ATTACK, "\\u202eevil\\x00"]
    assert page.locator("img").count() == 0
    assert ATTACK in page.title()
    for by in ("model", "agent", "user"):
        page.get_by_role("radio", name=by, exact=True).check()
        assert ATTACK in " ".join(texts(page, ".bars"))
    page.locator("tr[data-row]").nth(1).click()
    assert ATTACK in " ".join(texts(page, ".detail"))


def test_an_empty_report_says_what_to_do(show, build):
    page = show(build.report())
    assert "no runs yet" in page.inner_text("main")


def test_an_assumption_and_a_share_of_training_are_said(show):
    from impactree import ImpactTracker, ModelCall

    tracker = ImpactTracker(method="impactree-1", include_training=True)
    tracker.record(ModelCall(provider="openai", model="gpt-4o", input_tokens=90, output_tokens=90))
    tracker.record(ModelCall(model="meta-llama/Llama-3.1-8B-Instruct", output_tokens=90))
    report = tracker.report()
    assert report.total.training is not None
    assert f"Training. {report.total.training}" in texts(show(report), ".remarks")[0]
    page = show(report.what_if(zone="FRA"))
    assert "What if zone" in texts(page, ".top")[0]
    assert "not the calls as they were made" in texts(page, ".top")[0]


def test_each_run_and_group_has_its_share_of_training_beside_its_figures(show):
    from impactree import ImpactTracker, ModelCall

    tracker = ImpactTracker(method="impactree-1", include_training=True)
    tracker.start("top", name="top", kind="agent")
    for name, model in (("a", "gpt-4o"), ("b", "meta-llama/Llama-3.1-8B-Instruct"), ("c", "odd")):
        call = ModelCall(model=model, input_tokens=90, output_tokens=90)
        tracker.start(name, "top", name=name, kind="chat")
        tracker.end(name, call=call)
    tracker.end("top")
    report = tracker.report()
    top = report.runs[0]
    page = show(report, "together=0&fold=all&by=model")
    for run in top.walk():
        cells = texts(row(page, run), "td")
        phase = run.total.training
        assert cells[5] == ("" if phase is None else mean_text(phase.gwp))
    value = report.total.training
    (told,) = (text for text in texts(page, ".figures tr") if text.startswith("training"))
    parts, _, of = told.removeprefix("training, in no other row ").partition("; ")
    assert sorted(parts.split(", ")) == sorted(str(value).split(", "))
    assert of == "of 2 of 3 calls"
    groups = report.by("model")
    for line, group in zip(page.locator(".bars tbody tr").all(), groups.values(), strict=True):
        phase = group.total.training
        assert texts(line, "td")[2] == ("" if phase is None else mean_text(phase.gwp))
    page.get_by_role("button", name="Copy table").click()
    head, first, *_ = page.evaluate("navigator.clipboard.readText()").splitlines()
    cells = dict(zip(head.split("\t"), first.split("\t"), strict=True))
    assert float(cells["training_gwp_kgco2eq_mean"]) == pytest.approx(value.gwp.value.mean)
    assert float(cells["gwp_kgco2eq_mean"]) == pytest.approx(report.total.gwp.value.mean)


def test_without_a_share_of_training_there_is_no_column_of_it(show, mixed):
    assert "training" not in show(mixed).locator("main").text_content().lower()


# What it does


def blocks(page):
    return texts(page, ".icicle [role=treeitem]")


def test_zooming_in_and_out(show, mixed):
    page = show(mixed, "together=0")
    widest = page.locator('.icicle [role=treeitem][title^="crew"]').bounding_box()
    critic = page.locator('.icicle [role=treeitem][title^="critic"]')
    before = critic.bounding_box()
    # Output tokens under the critic, of all that are estimated: each costs the same.
    share = (150 + 30) / (100 + 150 + 2 * 30 + 70)
    assert before["width"] / widest["width"] == pytest.approx(share, abs=0.01)
    critic.click()
    after = page.locator('.icicle [role=treeitem][title^="critic"]').bounding_box()
    assert after["width"] == pytest.approx(widest["width"], abs=2)
    assert page.locator('.icicle [role=treeitem][title^="writer"]').count() == 0
    expect(page).to_have_url(re.compile("zoom="))
    assert page.locator(".detail h3").inner_text() == "critic"
    page.get_by_role("button", name="Zoom out").click()
    assert page.locator('.icicle [role=treeitem][title^="writer"]').count() == 1
    expect(page).not_to_have_url(re.compile("zoom="))


def test_the_icicle_by_keyboard(show, mixed):
    page = show(mixed, "together=0")
    page.locator(".icicle [tabindex='0']").focus()

    def here():
        return page.evaluate("document.activeElement.title")

    assert here().startswith("crew")
    page.keyboard.press("ArrowDown")
    assert here().startswith("critic")  # the dearest
    page.keyboard.press("ArrowRight")
    assert here().startswith("writer")
    page.keyboard.press("Enter")
    assert page.locator(".detail h3").inner_text() == "writer"
    page.keyboard.press("ArrowDown")
    assert here().startswith("ChatOpenAI")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("zoom="))


def test_the_icicle_by_another_criterion_and_colour(show, mixed):
    page = show(mixed)
    page.locator(".card", has_text="Water").click()
    label = page.locator(".icicle [role=treeitem]").first.get_attribute("title")
    assert str(mixed.total.wcf) in label
    page.locator(".legend select").select_option("agent")
    assert {"writer", "critic"} <= set(texts(page, ".legend .keys li"))


def test_sorting(show, mixed):
    page = show(mixed, "together=0&fold=none&turned=0")
    order = ["crew", "writer", "critic", "=sum", "cached one", "mystery"]
    assert names(page) == order
    page.get_by_role("button", name="GHG", exact=True).click()
    assert names(page) == ["crew", "critic", "writer", "=sum", "cached one", "mystery"]
    head = page.locator("th[aria-sort=descending]")
    assert head.inner_text().startswith("GHG")
    page.locator(".sort", has_text="GHG").click()
    assert names(page)[1:4] == ["mystery", "cached one", "=sum"]
    page.locator(".sort", has_text="GHG").click()
    assert names(page) == order


def test_folding(show, mixed):
    page = show(mixed, "together=0")
    assert len(names(page)) == 12
    row(page, mixed.find("writer")[0]).locator(".turn").click()
    assert len(names(page)) == 9
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert names(page) == ["crew"]
    page.get_by_role("button", name="Unfold all").click()
    assert len(names(page)) == 12


def test_like_runs_together(show, agent):
    page = show(agent)
    assert names(page).count("tools") == 2
    page.get_by_label("like runs together").check()
    assert names(page).count("tools") == 1
    assert any("tools × 2" in text for text in texts(page, "tr[data-row] .run-name"))
    total = mean_text(agent.total.gwp)
    assert page.locator("tr[data-row] td.value").first.inner_text().strip() == total


def test_searching(show, mixed):
    page = show(mixed, "together=0")
    page.get_by_label("Find runs").fill("search")
    assert names(page) == [
        "crew",
        "writer",
        "search",
        "ChatOpenAI",
        "critic",
        "search",
        "ChatOpenAI",
    ]
    assert "4 runs found" in " ".join(texts(page, ".filters"))
    total = mean_text(mixed.filter(tool="search").total.gwp)
    assert page.locator("tr[data-row] td.value").first.inner_text().strip() == total
    page.get_by_label("Find runs").fill("no such thing")
    assert "No run matches" in page.inner_text("main")


def test_filtering_by_a_group(show, mixed):
    page = show(mixed, "together=0&by=model")
    page.locator(".filter", has_text="mini").click()
    expected = mixed.filter(model="mini")
    assert page.locator("tr[data-row] td.value").first.inner_text().strip() == mean_text(
        expected.total.gwp
    )
    expect(page).to_have_url(re.compile("model=mini"))
    page.locator(".chip").click()
    expect(page).not_to_have_url(re.compile("model=mini"))
    assert len(names(page)) == 12


def test_the_table_by_keyboard(show, mixed):
    page = show(mixed, "together=0")
    page.locator("tr[data-row][tabindex='0']").focus()

    page.keyboard.press("ArrowDown")
    expect(page.locator("tr:focus bdi").first).to_have_text("writer")
    page.keyboard.press("ArrowLeft")  # folds
    expect(page.locator("tr:focus")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(page.locator("tr:focus")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowRight")
    expect(page.locator("tr:focus")).to_have_attribute("aria-level", "3")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("tr:focus")).to_have_attribute("aria-level", "2")
    page.keyboard.press("End")
    expect(page.locator("tr:focus bdi").first).to_have_text("mystery")
    page.keyboard.press("Enter")
    assert page.locator(".detail h3").inner_text() == "mystery"
    page.keyboard.press("Home")
    expect(page.locator("tr:focus bdi").first).to_have_text("crew")


def test_copying(show, mixed):
    page = show(mixed, "together=0&fold=all")
    page.get_by_role("button", name="Copy table").click()
    page.get_by_text("12 rows copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert len(copied) == 13
    table = [dict(zip(copied[0].split("\t"), line.split("\t"), strict=True)) for line in copied[1:]]
    assert float(table[0]["gwp_kgco2eq_mean"]) == pytest.approx(mixed.total.gwp.value.mean)
    assert [line["run"] for line in table][9:] == ["' =sum", "cached one", "mystery"]
    assert table[11]["gwp_kgco2eq_mean"] == ""


def test_the_timeline_by_keyboard_and_mouse(show, mixed):
    page = show(mixed)
    assert "7 calls in 3.0 s, at most 3 at once" in texts(page, ".panel:has(canvas)")[0]
    page.locator("canvas").focus()
    page.keyboard.press("End")
    assert "mystery unknown-7b" in page.inner_text(".told")
    page.keyboard.press("Home")
    assert page.inner_text(".told").startswith("ChatOpenAI gpt-4o (writer")
    page.keyboard.press("Enter")
    assert page.locator(".detail h3").inner_text() == "ChatOpenAI"
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6 / 3, box["y"] + 5)
    assert "mini" in page.inner_text(".told")


def test_the_address_shows_the_same_again(show, mixed):
    page = show(mixed)
    page.locator(".card", has_text="Energy").first.click()
    page.get_by_role("radio", name="dark").check()
    page.locator('.icicle [role=treeitem][title^="critic"]').click()
    page.get_by_role("button", name="calls", exact=True).click()
    expect(page).to_have_url(re.compile("sort=.*theme=dark"))  # once it is drawn
    fragment = page.url.partition("#")[2]
    again = show(mixed, fragment)
    assert again.locator(".detail h3").inner_text() == "critic"
    assert again.get_by_role("radio", name="dark").is_checked()
    assert again.locator(".card:has-text('Energy') input").first.is_checked()
    assert names(again) == names(page)


def test_light_and_dark(show, mixed):
    def paper(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page = show(mixed, color_scheme="dark")
    dark = paper(page)
    page.get_by_role("radio", name="light").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    light = paper(page)
    assert sum(map(int, re.findall(r"\d+", light)[:3])) > 600
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 150
    page.get_by_role("radio", name="auto").check()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "light")
    assert paper(page) == dark
    page.emulate_media(color_scheme="light")
    assert paper(page) == light


def many(build, parts):
    root = build.start(name="map_reduce", kind="graph")
    for number in range(parts):
        node = build.start(root, f"map {number}", "node")
        build.chat(node, out=1 + number)
        build.end(node)
    build.end(root)
    return build.report()


def test_a_large_table_shows_a_window_of_its_rows(show, build):
    page = show(many(build, 400), "together=0&fold=all")
    assert "801 rows" in " ".join(texts(page, ".panel-head"))
    assert page.locator("tr[data-row]").count() < 60
    page.locator("tr[data-row][tabindex='0']").focus()
    page.keyboard.press("End")
    expect(page.locator("tr:focus")).to_have_attribute("aria-rowindex", "802")
    assert page.locator("tr[data-row]").count() < 60


def test_printing(show, build):
    page = show(many(build, 100), "together=0&fold=all", color_scheme="dark")
    page.emulate_media(media="print")
    expect(page.locator("tr[data-row]")).to_have_count(201)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("button", name="Copy table").is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_folded_runs_are_said_to_be(show, build, monkeypatch):
    import impactree.report.renderers.page as rendered
    from impactree.report._outline import outline

    monkeypatch.setattr(rendered, "outline", lambda roots: outline(roots, most=100))
    report = many(build, 200)
    page = show(report)
    assert "401 runs are too many to list" in page.inner_text(".remarks")
    assert texts(page, ".card-value")[0] == mean_text(report.total.gwp)


# For everybody


def test_nothing_serious_is_in_the_way_of_anybody(show, mixed):
    page = show(mixed, "together=0", strict=False, bypass_csp=True)
    for summary in page.locator("summary").all():
        summary.click()
    for size, scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], (size, scheme)


def test_nothing_is_wider_than_a_phone(show, mixed):
    page = show(mixed, "together=0&fold=all", NARROW)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for selector in (".card-value", "tr[data-row] .run-name > bdi", "tr[data-row] td.value"):
        for one in page.locator(selector).all():
            box = one.bounding_box()
            assert box is not None
            assert box["width"] > 0
            assert box["x"] + box["width"] <= 390
