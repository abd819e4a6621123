"""An organisation's year: sums of calls by use, model and month; as CSV and as a workbook."""

from __future__ import annotations

import csv
import io
import json
import math

import openpyxl
import pytest

from impactree import ModelCall, estimate
from impactree.values.criteria import CRITERIA, ENDS

FIGURES = [(criterion, end) for criterion in CRITERIA for end in ENDS]
USES = [
    {
        "who": "Support",
        "people": 40,
        "requests_per_day": 25,
        "model": "claude-haiku-4-5",
        "provider": "anthropic",
        "input_tokens": 900,
        "output_tokens": 20,
    },
    {
        "who": "Developers",
        "people": 12,
        "requests_per_day": 60,
        "zone": "FRA",
        "model": "gpt-4o",
        "provider": "azure",
        "region": "swedencentral",
        "from_month": 3,
        "months": 2,
        "input_tokens": 12_000,
        "cached_input_tokens": 9_000,
        "output_tokens": 700,
    },
    {
        "who": '=HYPERLINK("http://evil.example")',
        "people": 1,
        "requests_per_day": 1,
        "model": "gpt-4o",
        "provider": "openai",
        "output_tokens": 100,
    },
]
REQUESTS = [40 * 25 * 365, 12 * 60 * (31 + 30), 365]
"""March has 31 days, April 30."""


def figure(impacts, criterion, end):
    return impacts[criterion.key]["value"][end]


def one(use, method, at=None):
    names = ("model", "provider", "region", "zone")
    names += ("input_tokens", "cached_input_tokens", "output_tokens")
    return estimate(ModelCall(**{name: use.get(name) for name in names}), method=method, at=at)


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_a_year_is_the_sum_of_its_calls(ask, method):
    found = ask.post("/v1/organisation", json={"uses": USES, "method": method}).json()
    assert [row["requests"] for row in found["uses"]] == REQUESTS
    alone = [one(use, method) for use in USES]
    for criterion, end in FIGURES:
        parts = [
            getattr(getattr(impacts, criterion.key).value, end) * requests
            for impacts, requests in zip(alone, REQUESTS, strict=True)
        ]
        for row, part in zip(found["uses"], parts, strict=True):
            assert figure(row["impacts"], criterion, end) == pytest.approx(part, rel=1e-12)
        total = pytest.approx(math.fsum(parts), rel=1e-12)
        assert figure(found["total"], criterion, end) == total
        for grouped in ("by_model", "by_month"):
            values = [figure(row["impacts"], criterion, end) for row in found[grouped]]
            assert math.fsum(values) == total
    assert [row["model"] for row in found["by_model"]] == ["claude-haiku-4-5", "gpt-4o"]
    assert [row["month"] for row in found["by_month"]] == [*range(1, 13)]
    months = [row["impacts"]["gwp"]["value"]["mean"] for row in found["by_month"]]
    extra = alone[1].gwp.value.mean * 12 * 60 * 31
    assert months[2] - months[4] == pytest.approx(extra, rel=1e-9)


def test_summed_tokens_would_be_far_off(ask):
    """The trap: the year's tokens as one call are 27 % less greenhouse gases, 65 % less metals."""
    found = ask.post("/v1/organisation", json={"uses": USES[:1]}).json()["total"]
    tokens = USES[0]["output_tokens"] * REQUESTS[0]
    call = ModelCall(model="claude-haiku-4-5", provider="anthropic", output_tokens=tokens)
    wrong = estimate(call)
    for key, apart in (("gwp", 0.27), ("adpe", 0.65)):
        mean = found[key]["value"]["mean"]
        assert 1 - getattr(wrong, key).value.mean / mean == pytest.approx(apart, abs=0.01)


def test_hypotheses_sources_and_credits_come_with_it(ask):
    found = ask.post("/v1/organisation", json={"uses": USES}).json()
    assert {source for row in found["hypotheses"] for source in row["sources"]}
    assert any("CC BY" in credit for credit in found["credits"])
    assert found["equivalents"]


def test_csv_comes_back_as_it_was(ask):
    written = ask.post("/v1/organisation/csv", json={"uses": USES})
    assert written.headers["content-type"].startswith("text/csv")
    rows = [*csv.DictReader(io.StringIO(written.text))]
    year = ask.post("/v1/organisation", json={"uses": USES}).json()
    for row, use in zip(rows, year["uses"], strict=True):
        for criterion, end in FIGURES:
            cell = row[f"{criterion.column}_{end}"]
            assert float(cell) == figure(use["impacts"], criterion, end)
    assert rows[2]["who"].startswith("' =")  # no formula
    assert "F_gwp, electricity = 0.04" in rows[1]["hypotheses"]  # France's, of its own zone
    assert "https://" in rows[1]["hypotheses"]
    assert ["zone USA" in row["hypotheses"] for row in rows[1:]] == [False, True]
    assert "Our World in Data" in rows[1]["credits"]
    assert rows[1]["method"] == "ecologits-0.11"
    read = ask.post("/v1/organisation/read", json={"csv": written.text}).json()
    again = ask.post("/v1/organisation", json=read).json()
    assert again["total"] == year["total"]


