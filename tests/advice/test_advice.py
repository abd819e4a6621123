"""Advice: a run with each fault, one without, one at the threshold; what is claimed is saved.

What is claimed is compared with the same chain run again on the local server, with the change.
"""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from impactree import ImpactHandler, ImpactTracker, ModelCall, Range, Report, estimate
from impactree.advice import LEAST_SHARE
from impactree.cli import cli
from impactree.langchain import track_embeddings
from impactree.report import schema
from wire.fixtures import wire_server
from wire.model import Answer, ToolCall, Usage

__all__ = ["wire_server"]

BY = "impactree-1"


@pytest.fixture
def openai(wire_server, monkeypatch):
    """The local server, which clients take for OpenAI."""
    monkeypatch.setenv("OPENAI_BASE_URL", wire_server.base("openai"))
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)
    return wire_server


def model(name="gpt-4o", **more):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=name, max_retries=0, **more)


def cost(report, **settings):
    """What the calls cost by hand: without measured times, each alone. Low, mean and high."""
    found = Range(0, 0)
    for run in report.find(lambda run: run.call is not None and not run.cached):
        own = estimate(
            ModelCall(**{**run.call.to_dict(), "latency_s": None}), method=BY, **settings
        )
        if own.gwp is not None:
            found += own.gwp.value
    return found


def only(report, kind):
    """The one suggestion of a kind; None: there is none."""
    found = [item for item in report.advice() if item.kind == kind]
    assert len(found) <= 1
    return found[0] if found else None


def check_saved(item, before, after, *, same_model=True):
    """Whether the claim is the difference that the change makes."""
    one, other = cost(before), cost(after)
    assert item.saving.mean == pytest.approx(one.mean - other.mean, rel=1e-9)
    assert item.share == pytest.approx((one.mean - other.mean) / one.mean, rel=1e-9)
    if same_model:  # low end with low end: the same unknowns
        assert item.saving.min == pytest.approx(one.min - other.min, rel=1e-9)
        assert item.saving.max == pytest.approx(one.max - other.max, rel=1e-9)
    assert 0 < item.saving.min <= item.saving.mean <= item.saving.max <= one.max


# Context sent again


def agent_run(server, *usages):
    """An agent that looks twice, with what the server counts for its three steps."""
    from langchain.agents import create_agent

    @tool
    def look(at: str) -> str:
        """Look."""
        return f"It is {at}."

    steps = [ToolCall("look", {"at": place}) for place in ("here", "there")]
    for number, usage in enumerate(usages):
        asked = (steps[number],) if number < len(usages) - 1 else ()
        server.script(Answer(text="" if asked else "Done.", tool_calls=asked, usage=usage))
    handler = ImpactHandler()
    agent = create_agent(model("gpt-4o-mini"), [look], name="looker")
    agent.invoke({"messages": [("user", "Look.")]}, {"callbacks": [handler]})
    report = handler.report()
    assert report.calls == len(usages)
    return report


def test_context_sent_again(openai):
    steps = [(4000, 30), (9000, 20), (9600, 500)]
    before = agent_run(openai, *(Usage(input=i, output=o) for i, o in steps))
    item = only(before, "context")
    # A cache holds blocks of 128: 31 of the first call's tokens, 70 of the second's.
    cached = [0, 31 * 128, 70 * 128]
    usages = [
        Usage(input=i, output=o, cached_input=c) for (i, o), c in zip(steps, cached, strict=True)
    ]
    check_saved(item, before, agent_run(openai, *usages))
    assert "looker" in item.what
    assert "2 calls of 3" in item.evidence
    assert "12,928 of 18,600 input tokens, of which none came from a cache" in item.evidence
    assert [run.call.input_tokens for run in item.runs] == [9000, 9600]


def test_context_that_a_cache_serves_already(openai):
    steps = [(4000, 30, 0), (9000, 20, 3968), (9600, 500, 8960)]
    usages = [Usage(input=i, output=o, cached_input=c) for i, o, c in steps]
    assert only(agent_run(openai, *usages), "context") is None


@pytest.mark.parametrize(("first", "found"), [(1024, True), (1023, False)])
def test_context_at_the_least_that_is_cached(openai, first, found):
    before = agent_run(openai, Usage(input=first, output=5), Usage(input=1100, output=5))
    assert (only(before, "context") is not None) == found


