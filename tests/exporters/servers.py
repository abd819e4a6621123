"""Exporters in real servers that fork: ``tests/exporters/servers.py [KIND...]``.

Wants ``pip install celery gunicorn``. gunicorn with and without ``--preload``, reloaded and with a
worker killed under load; celery's prefork pool, whose children end after 25 tasks, over a broker of
files; with ``BROKER_URL=redis://localhost`` one of them is killed as well (with files, they share
a pipe, and a killed one keeps its lock). What the servers leave, one more process delivers. Prints
a table like that of faults.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

import faults  # type: ignore[import-not-found]

SERVERS = ("gunicorn", "gunicorn --preload", "celery")
ROOTS = 600
CHILD_TASKS = 25


# What the servers import


def writer() -> Any:
    folder = Path(os.environ["SERVED_FOLDER"])
    made = faults.exporter(os.environ["SERVED_KIND"], folder / "out", os.environ["SERVED_URL"])
    return faults.Writer(made, folder)


def served() -> Any:
    """For gunicorn: a root per request."""
    made = writer()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        made.root()
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    return app


def tasks() -> Any:
    """For celery: a root per task."""
    import celery  # type: ignore[import-not-found]

    made = writer()
    files = Path(os.environ["SERVED_FOLDER"], "broker")
    for folder in (files, files / "control"):
        folder.mkdir(exist_ok=True)
    app = celery.Celery("served", broker=os.environ.get("BROKER_URL", "filesystem://"))
    if "BROKER_URL" not in os.environ:
        both = {"data_folder_in": str(files), "data_folder_out": str(files)}
        app.conf.broker_transport_options = {**both, "control_folder": files / "control"}
    app.conf.worker_max_tasks_per_child = CHILD_TASKS
    app.conf.task_acks_late = app.conf.task_reject_on_worker_lost = True
    app.task(made.root, name="root", ignore_result=True)
    return app


if "SERVED_AS" in os.environ:
    application = served() if os.environ["SERVED_AS"] == "gunicorn" else tasks()


# The driver


@contextlib.contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[int]:
    """A server's process id; at the end it is told to stop, and does."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=Path(__file__).parent, env=environment, stdout=log, stderr=log
        )
    try:
        yield process.pid
        process.terminate()
        process.wait(60)
    finally:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def by_gunicorn(options: list[str], folder: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "gunicorn", "servers:application", *options, "-w", "3"]
    with running([*command, "-b", "127.0.0.1:0"], folder, environment) as pid:
        url = _url_in(folder / "log")

        def ask(number: int) -> None:
            if number == ROOTS // 3:
                os.kill(pid, signal.SIGHUP)  # new workers, while the old ones finish
            if number == ROOTS // 2:
                os.kill(children(pid)[0], signal.SIGKILL)
            with contextlib.suppress(OSError):  # of the worker that was killed
                urllib.request.urlopen(url, timeout=60).close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(ROOTS)))


def _url_in(log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = log.read_text().partition("Listening at: ")[2].split()
        if found and "Booting worker" in log.read_text():
            return found[0]
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


def by_celery(folder: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "celery", "-A", "servers:application"]
    code = f"import servers\nfor _ in range({ROOTS}): servers.application.send_task('root')"
    subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, env=environment, check=True
    )
    ended, deadline = folder / "ended", time.monotonic() + 180
    with running([*command, "worker", "-P", "prefork", "-c", "3"], folder, environment) as pid:
        killed = "BROKER_URL" not in os.environ
        while (done := len(faults.noted(ended))) < ROOTS and time.monotonic() < deadline:
            if not killed and done > ROOTS // 3:
                os.kill(children(pid)[0], signal.SIGKILL)
                killed = True
            time.sleep(0.05)


def one(server: str, kind: str) -> dict[str, Any]:
    name, *options = server.split()
    with tempfile.TemporaryDirectory() as path, faults.place(kind, Path(path)) as target:
        folder = Path(path)
        (folder / "ended").touch()
        environment = os.environ | {
            "SERVED_AS": name,
            "SERVED_KIND": kind,
            "SERVED_FOLDER": path,
            "SERVED_URL": target.url,
            "IMPACTREE_SPOOL_DIR": str(folder / "spool"),
            "LANGSMITH_TRACING": "false",
        }
        if kind == "prometheus":
            environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "out")
        if name == "celery":
            by_celery(folder, environment)
        else:
            by_gunicorn(options, folder, environment)
        code = "import json, servers; print(json.dumps(servers.rest()))"
        del environment["SERVED_AS"]
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        if target.collector is not None:
            found["counted"] = target.collector.counted
        row: dict[str, Any] = faults.judge(kind, "kills", folder, target.ids(), found)
        if not row["ok"]:
            sys.stderr.write((folder / "log").read_text()[-5000:])
        return row


def rest() -> dict[str, Any]:
    """In one more process: deliver what they left."""
    made = writer()
    started = time.monotonic()
    found = {"drained": made.tracker.flush(120), "lost": 0}
    found["flush_s"] = round(time.monotonic() - started, 1)
    if os.environ["SERVED_KIND"] == "prometheus":
        found["counted"] = faults.scraped()
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=faults.KINDS)
    parser.add_argument("--server", action="append", choices=SERVERS)
    options = parser.parse_args()
    good = True
    columns = ("ended", "handed", "arrived", "counted", "twice", "missing", "flush_s")
    faults.say("| exporter | server | " + " | ".join(columns) + " | |")
    faults.say("| --- " * (len(columns) + 3) + "|")
    for kind in options.kinds:
        for server in options.server or SERVERS:
            row = one(server, kind)
            good = good and row["ok"]
            cells = [str(row.get(column, "")) for column in columns]
            verdict = "pass" if row["ok"] else "MISSED"
            faults.say(f"| {kind} | {server} | " + " | ".join(cells) + f" | {verdict} |")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
