"""Calls that run on this machine carry what was read; others stay estimated and say why."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

from impactree import ImpactHandler, ImpactTracker, ModelCall, estimate, track_impacts
from impactree.exceptions import ConfigurationError
from impactree.exporters import JSONLExporter
from impactree.measure import Measurement

pytest.importorskip("psutil")  # of the extra `measure`
SERVER = Path(__file__).with_name("local_server.py")


@pytest.fixture
def named_server():
    """Starts the fake server in a process of the name that is asked for."""
    started = []

    def start(*argv, takes_s=0.02):
        process = subprocess.Popen(
            [argv[0], *argv[1:], str(SERVER), str(takes_s)],
            executable=sys.executable,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        port = int(process.stdout.readline())
        return f"http://127.0.0.1:{port}/v1"

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def measured(**more):
    return Measurement(more.pop("where", "local"), meter=FakeMeter(**more))


class HuggingFacePipeline(LLM):
    """As Hugging Face's: a model in this process."""

    then: Any = None

    @property
    def _llm_type(self):
        return "huggingface_pipeline"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        time.sleep(0.01)
        if self.then is not None:
            self.then()
        return "an answer"


Pipeline = HuggingFacePipeline


def ask(base_url, handler, model="gemma-3-270m"):
    chat = ChatOpenAI(model=model, base_url=base_url, api_key="-")
    chat.invoke("Hello?", config={"callbacks": [handler]})
    (run,) = handler.last_run.calls
    return run


def codes(run):
    return {warning.code for warning in run.own.warnings}


def adds_up(tracker):
    ledger = tracker._measurement.measuring().ledger
    left = tracker.unattributed.energy_by_source
    for source, kwh in ledger.read_so_far().items():
        shared = (tracker.total.energy_by_source or {}).get(source, 0.0)
        assert shared + left.get(source, 0.0) == pytest.approx(kwh, rel=1e-9)


def test_a_model_in_this_process_is_measured():
    handler = ImpactHandler(measure=measured(cpu_w=3600, ram_w=360))
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    (run,) = handler.last_run.calls
    assert run.own.source == "mixed"
    assert run.own.energy_by_source["measured"] >= 0.01 / 1000
    parts = run.own.energy_by_source
    assert parts["measured"] == pytest.approx(10 * parts["modelled"])
    assert {"energy-modelled", "embodied-not-counted"} <= codes(run)
    assert "local-hardware-not-modelled" not in codes(run)
    adds_up(handler.tracker)


@pytest.mark.parametrize(
    "argv",
    [
        ("llama-server",),
        ("/opt/llama-cpp-server",),
        ("ollama",),
        ("vllm",),
        ("/Applications/LM Studio.app/Contents/MacOS/LM Studio",),
    ],
)
def test_known_servers_on_loopback_ports_are_measured(named_server, argv):
    handler = ImpactHandler(measure=measured())
    run = ask(named_server(*argv), handler)
    assert run.own.source == "measured"
    assert run.own.energy.value.mean >= 0.02 / 1000
    adds_up(handler.tracker)


@pytest.mark.parametrize("argv", [("litellm",), ("/opt/ssh",), ("/opt/nginx",)])
def test_proxies_and_tunnels_stay_estimated(named_server, argv):
    url = named_server(*argv)
    for where in ("local", [url]):
        handler = ImpactHandler(measure=measured(where=where))
        run = ask(url, handler)
        assert run.own.source == "estimated"
        assert "energy-behind-proxy" in codes(run)
        adds_up(handler.tracker)


def test_a_closed_model_is_never_measured(named_server):
    url = named_server("llama-server")
    for name in ("gpt-4o", "claude-sonnet-4-5"):
        run = ask(url, ImpactHandler(measure=measured(where=[url])), model=name)
        assert run.own.source == "estimated"
        assert "energy-behind-proxy" in codes(run)


def test_an_unknown_server_is_measured_only_where_it_is_listed(named_server):
    url = named_server("docker-proxy")  # what runs in the container is not to be seen
    run = ask(url, ImpactHandler(measure=measured()))
    assert run.own.source == "estimated"
    assert "energy-of-unknown-server" in codes(run)
    for where in ([url], [url.replace("127.0.0.1", "localhost")], ["local", url]):
        assert ask(url, ImpactHandler(measure=measured(where=where))).own.source == "measured"


def test_a_list_names_all_that_is_measured(named_server):
    url = named_server("llama-server")
    handler = ImpactHandler(measure=measured(where=["http://localhost:9"]))
    run = ask(url, handler)
    assert run.own.source == "estimated"
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    assert handler.last_run.calls[0].own.source == "estimated"


