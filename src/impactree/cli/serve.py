"""``impactree serve``: the page and the REST API."""

from __future__ import annotations

import click

__all__ = ["serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="0: a free one.",
)
@click.option("--db", help="URL of a database that the SQL exporter writes; it is read only.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--allow-host",
    "allow",
    multiple=True,
    help="A name that the server is asked by, such as a proxy's; several times for several.",
)
@click.option(
    "--no-token",
    "open_to_all",
    is_flag=True,
    help="A calculator for all who reach it; not with --db.",
)
def serve(
    host: str, port: int, db: str | None, opens: bool, allow: tuple[str, ...], open_to_all: bool
) -> None:
    """Serve a page and a REST API: a calculator, comparisons, and with --db your runs.

    With --db, and at any address but this machine's own, every request must show a token: it is in
    the address that is printed, or yours in IMPACTREE_SERVE_TOKEN.
    """
    from impactree.server.running import run
    from impactree.server.settings import serve_settings

    settings = serve_settings(host=host, port=port, db=db, allow=allow, open_to_all=open_to_all)
    run(settings, opens=opens)
