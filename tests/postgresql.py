"""A PostgreSQL server for tests, where its programs are installed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

PASSWORD = "s3cret/of:the@server"


@dataclass(frozen=True)
class Server:
    """A running server.

    Args:
        port: on 127.0.0.1.
        programs: the folder of its programs.
    """

    port: int
    programs: pathlib.Path

    @property
    def url(self) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/postgres"

    def run(self, statement: str) -> None:
        """Runs SQL that may write."""
        command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url]
        subprocess.run(command, check=True, env={**os.environ, "PGPASSWORD": PASSWORD}, capture_output=True)


def programs() -> pathlib.Path | None:
    """The folder of initdb and pg_ctl, if there is one; Debian keeps it out of PATH."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = next((folder for folder in folders if (folder / "initdb").exists()), None)
    return found if found and shutil.which("psql") else None


@contextlib.contextmanager
def server(found: pathlib.Path) -> Iterator[Server]:
    """A server with a password, as a user of its own where the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="dlrun-pg-") as folder:
        yield from _server(pathlib.Path(folder), found)


def _server(folder: pathlib.Path, found: pathlib.Path) -> Iterator[Server]:
    user = None
    if os.getuid() == 0:
        user = "postgres"
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, secret = str(folder / "data"), folder / "secret"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o644)
    init = [found / "initdb", "-D", data, "-U", "tester", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"]
    subprocess.run(init, check=True, user=user, capture_output=True, cwd=folder)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [found / "pg_ctl", "-D", data, "-w", "-l", str(folder / "log")]
    subprocess.run([*control, "-o", options, "start"], check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
    try:
        yield Server(port, found)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, user=user, capture_output=True, cwd=folder)