def test_calls_that_do_not_go_on_are_no_context(bench):
    """Each with another document, by turns longer and shorter; or at the same time."""
    made = bench()
    root = made.start()
    for read in (5000, 3000, 5000, 4000):
        made.chat(root, "gpt-4o", read, 300)
    made.end(root)
    assert only(made.report(), "context") is None
    together = bench()
    root = together.start()
    open_ones = [together.start(root, "ChatModel", "chat") for _ in range(4)]
    for number, run in enumerate(open_ones):
        call = ModelCall(model="gpt-4o", input_tokens=3000 + 999 * number, output_tokens=300)
        together.tracker.end(run, call=call)
    together.end(root)
    assert only(together.report(), "context") is None


@pytest.mark.parametrize(("calls", "found"), [(4, True), (3, False)])
def test_in_a_chain_it_takes_three_steps_to_believe_it(bench, calls, found):
    made = bench()
    root = made.start(name="chain", kind="chain")
    for number in range(calls):
        made.chat(root, "gpt-4o", 3000 + 400 * number, 300)
    made.end(root)
    assert (only(made.report(), "context") is not None) == found


def test_a_conversation_goes_on_from_run_to_run(bench):
    made = bench()
    for turn in range(3):
        root = made.start(kind="graph", labels={"thread": "t1"})
        made.chat(root, "gpt-4o", 3000 + 500 * turn, 300)
        made.end(root)
    assert len(only(made.report(), "context").runs) == 2
    strangers = bench()
    for turn in range(3):
        root = strangers.start(kind="graph", labels={"thread": f"t{turn}"})
        strangers.chat(root, "gpt-4o", 3000 + 500 * turn, 300)
        strangers.end(root)
    assert only(strangers.report(), "context") is None


# Smaller siblings


def answers(server, name, *written, read=3000):
    handler = ImpactHandler()
    for tokens in written:
        server.script(Answer(text="Yes.", usage=Usage(input=read, output=tokens), model=name))
        model(name).with_config(run_name="judge").invoke("Is it?", {"callbacks": [handler]})
    return handler.report()


def test_a_short_answer_of_a_large_model(openai):
    before = answers(openai, "gpt-4o", 20, 45)
    item = only(before, "smaller-model")
    check_saved(item, before, answers(openai, "gpt-4o-mini", 20, 45), same_model=False)
    assert item.what == "Try gpt-4o-mini for judge in place of gpt-4o"
    assert "2 answers of 20 to 45 tokens" in item.evidence
    # The middle of 8 to 28 10^9, and 440 10^9: as in data/models/openai.toml.
    assert "about 18 billion parameters, gpt-4o about 440 billion" in item.evidence


def test_the_range_is_that_of_a_comparison(openai):
    before = answers(openai, "gpt-4o", 20)
    item = only(before, "smaller-model")
    row = before.compare(["gpt-4o-mini"], method=BY)["model gpt-4o-mini"]
    assert (item.saving.min, item.saving.max) == pytest.approx(
        (-row.change.max, -row.change.min), rel=0.02
    )


@pytest.mark.parametrize(("longest", "found"), [(200, True), (201, False)])
def test_an_answer_at_the_length_that_is_short(openai, longest, found):
    report = answers(openai, "gpt-4o", 20, longest)
    assert (only(report, "smaller-model") is not None) == found


def test_the_smallest_has_no_smaller_sibling(openai):
    assert only(answers(openai, "gpt-5-nano", 20), "smaller-model") is None


SIBLINGS = [
    # by their makers' own families
    ("openai", "gpt-4o-2024-08-06", "gpt-4o-mini"),
    ("openai", "gpt-5", "gpt-5-nano"),  # of gpt-5-mini the sizes leave it open
    ("anthropic", "claude-sonnet-4-5", "claude-haiku-4-5"),
    ("aws-bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-haiku-4-5"),
    ("mistralai", "mistral-large-latest", "mistral-small"),
    ("google_genai", "gemini-2.5-pro", "gemini-2.5-flash"),
    ("together", "Qwen/Qwen3-235B-A22B", "Qwen/Qwen3-30B-A3B"),
]


@pytest.mark.parametrize(("provider", "large", "small"), SIBLINGS, ids=str)
def test_a_sibling_is_the_one_that_people_would_name(bench, provider, large, small):
    made = bench()
    made.chat(None, large, 3000, 50, provider=provider)
    item = only(made.report(), "smaller-model")
    assert item is not None
    assert item.what.split(" for ")[0] == f"Try {small}"


