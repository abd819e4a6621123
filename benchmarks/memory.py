"""Memory of a process whose handler has seen 10,000 and 100,000 finished roots (Linux)."""

from __future__ import annotations

from functools import partial
from statistics import median

from benchmarks._measure import Result, fresh, ratio, rounds

ROUNDS = 5
ROOTS = {"10,000": 10_000, "100,000": 100_000}
# One root with a chain and a model call under it; prints the peak of resident memory, KiB.
# (getrusage would give the parent's, where that was larger.)
CODE = """
import re
from pathlib import Path
from uuid import uuid4
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from impactree import ImpactHandler

handler = ImpactHandler()
usage = {{"input_tokens": 1200, "output_tokens": 400, "total_tokens": 1600}}
for number in range({roots}):
    root, chain, model = uuid4(), uuid4(), uuid4()
    tags, metadata = [f"user:{{number}}"], {{"thread_id": str(number)}}
    handler.on_chain_start({{}}, {{}}, run_id=root, name="root", tags=tags, metadata=metadata)
    handler.on_chain_start({{}}, {{}}, run_id=chain, parent_run_id=root, name="chain")
    handler.on_chat_model_start({{}}, [[]], run_id=model, parent_run_id=chain,
                                metadata={{"ls_provider": "openai", "ls_model_name": "gpt-4o"}})
    answer = AIMessage("", usage_metadata=usage, response_metadata={{"model_name": "gpt-4o"}})
    handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=answer)]]), run_id=model)
    handler.on_chain_end({{}}, run_id=chain)
    handler.on_chain_end({{}}, run_id=root)
assert handler.total.estimated_calls == {roots}
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def run() -> list[Result]:
    variants = {name: partial(fresh, CODE.format(roots=roots)) for name, roots in ROOTS.items()}
    taken = rounds(variants, ROUNDS)
    growth = ratio(taken["100,000"], taken["10,000"])
    results = [
        Result(f"peak after {name} roots", f"{median(taken[name]) / 1024:.0f} MiB")
        for name in ROOTS
    ]
    return [*results, Result("100,000 / 10,000", f"{growth:.3f} x", "<= 1.02 x", growth <= 1.02)]