def test_a_workbook_holds_the_same(ask):
    written = ask.post("/v1/organisation/xlsx", json={"uses": USES})
    book = openpyxl.load_workbook(io.BytesIO(written.content))
    assert book.sheetnames == ["Uses", "Total", "By model", "By month", "Hypotheses", "About"]
    year = ask.post("/v1/organisation", json={"uses": USES}).json()
    names, *rows = book["Uses"].iter_rows(values_only=True)
    for row, use in zip(rows, year["uses"], strict=True):
        cells = dict(zip(names, row, strict=True))
        assert cells["who"] == use["who"]
        for criterion, end in FIGURES:
            expected = pytest.approx(figure(use["impacts"], criterion, end), rel=1e-12)
            assert cells[f"{criterion.column}_{end}"] == expected
    assert book["Uses"]["A4"].data_type == "s"  # text, no formula
    assert book["Hypotheses"].max_row > 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("who,people\nx,3\n", "column model is missing"),
        ("model,peple\nx,3\n", "unknown column 'peple'"),
        ("model,people\ngpt-4o,many\n", "line 2: people must be a number, not 'many'"),
        ("model,people\ngpt-4o,nan\n", "line 2: people must be a number"),
        ("model,months\ngpt-4o,1.5\n", "line 2: months must be a whole number"),
        ("who,model\nx,\n", "line 2: model is missing"),
        ("model,people,Model\na,1,b\n", "line 1: the column model stands twice"),
        ("model,people\ngpt-4o,1,5\n", "line 2: more cells than columns"),  # 1,5 is one number
        ("", "column model is missing"),
    ],
)
def test_csv_that_is_wrong_says_where(ask, text, said):
    found = ask.post("/v1/organisation/read", json={"csv": text})
    assert found.status_code == 409
    assert said in found.json()["detail"]
    assert found.json()["errors"][0]["field"] == "csv"


def test_csv_of_a_spreadsheet_is_read(ask):
    text = "\ufeffWho;People;Model;Output_tokens\r\nSupport;1 200;gpt-4o;20\r\n"
    found = ask.post("/v1/organisation/read", json={"csv": text}).json()
    assert found["uses"] == [
        {"who": "Support", "people": 1200.0, "model": "gpt-4o", "output_tokens": 20}
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_is_read_whatever_ends_its_lines(ask, end):
    text = end.join(["model,who", "gpt-4o,ada", "gpt-4o,bob", ""])
    found = ask.post("/v1/organisation/read", json={"csv": text}).json()
    assert [use["who"] for use in found["uses"]] == ["ada", "bob"]


def test_the_day_of_the_calls_counts(ask):
    """France's grid of 2020 was another than today's."""
    body = {"uses": [USES[1]], "method": "impactree-1"}
    then = ask.post("/v1/organisation", json={**body, "at": "2020-06-01"}).json()
    ours = one(USES[1], "impactree-1", at="2020-06-01")
    assert then["uses"][0]["per_request"] == json.loads(json.dumps(ours.to_dict()))
    assert then["total"] != ask.post("/v1/organisation", json=body).json()["total"]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"from_month": 3, "months": 11}, "uses.1.months", "at most 10"),
        ({"from_month": 12, "months": 12}, "uses.1.months", "at most 1,"),
        ({"months": 13}, "uses.1.months", "less than or equal to 12"),
    ],
)
def test_a_year_ends_in_december(ask, changes, field, said):
    for form in ("", "/csv", "/xlsx"):
        body = {"uses": [USES[0], {**USES[2], **changes}]}
        found = ask.post(f"/v1/organisation{form}", json=body)
        assert found.status_code in (409, 422)
        assert found.json()["errors"][0]["field"] == field
        assert said in found.json()["errors"][0]["message"]
        assert found.json()["detail"].startswith(field)


def test_months_that_are_not_said_are_those_up_to_december(ask):
    """November and December: 30 + 31 days, 1 request each."""
    found = ask.post("/v1/organisation", json={"uses": [{**USES[2], "from_month": 11}]}).json()
    assert found["uses"][0]["requests"] == 61
    assert found["uses"][0]["months"] == 2
    months = [figure(one["impacts"], CRITERIA[0], "mean") for one in found["by_month"]]
    assert months[:10] == [0] * 10
    assert sum(months) == pytest.approx(figure(found["total"], CRITERIA[0], "mean"), rel=1e-12)