@pytest.mark.parametrize("name", ["gpt-4.1", "o3", "gemini-3-pro-preview", "deepseek-chat"])
def test_no_sibling_where_sizes_leave_it_open_or_it_is_of_another_kind(bench, name):
    made = bench()
    made.chat(None, name, 3000, 50)
    assert only(made.report(), "smaller-model") is None


@pytest.mark.parametrize("name", ["zai-org/GLM-5.3-BF16", "meta-llama/Llama-3.3-70B-Instruct"])
@pytest.mark.parametrize("provider", ["sglang", "vllm", "ollama", "litellm", "nobody", None])
@pytest.mark.parametrize("base_url", ["http://10.0.0.1:8000/v1", None])
def test_a_report_is_printed_wherever_a_model_runs(bench, name, provider, base_url):
    """A sibling may be known to its maker's host alone: then there is none here."""
    made = bench()
    made.chat(None, name, 3000, 50, provider=provider, base_url=base_url)
    report = made.report()
    assert "1 of 1 call estimated" in str(report)
    for item in report.advice():
        assert item.kind == "smaller-model"


# Regions


def in_region(bench, region, **more):
    made = bench()
    call = {"provider": "aws-bedrock", "region": region, **more}
    made.chat(None, "anthropic.claude-haiku-4-5-20251001-v1:0", 3000, 400, **call)
    return made.report()


def test_a_region_on_lower_carbon_electricity(bench):
    before = in_region(bench, "us-east-1")
    item = only(before, "region")
    best = item.what.removeprefix("Move calls from us-east-1 to ")
    after = in_region(bench, best)
    one, other = cost(before), cost(after)
    assert item.saving.mean == pytest.approx(one.mean - other.mean, rel=1e-9)
    # Every PUE of the one place with every one of the other: within low by low and high by high.
    assert item.saving.min <= one.min - other.min
    assert item.saving.max >= one.max - other.max
    assert "1 call ran in us-east-1" in item.evidence
    # By hand: no region of that cloud has less.
    catalog = before.engine.catalog
    for region in (r.id for r in catalog.regions.values() if r.cloud == "aws"):
        assert cost(in_region(bench, region)).mean >= other.mean * (1 - 1e-9)
    assert only(after, "region") is None


def test_a_region_that_its_client_is_moved_to(wire_server):
    """The same call by AWS's own client, on the local server, which stands in for Bedrock."""
    from langchain_aws import ChatBedrockConverse

    name = "anthropic.claude-haiku-4-5-20251001-v1:0"
    settings = {"deployments": {name: f"aws-bedrock/{name}"}}

    def asked(region):
        wire_server.script(Answer(text="Yes.", usage=Usage(input=3000, output=400)))
        bedrock = ChatBedrockConverse(
            model=name,
            region_name=region,
            endpoint_url=wire_server.base("bedrock"),
            aws_access_key_id="scripted",
            aws_secret_access_key="scripted",
        )
        handler = ImpactHandler(**settings)
        bedrock.invoke("Is it?", {"callbacks": [handler]})
        return handler.report()

    before = asked("us-east-1")
    item = only(before, "region")
    after = asked(item.what.removeprefix("Move calls from us-east-1 to "))
    one, other = cost(before, **settings), cost(after, **settings)
    assert item.saving.mean == pytest.approx(one.mean - other.mean, rel=1e-9)
    assert item.saving.min <= one.min - other.min <= one.max - other.max <= item.saving.max
    assert only(after, "region") is None


def test_where_the_place_is_not_known_or_was_set_nobody_is_sent_away(bench):
    assert only(in_region(bench, None), "region") is None
    assert only(in_region(bench, "us-east-1", zone="FRA"), "region") is None
    made = bench()
    made.chat(None, "gpt-4o", 3000, 400, provider="openai")
    assert only(made.report(), "region") is None


def test_a_region_that_is_hardly_better(bench):
    """The second best one is offered where it is lower by 1%, as anything."""
    catalog = in_region(bench, "us-east-1").engine.catalog
    here = [r.id for r in catalog.regions.values() if r.cloud == "aws"]
    costs = {region: cost(in_region(bench, region)).mean for region in here}
    least = min(costs.values())
    for region, mean in costs.items():
        item = only(in_region(bench, region), "region")
        assert (item is not None) <= ((mean - least) / mean >= LEAST_SHARE)
        if (mean - least) / mean > 0.5:
            assert item is not None


