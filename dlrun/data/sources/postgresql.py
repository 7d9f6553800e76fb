"""Rows of a PostgreSQL server, through ADBC (https://arrow.apache.org/adbc), the extra dlrun[sql]."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from dlrun.errors import DataError, DlrunError, MisfitError, MissingExtraError
from dlrun.spec.near import nearest
from dlrun.spec.problem import Problem

if TYPE_CHECKING:
    import polars

READ_ONLY = "-c default_transaction_read_only=on"

SECONDS = 15
"""How long to wait for a server."""

PASSWORD = "set the environment variable PGPASSWORD, or another one that password_env names, or write it into ~/.pgpass"

QUERY_STATES = ("42", "22", "25006", "21")
"""How the codes of errors begin that are the query's (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def server_blocks(url: str, query: str, at: str, password_env: str | None) -> Iterator[polars.DataFrame]:
    """The rows that a query gives, in its order, in blocks as the server sends them.

    Args:
        url: of the database, without a password.
        at: the field that holds the query.
        password_env: the environment variable that holds the password; None: as PostgreSQL's own programs find it.

    Raises:
        DataError: the server is not there, or refuses.
        MissingExtraError: ADBC is not installed.
        MisfitError: the query is wrong.
    """
    import polars

    if importlib.util.find_spec("adbc_driver_postgresql") is None or not hasattr(polars, "scan_arrow_c_stream"):
        raise MissingExtraError(
            "PostgreSQL is read through ADBC, which is not installed, or not with a polars that streams its rows",
            hint="pip install 'dlrun[sql]'",
        )
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    password = _password(password_env)
    try:
        with dbapi.connect(_complete(url, password)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            for block in polars.scan_arrow_c_stream(cursor.fetch_arrow()).collect_batches():
                yield _plain(block)
    except adbc_driver_manager.Error as error:
        text = str(error).replace(password, "***") if password else str(error)
        raise _told(text, getattr(error, "sqlstate", None) or "", url, at) from None
    except polars.exceptions.DuplicateError as error:
        raise MisfitError(
            Problem((at,), f"two columns have the same name: {error}", hint="name one of them with AS")
        ) from None
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        if "[libpq]" in str(error):  # rows came before the server could not go on
            raise _told(str(error), QUERY_STATES[0] if "ERROR:" in str(error) else "", url, at) from None
        raise DataError(
            f"a column has a type that is not read: {str(error).splitlines()[0]}",
            hint="turn it into text or a number in the query: extract(epoch FROM age), place::text",
        ) from None


def _password(variable: str | None) -> str | None:
    if variable is None:
        return None
    if (password := os.environ.get(variable)) is None:
        match = nearest(variable, sorted(os.environ))
        raise DataError(
            f"the environment has no variable {variable}, which is to hold the password",
            hint=f"did you mean {match}?" if match else f"read -rs {variable}; export {variable}",
        )
    return password


def _complete(url: str, password: str | None) -> str:
    """The URL with the password, and such that nothing can be written."""
    parts = urlsplit(url)
    asked = {"connect_timeout": str(SECONDS), **dict(parse_qsl(parts.query))}
    asked["options"] = " ".join(filter(None, [asked.get("options"), READ_ONLY]))
    if password is not None:
        asked["password"] = password
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(asked, quote_via=quote), ""))


def _plain(frame: polars.DataFrame) -> polars.DataFrame:
    """The rows with columns of plain types: PostgreSQL's numeric, exact decimals, are numbers, and its JSON is text."""
    import polars

    for column in frame:
        dtype: Any = column.dtype
        if str(dtype).startswith("Extension"):
            stored = column.ext.storage()
            if "'numeric'" in str(dtype) or '"numeric"' in str(dtype):
                stored = stored.cast(polars.Float64)
            frame = frame.with_columns(stored.alias(column.name))
    return frame


def _told(text: str, state: str, url: str, at: str) -> DlrunError:
    """What the server or the driver says, for a person."""
    parts = urlsplit(url)
    server = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    said = re.search(r"(?:ERROR|FATAL): +(.+)", text)
    message = said[1].strip() if said else text.splitlines()[0]
    if state.startswith(QUERY_STATES):
        suggested = re.search(r"HINT: +(.+)", text)
        if state == "25006":
            return MisfitError(Problem((at,), "the query is not one that only reads", expected="one SELECT"))
        return MisfitError(Problem((at,), f"the server says: {message}", hint=suggested[1] if suggested else None))
    if "password" in text:
        return DataError(f"the server {server} wants another password: {message}", hint=PASSWORD)
    if "Connection refused" in text or "timeout expired" in text or "could not translate" in text:
        reason = next((each.strip() for each in text.splitlines() if "failed" in each or "translate" in each), message)
        return DataError(
            f"no PostgreSQL server answers at {server}: {reason.rpartition(': ')[2]}",
            hint="see whether it runs, and whether host and port in the url are right",
        )
    return DataError(f"the server {server} says: {message}")