def test_what_runs_in_the_cloud_takes_no_share():
    tracker = ImpactTracker(measure=measured())
    here, there = uuid.uuid4(), uuid.uuid4()
    tracker.start(here, name="here", kind="embedding")
    tracker.start(there, name="there", kind="chat")
    time.sleep(0.02)
    local = ModelCall(
        provider="HuggingFaceEmbeddings", model="BAAI/bge-small-en", kind="embedding",
        input_tokens=10, output_tokens=0,
    )  # fmt: skip
    tracker.end(here, call=local)
    cloud = ModelCall(provider="openai", model="gpt-4o", input_tokens=10, output_tokens=90)
    tracker.end(there, call=cloud)
    by_name = {run.name: run for run in tracker.runs}
    assert by_name["there"].own.source == "estimated"
    assert by_name["here"].own.source == "measured"
    assert tracker.total.energy_by_source["measured"] == pytest.approx(
        by_name["here"].own.energy_by_source["measured"]
    )
    ledger = tracker._measurement.measuring().ledger
    shared = by_name["here"].own.energy_by_source["measured"]
    left = tracker.unattributed.energy_by_source["measured"]
    assert shared + left == pytest.approx(ledger.read_so_far()["measured"], rel=1e-9)


def overlapping(tracker, number=32):
    """Calls in threads, all open at once, with 1, 2, 3, ... tokens."""
    gate, done = threading.Barrier(number), threading.Barrier(number)

    def call(tokens):
        run_id = uuid.uuid4()
        gate.wait()
        tracker.start(run_id, name=str(tokens), kind="chat")
        done.wait()
        call = ModelCall(
            provider="llamacpp", model="gemma-3-270m", input_tokens=0, output_tokens=tokens
        )
        tracker.end(run_id, call=call)

    threads = [threading.Thread(target=call, args=(n + 1,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_32_calls_in_threads_share_and_add_up(tmp_path):
    path = tmp_path / "runs.jsonl"
    tracker = ImpactTracker(measure=measured(), exporters=[JSONLExporter(path)])
    overlapping(tracker)
    adds_up(tracker)
    runs = tracker.runs
    assert len(runs) == 32
    kept = math.fsum(run.own.energy_by_source["measured"] for run in runs)
    assert kept == pytest.approx(tracker.total.energy_by_source["measured"], rel=1e-9)
    assert all("energy-by-tokens" in codes(run) for run in runs)
    most = max(runs, key=lambda run: run.own.energy.value.mean)
    assert int(most.name) > 16
    assert tracker.close(30)
    import json

    newest = {}
    for line in path.read_text().splitlines():
        data = json.loads(line)
        if data["revision"] >= newest.get(data["id"], (0, 0))[0]:
            energy = data["total"]["energy_by_source"]["measured"]
            newest[data["id"]] = data["revision"], energy
    assert math.fsum(energy for _, energy in newest.values()) == pytest.approx(kept, rel=1e-9)


async def test_32_calls_in_tasks_share_and_add_up(named_server):
    url = await asyncio.to_thread(named_server, "llama-server")
    handler = ImpactHandler(measure=measured())
    chat = ChatOpenAI(model="gemma-3-270m", base_url=url, api_key="-")
    await asyncio.gather(*(chat.ainvoke("Hi", config={"callbacks": [handler]}) for _ in range(32)))
    adds_up(handler.tracker)
    sources = {run.own.source for run in handler.runs}
    assert sources == {"measured"}


def test_two_handlers_see_one_call(named_server):
    """What is shared among all calls of a process is shared once, whoever follows them."""
    measurement = measured()
    first, second = ImpactHandler(measure=measurement), ImpactHandler(measure=measurement)
    Pipeline().invoke("Hello?", config={"callbacks": [first, second]})
    assert first.total.source == second.total.source == "measured"
    assert first.total.energy.value.mean == pytest.approx(second.total.energy.value.mean, rel=0.5)
    ledger = measurement.measuring().ledger
    ledger.tick()
    left = sum(ledger.unattributed().values())
    assert second.total.energy.value.mean + left == pytest.approx(
        sum(ledger.read_so_far().values()), rel=1e-9
    )


def test_a_reading_that_fails_in_the_middle_is_counted_and_the_estimate_marked():
    meter = FakeMeter(cpu_w=3600, ram_w=360)
    handler = ImpactHandler(measure=Measurement(meter=meter))

    def fail():
        meter.missing = ("cpu",)

    Pipeline(then=fail).invoke("Hello?", config={"callbacks": [handler]})
    (run,) = handler.last_run.calls
    assert run.own.source == "estimated"
    assert "energy-reading-failed" in codes(run)
    assert handler.tracker.problems == {"energy reading: cpu could not be read": 1}
    meter.missing = ()
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    assert handler.last_run.calls[0].own.source == "mixed"


def test_no_reading_at_all_is_none_with_a_code():
    handler = ImpactHandler(measure=measured(cpu_w=0))
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    (run,) = handler.last_run.calls
    assert run.own.energy is None
    assert [error.code for error in run.own.errors] == ["energy-no-reading"]
    assert ModelCall(**run.call.to_dict()) == run.call


def test_a_meter_that_cannot_start_breaks_no_chain():
    class Broken(FakeMeter):
        def start(self):
            raise OSError("no sensors")

    handler = ImpactHandler(measure=Measurement(meter=Broken()))
    assert Pipeline().invoke("Hello?", config={"callbacks": [handler]}) == "an answer"
    (run,) = handler.last_run.calls
    assert run.own.source == "estimated"
    assert "energy-not-read" in codes(run)
    assert handler.tracker.problems == {"energy meter: OSError": 1}
    assert "no sensors" in handler.tracker.metering


def test_other_processes_on_the_gpus_are_named():
    handler = ImpactHandler(measure=measured(users=[1, os.getpid()]))
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    assert "energy-gpu-shared" in codes(handler.last_run.calls[0])
    handler = ImpactHandler(measure=measured(users=[os.getpid()]))
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    assert "energy-gpu-shared" not in codes(handler.last_run.calls[0])


def test_a_failed_call_has_taken_energy_all_the_same():
    handler = ImpactHandler(measure=measured())

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Pipeline(then=fail).invoke("Hello?", config={"callbacks": [handler]})
    assert handler.total.source == "measured"  # the machine has worked, in vain
    adds_up(handler.tracker)


def test_embeddings_of_both_frameworks_are_measured():
    from llama_index.core.embeddings import MockEmbedding

    from impactree.langchain import track_embeddings
    from impactree.llama_index import ImpactHandler as OtherHandler

    class HuggingFaceEmbeddings(Embeddings):
        model_name = "BAAI/bge-small-en-v1.5"

        def embed_documents(self, texts):
            time.sleep(0.01)
            return [[0.0] for _ in texts]

        def embed_query(self, text):
            return self.embed_documents([text])[0]

    tracker = ImpactTracker(measure=measured())
    track_embeddings(HuggingFaceEmbeddings(), tracker=tracker).embed_documents(["one", "two"])
    assert tracker.last_run.calls[0].own.source == "measured"

    class HuggingFaceEmbedding(MockEmbedding):
        def _get_text_embedding(self, text):
            time.sleep(0.01)
            return super()._get_text_embedding(text)

    with OtherHandler(measure=measured()).instrument() as handler:
        HuggingFaceEmbedding(embed_dim=2).get_text_embedding("one")
    assert handler.last_run.calls[0].own.source == "measured"


def test_each_request_of_a_batch_is_measured():
    from llama_index.core.embeddings import MockEmbedding

    from impactree.llama_index import ImpactHandler as OtherHandler

    class HuggingFaceEmbedding(MockEmbedding):
        @classmethod
        def class_name(cls):
            return "HuggingFaceEmbedding"

        def _get_text_embeddings(self, texts):
            time.sleep(0.01)
            return [[0.0, 0.0] for _ in texts]

    model = HuggingFaceEmbedding(embed_dim=2, embed_batch_size=2)
    with OtherHandler(measure=measured()).instrument() as handler:
        model.get_text_embedding_batch(["one", "two", "three", "four", "five"])
    calls = handler.last_run.calls
    assert [run.own.source for run in calls] == ["measured"] * 3
    assert min(run.own.energy.value.mean for run in calls) >= 0.01 / 1000
    adds_up(handler.tracker)


def test_what_is_told_afterwards_has_not_been_measured():
    tracker = ImpactTracker(measure=measured())
    call = ModelCall(provider="llamacpp", model="gemma-3-270m", output_tokens=3, latency_s=1.0)
    run = tracker.record(call)
    assert run.own.source == "estimated"
    assert "energy-not-read" in codes(run)


def test_llama_index_on_a_local_server(named_server):
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    from impactree.llama_index import ImpactHandler as OtherHandler

    url = named_server("llama-server")
    model = OpenAILike(model="gemma-3-270m", api_base=url, api_key="-", is_chat_model=True)
    with OtherHandler(measure=measured()).instrument() as handler:
        model.chat([ChatMessage("Hi")])
    (run,) = handler.last_run.calls
    assert run.own.source == "measured"
    adds_up(handler.tracker)


async def test_on_a_loop_nothing_blocks_it(named_server):
    from blockbuster import blockbuster_ctx

    url = await asyncio.to_thread(named_server, "llama-server")
    handler = ImpactHandler(measure=measured())
    chat = ChatOpenAI(model="gemma-3-270m", base_url=url, api_key="-")
    await chat.ainvoke("Hi", config={"callbacks": [handler]})  # its client's first use
    with blockbuster_ctx("impactree"):
        await chat.ainvoke("Hi", config={"callbacks": [handler]})
    assert {run.own.source for run in handler.runs} == {"measured"}
    assert not handler.tracker.problems


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_measures_for_itself():
    meter = FakeMeter()
    handler = ImpactHandler(measure=Measurement(meter=meter))
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})  # its thread runs
    begun = uuid.uuid4()
    handler.tracker.start(begun, name="before", kind="completion")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = b"?"
        try:
            Pipeline().invoke("Hello?", config={"callbacks": [handler]})
            call = ModelCall(provider="llamacpp", model="gemma-3-270m", output_tokens=3)
            handler.tracker.end(begun, call=call)
            late, new = handler.runs[-1], handler.runs[-2]
            good = (new.own.source, late.own.source) == ("measured", "estimated")
            alive = handler.tracker._measuring._thread.is_alive()
            said = b"y" if good and alive and meter.starts == 2 else b"n"
        finally:
            os.write(writer, said)
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"y"
    os.close(reader)
    os.close(writer)
    call = ModelCall(provider="llamacpp", model="gemma-3-270m", output_tokens=3)
    handler.tracker.end(begun, call=call)
    assert handler.last_run.own.source == "measured"


def test_a_call_that_nobody_ends_lets_go_of_its_share():
    tracker = ImpactTracker(measure=measured())
    lost, found = uuid.uuid4(), uuid.uuid4()
    tracker.start(lost, name="lost", kind="chat")
    tracker.abandon(lost)
    tracker.start(found, name="found", kind="chat")
    time.sleep(0.01)
    call = ModelCall(provider="llamacpp", model="gemma-3-270m", input_tokens=1, output_tokens=3)
    tracker.end(found, call=call)
    run = next(run for run in tracker.runs if run.name == "found")
    assert run.own.source == "measured"
    assert "energy-by-tokens" not in codes(run)


def test_the_first_of_two_that_overlap_is_told_again_when_it_is_known(tmp_path):
    path = tmp_path / "runs.jsonl"
    tracker = ImpactTracker(measure=measured(), exporters=[JSONLExporter(path)])
    estimate(ModelCall(model="gemma-3-270m", output_tokens=1))  # the catalog is loaded
    first, second = uuid.uuid4(), uuid.uuid4()
    tracker.start(first, name="first", kind="chat")
    tracker.start(second, name="second", kind="chat")
    time.sleep(0.02)

    def call(tokens):
        return ModelCall(
            provider="llamacpp", model="gemma-3-270m", input_tokens=0, output_tokens=tokens
        )

    tracker.end(first, call=call(100))
    before = tracker.runs[0].own.energy.value.mean
    assert tracker.runs[0].revision == 0
    tracker.end(second, call=call(300))
    one, two = tracker.runs
    assert (one.revision, two.revision) == (1, 0)
    assert one.own.energy.value.mean != before
    adds_up(tracker)
    tracker.end(first, call=call(5))  # an end that comes again is none
    adds_up(tracker)


def test_track_impacts_measures_too():
    with track_impacts(measure=measured()) as tracker:
        Pipeline().invoke("Hello?")
    assert tracker.total.source == "measured"


def test_nothing_is_measured_unless_asked_for():
    handler = ImpactHandler()
    Pipeline().invoke("Hello?", config={"callbacks": [handler]})
    (run,) = handler.last_run.calls
    assert run.own.source == "estimated"
    assert handler.tracker.unattributed is None


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("loacl", "measure takes"),
        (3, "measure takes"),
        ([], "measure takes"),
        ([""], "is no address"),
        (["http://192.0.2.7:11434"], "is not this machine"),
        (["https://api.openai.com/v1"], "is not this machine"),
    ],
)
def test_what_is_wrong_with_measure_is_named(said, text):
    with pytest.raises(ConfigurationError, match="measure") as error:
        Measurement(said)
    assert text in str(error.value)


def test_a_baseline_is_a_number_of_watts():
    for wrong in (-1, math.inf, "3", True, math.nan):
        with pytest.raises(ConfigurationError, match="baseline_w must be a number of watts"):
            Measurement(baseline_w=wrong)


def test_fake_chat_models_stay_estimated():
    """Of a class and provider that nobody knows, nothing says where it runs."""
    handler = ImpactHandler(measure=measured())
    model = GenericFakeChatModel(messages=iter([AIMessage("hi")]))
    model.invoke("Hello?", config={"callbacks": [handler]})
    assert handler.last_run.calls[0].own.source == "estimated"