# Failures


def retried(server, *answers):
    """A chain that asks, and asks again when the answer does not parse."""
    handler, tries = ImpactHandler(), iter(range(len(answers)))
    server.script(*(Answer(text="{}", usage=Usage(input=i, output=o)) for i, o in answers))

    def parse(message):
        if next(tries) < len(answers) - 1:
            raise ValueError("no JSON")
        return message.text

    chain = model("gpt-4o-mini") | RunnableLambda(parse)
    chain = chain.with_retry(wait_exponential_jitter=False, stop_after_attempt=len(answers))
    chain.invoke("Is it?", {"callbacks": [handler]})
    return handler.report()


def test_attempts_that_came_to_nothing(openai):
    before = retried(openai, (3000, 400), (3000, 500), (3000, 450))
    item = only(before, "failures")
    check_saved(item, before, retried(openai, (3000, 450)))
    assert "2 calls of 3 failed" in item.evidence
    assert "6,000 tokens read and 900 written for nothing" in item.evidence
    # The same questions again are these retries: no advice of their own.
    assert only(before, "repeats") is None


def test_an_attempt_for_which_another_model_stood_in(bench):
    """A chain of fallbacks: the first one failed after its model had answered."""
    made = bench()
    around = made.start(None, "RunnableWithFallbacks", "chain")
    first = made.start(around, "strict", "chain")
    lost = made.chat(first, "gpt-4o", 3000, 300)
    made.end(first, status="error")
    made.chat(around, "gpt-4o-mini", 3000, 300)
    made.end(around)
    assert [run.id for run in only(made.report(), "failures").runs] == [lost]


def test_a_run_without_failures(openai):
    assert only(retried(openai, (3000, 450)), "failures") is None


@pytest.mark.parametrize(("tokens", "found"), [(1000, True), (10, False)])
def test_a_failure_that_cost_something(bench, tokens, found):
    made = bench()
    root = made.start()
    made.chat(root, "gpt-4o", tokens, 0, status="error")
    made.chat(root, "gpt-4o", 3000, 1500)
    made.end(root)
    assert (only(made.report(), "failures") is not None) == found


def test_the_last_attempt_is_not_thrown_away_though_its_chain_failed(bench):
    """Whatever it was for failed with it; that it was not needed, nothing shows."""
    made = bench()
    root = made.start()
    made.chat(root, "gpt-4o", 3000, 300)
    made.end(root, status="error")
    assert only(made.report(), "failures") is None


# Reasoning


def thinking(server, *usages):
    handler = ImpactHandler()
    for output, reasoning in usages:
        usage = Usage(input=500, output=output, reasoning=reasoning)
        server.script(Answer(text="Yes.", usage=usage, model="o4-mini"))
        model("o4-mini").invoke("Is it?", {"callbacks": [handler]})
    return handler.report()


def test_reasoning_that_dominates(openai):
    before = thinking(openai, (2000, 1800), (900, 601))
    item = only(before, "reasoning")
    check_saved(item, before, thinking(openai, (1100, 900), (600, 301)))
    assert "2,401 of the 2,900 tokens that 2 calls wrote (83%) were reasoning" in item.evidence


def test_a_model_that_says_what_it_thinks(openai):
    assert only(thinking(openai, (2000, 0)), "reasoning") is None


@pytest.mark.parametrize(("reasoning", "found"), [(1000, True), (999, False)])
def test_reasoning_that_is_half_of_it(openai, reasoning, found):
    assert (only(thinking(openai, (2000, reasoning)), "reasoning") is not None) == found


# Documents


class Shelf(BaseRetriever):
    """Finds so many documents of 360 letters: of 100 tokens by length."""

    number: int

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document(page_content="x" * 360) for _ in range(self.number)]


def rag(server, documents, read, wrote=40):
    handler = ImpactHandler()
    server.script(Answer(text="So.", usage=Usage(input=read, output=wrote)))
    shelf = Shelf(number=documents)
    fill = RunnableLambda(lambda found: "\n".join(d.page_content for d in found))
    chain = (shelf | fill | model("gpt-4o-mini")).with_config(run_name="rag")
    chain.invoke("Is it?", {"callbacks": [handler]})
    return handler.report()


