"""Loopback HTTP server that speaks the wire formats of LLM providers."""
