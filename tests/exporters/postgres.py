"""A PostgreSQL of Debian's package on loopback, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "pw-planted-secret"


def programs() -> Path | None:
    """The folder with ``initdb``; None where the package is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def server() -> Iterator[str]:
    """Starts one; gives its URL."""
    bin_folder = programs()
    assert bin_folder is not None
    folder = Path(tempfile.mkdtemp(prefix="impactree-pg-"))
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    try:
        (folder / "pw").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "pw"):
                shutil.chown(path, user)
        data = folder / "data"
        options = ["-U", "team", "--auth=scram-sha-256", f"--pwfile={folder / 'pw'}", "--no-sync"]
        subprocess.run(
            [bin_folder / "initdb", "-D", data, *options],
            check=True,
            user=user,
            capture_output=True,
            cwd=folder,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, "-p", str(port), "-F", *settings],
                user=user,
                stderr=log,
                stdout=log,
                cwd=folder,
            )
        try:
            _wait(port, process)
            yield f"postgresql://team:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # does not wait for clients
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(200):
        assert process.poll() is None
        try:
            psycopg.connect(
                host="127.0.0.1", port=port, user="team", password=PASSWORD, dbname="postgres"
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("PostgreSQL did not start")