def test_documents_that_outweigh_the_answer(openai):
    before = rag(openai, 80, 8100)
    item = only(before, "documents")
    check_saved(item, before, rag(openai, 40, 4100))
    assert "80 documents of about 8,000 tokens for 1 answer of 40 tokens" in item.evidence
    (shelf,) = before.find(kind="retriever")
    assert shelf.metadata == {"documents": 80, "document_tokens": 8000}


def test_an_answer_that_outweighs_its_documents(openai):
    assert only(rag(openai, 4, 500, wrote=900), "documents") is None


def test_documents_of_which_a_reranker_dropped_most(openai):
    """More than the model has read by a quarter, which their count may be off: nothing shows."""
    assert only(rag(openai, 80, 6399), "documents") is None
    item = only(before := rag(openai, 80, 6400), "documents")
    check_saved(item, before, rag(openai, 40, 3200))


def test_documents_at_half_of_the_cost(bench):
    """By hand: the least number of tokens of which reading costs as much as all the rest."""

    def mean(read):
        return estimate(
            ModelCall(model="gpt-4o-mini", input_tokens=read, output_tokens=40), method=BY
        ).gwp.value.mean

    def found(tokens):
        made = bench()
        root = made.start(kind="chain")
        made.end(
            made.start(
                root, "shelf", "retriever", metadata={"documents": 9, "document_tokens": tokens}
            )
        )
        made.chat(root, "gpt-4o-mini", 9000, 40)
        made.end(root)
        return only(made.report(), "documents") is not None

    least = next(n for n in range(1, 9000) if mean(9000) - mean(9000 - n) >= mean(9000) / 2)
    assert 1000 < least < 8999
    assert found(least)
    assert not found(least - 1)


def test_what_is_retrieved_is_counted_in_llama_index_too(monkeypatch):
    from llama_index.core import Document as Node
    from llama_index.core import MockEmbedding, Settings, SummaryIndex
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.llms import MockLLM

    from impactree.llama_index import ImpactHandler as LlamaHandler

    texts = [Node(text="x" * 360) for _ in range(3)]
    with LlamaHandler().instrument() as handler:
        index = SummaryIndex.from_documents(texts, embed_model=MockEmbedding(embed_dim=2))
        index.as_query_engine(llm=MockLLM()).query("Is it?")
    told = LlamaHandler()
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([told]))
    index = SummaryIndex.from_documents(texts)
    index.as_query_engine(llm=MockLLM(callback_manager=CallbackManager([told]))).query("Is it?")
    for one in (handler, told):
        found = one.report().find(kind="retriever")
        assert {"documents": 3, "document_tokens": 300} in [dict(run.metadata) for run in found]


# The same again


def asked(server, *questions):
    handler = ImpactHandler()
    for question in questions:
        server.script(Answer(text="Yes.", usage=Usage(input=3000, output=400)))
        model("gpt-4o-mini").invoke(question, {"callbacks": [handler]})
    return handler.report()


def test_the_same_call_made_again(openai):
    before = asked(openai, "Is it?", "Is it so?", "Is it?")
    item = only(before, "repeats")
    check_saved(item, before, asked(openai, "Is it?", "Is it so?"))
    assert "1 chat call of 3 sent what the same process had sent before" in item.evidence
    assert only(asked(openai, "Is it?", "Is it so?"), "repeats") is None


def embedded(*batches):
    handler = ImpactHandler()
    embeddings = track_embeddings(DeterministicFakeEmbedding(size=2), handler)
    for batch in batches:
        embeddings.embed_documents([letter * 3600 for letter in batch])
    return handler.report()


def test_the_same_embedding_made_again():
    before = embedded("abc", "abd")
    item = only(before, "repeats")
    check_saved(item, before, embedded("abc", "d"))
    assert "cache of embeddings" in item.how
    assert only(embedded("abc", "d"), "repeats") is None


def test_a_saving_of_one_percent(bench):
    """By hand: the least number of repeated tokens that are 1% of the whole."""

    def mean(read):
        call = {"model": "text-embedding-3-large", "kind": "embedding", "provider": "openai"}
        return estimate(ModelCall(input_tokens=read, **call), method=BY).gwp.value.mean

    def found(repeated):
        made = bench()
        embedding = {"kind": "embedding", "provider": "openai"}
        made.chat(None, "text-embedding-3-large", 9000, None, repeated=repeated, **embedding)
        made.chat(None, "text-embedding-3-large", 3000, None, **embedding)
        return only(made.report(), "repeats") is not None

    whole = mean(9000) + mean(3000)
    least = next(n for n in range(1, 9000) if mean(9000) - mean(9000 - n) >= LEAST_SHARE * whole)
    assert 1 < least < 500
    assert found(least)
    assert not found(least - 1)


# All of it


def everything(bench, **how):
    """A run with several faults."""
    made = bench(**how)
    root = made.start(name="<b>team</b>", kind="agent", labels={"agent": "team\x1b[31m"})
    for step in range(3):
        made.chat(root, "gpt-4o", 4000 + 3000 * step, 60, provider="openai", latency_s=2.0)
    made.chat(root, "gpt-4o", 9000, 60, provider="openai", status="error")
    made.chat(root, "o4-mini", 800, 5000, provider="openai", reasoning_tokens=4500)
    made.end(root)
    return made.report()


@pytest.mark.parametrize("method", ["ecologits-0.11", BY])
def test_it_is_computed_by_the_method_in_which_input_counts(bench, method):
    report = everything(bench, method=method)
    advice = report.advice()
    assert advice.method == BY
    assert {item.kind for item in advice} >= {"context", "smaller-model", "failures", "reasoning"}
    assert [i.saving.mean for i in advice] == sorted((i.saving.mean for i in advice), reverse=True)
    assert advice.total.mean == pytest.approx(cost(report).mean)
    assert ("ecologits-0.11" in str(advice)) == (method != BY)
    assert advice.to_dict()["total_gwp_kgco2eq"] == advice.total.to_dict()
    other = everything(bench, method=BY).advice()
    assert [i.saving for i in advice] == [i.saving for i in other]


def test_it_reads_the_same_from_a_file(bench, tmp_path):
    report = everything(bench)
    path = tmp_path / "run.json"
    report.to_json(path)
    assert Report.from_json(path).advice().to_dict() == report.advice().to_dict()
    told = CliRunner().invoke(cli, ["advise", str(path), "--json"])
    assert told.exit_code == 0
    assert json.loads(told.output) == json.loads(json.dumps(report.advice().to_dict()))
    plain = CliRunner().invoke(cli, ["advise", str(path)])
    assert "Savings overlap" in plain.output
    assert CliRunner().invoke(cli, ["advise", "-"], input=path.read_text()).output == plain.output
    missing = CliRunner().invoke(cli, ["advise", str(tmp_path / "none.json")])
    assert missing.exit_code == 2
    assert "none.json" in missing.output


def test_energy_that_is_known_is_no_estimate(bench):
    """Fewer tokens change nothing of it; another model or place does, or no call at all."""
    made = bench()
    root = made.start()
    known = {"provider": "openai", "energy_kwh": 2e-3, "energy_boundary": "facility"}
    for step in range(3):
        made.chat(root, "gpt-4o", 4000 + 3000 * step, 60, **known)
    made.chat(root, "gpt-4o", 9000, 60, status="error", **known)
    made.end(root)
    report = made.report()
    found = {item.kind: item for item in report.advice()}
    assert "context" not in found
    assert report.advice().total.mean == pytest.approx(cost(report).mean)
    failed = report.find(status="error", kind="chat")
    assert found["failures"].saving.mean == pytest.approx(cost(Report(failed)).mean)
    compared = report.compare([{"model": "gpt-4o-mini"}], method=BY)
    one, other = (compared[name].total.gwp.value for name in ("as it is", "model gpt-4o-mini"))
    assert compared["model gpt-4o-mini"].change.mean == pytest.approx(other.mean - one.mean)
    there = report.compare([{"zone": "FRA"}], method=BY)
    one, other = (there[name].total.gwp.value for name in ("as it is", "zone FRA"))
    assert there["zone FRA"].change.mean == pytest.approx(other.mean - one.mean)
    assert there["zone FRA"].change.verdict == "lower"


def test_a_prompt_that_was_written_to_the_cache_is_read_from_it(bench):
    made = bench()
    root = made.start()
    for step in range(3):
        read = 4000 + 3000 * step
        made.chat(
            root, "claude-sonnet-4-5", read, 60, cached_input_tokens=0, cache_write_tokens=read
        )
    made.end(root)
    assert len(only(made.report(), "context").runs) == 2


def test_text_of_others_stays_text(bench):
    advice = everything(bench).advice()
    for text in (str(advice), advice.to_markdown(), advice._repr_html_()):
        assert "\x1b" not in text
    assert "<b>team" not in advice.to_markdown()
    assert advice._repr_html_().count("<li>") == len(advice) == len(advice.items)
    for width in (60, 80, 120):
        assert all(len(line) <= width for line in advice.to_text(width).splitlines())


def test_it_stands_in_every_form_of_a_report(bench):
    report = everything(bench)
    first = report.advice()[0]
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        assert "advice" in text
        assert first.text in " ".join(text.split())
        assert "report.advice()" in text
    data = json.loads(report.to_json())
    Draft202012Validator(schema("report")).validate(data)
    assert data["advice"] == json.loads(json.dumps(report.advice().to_dict()))
    assert data["advice"]["items"][0]["text"] == first.text
    assert data["advice"] == json.loads(json.dumps(report.to_dict()["advice"]))
    none = bench()
    none.chat(None, "gpt-5-nano", 100, 300, provider="openai")
    assert "report.advice()" not in str(none.report())
    data = none.report().to_dict()
    Draft202012Validator(schema("report")).validate(data)
    assert data["advice"]["items"] == []
    assert "nothing that these calls show" in data["advice"]["about"]


def test_of_very_many_calls_only_who_asks_gets_it(bench, monkeypatch):
    monkeypatch.setattr("impactree.report._brief._MOST", 4)
    report = everything(bench)
    assert "of 5 calls only when it is asked for: report.advice()" in str(report)
    data = json.loads(report.to_json())
    Draft202012Validator(schema("report")).validate(data)
    assert data["advice"] is None
    assert len(report.advice())


def test_nothing_to_advise(bench):
    empty = Report([]).advice()
    assert "no call could be estimated" in str(empty)
    made = bench()
    made.chat(None, "gpt-5-nano", 100, 300, provider="openai")
    advice = made.report().advice()
    assert len(advice) == 0
    assert "nothing that these calls show" in str(advice)
    assert "nothing that these calls show" in advice.to_markdown()
    unknown = bench()
    unknown.chat(None, "gpt-4o", None, None, provider="openai")
    assert "no call could be estimated" in str(unknown.report().advice())


def test_what_a_cache_answered_costs_nothing_and_is_no_fault(bench):
    made = bench()
    for _ in range(3):
        run = made.start(None, "ChatModel", "chat")
        call = ModelCall(model="gpt-4o", input_tokens=9000, output_tokens=10, provider="openai")
        made.tracker.end(run, call=call, cached=True)
    assert len(made.report().advice()) == 0


CALLS = st.lists(
    st.builds(
        dict,
        model=st.sampled_from(["gpt-4o", "gpt-5", "o4-mini", "claude-sonnet-4-5", "nobody-knows"]),
        read=st.none() | st.integers(0, 50_000),
        wrote=st.none() | st.integers(0, 3000),
        status=st.sampled_from(["ok", "ok", "error", "cancelled"]),
        region=st.sampled_from([None, "us-east-1"]),
        provider=st.sampled_from(["openai", "aws-bedrock", None]),
    ),
    max_size=8,
)


@given(CALLS, st.sampled_from(["agent", "chain", "graph", "tool"]))
@settings(max_examples=60, deadline=None)
def test_no_saving_is_more_than_what_its_calls_cost(calls, kind):
    tracker = ImpactTracker()
    tracker.start("r", name="r", kind=kind)
    for number, fields in enumerate(calls):
        tracker.start(number, "r", name="Chat", kind="chat")
        counts = {"input_tokens": fields.pop("read"), "output_tokens": fields.pop("wrote")}
        status = fields.pop("status")
        tracker.end(number, call=ModelCall(**fields, **counts), status=status)
    tracker.end("r")
    report = tracker.report()
    for item in report.advice():
        mine = cost(Report(item.runs))
        assert 0 < item.saving.min <= item.saving.mean <= item.saving.max
        assert item.saving.max <= mine.max * (1 + 1e-9)
        assert item.saving.mean <= mine.mean * (1 + 1e-9)
        assert LEAST_SHARE <= item.share <= 1 + 1e-9
        assert item.runs
