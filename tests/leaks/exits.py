"""Every way by which a text can leave a process of ours: each row keeps what left by it, and can show that it would."""

import io
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import requests
import sentry_sdk
import structlog
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console
from rich.traceback import Traceback
from sentry_sdk.scrubber import EventScrubber

from airflow_wxa.client import telemetry

NOWHERE = "http://127.0.0.1:1/"
#: Loggers that have a level of their own, or may get one.
OF_AIRFLOW = ("airflow", "airflow.task", "airflow_wxa")
OF_LIBRARIES = ("urllib3", "aiohttp", "httpx", "httpcore", "sqlalchemy", "uvicorn")
#: Exits without a hook: scenes collect pages, messages and exports.
COLLECTED = ("XCom", "rendered fields", "board", "notifier", "--json", "HTTP answers", "store's file")


class Row:
    """One exit; the table shows its name."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.left: list[str] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        yield

    def plant(self, text: str) -> None:
        """Let a text leave by this exit, as careless code would."""
        self.left.append(text)

    @property
    def shown(self) -> str:
        return "\n".join(self.left)


class OpenTelemetry(Row):
    """Spans, with the stock instrumentation of every HTTP library that we use."""

    name = "OpenTelemetry"

    @contextmanager
    def watched(self) -> Iterator[None]:
        exporter, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        before = telemetry._TRACER
        telemetry._TRACER = trace.get_tracer("airflow_wxa", tracer_provider=provider)
        instrumentors = [RequestsInstrumentor(), URLLib3Instrumentor(), AioHttpClientInstrumentor()]
        for each in instrumentors:
            each.instrument(tracer_provider=provider)
        try:
            yield
        finally:
            for each in instrumentors:
                each.uninstrument()
            telemetry._TRACER = before
            self.left += [span.to_json() for span in exporter.get_finished_spans()]

    def plant(self, text: str) -> None:
        with suppress(requests.RequestException):
            requests.get(NOWHERE, params={"access_token": text}, timeout=1)


class _Kept(sentry_sdk.Transport):
    def __init__(self, left: list[str]) -> None:
        super().__init__()
        self._left = left

    def capture_envelope(self, envelope: Any) -> None:
        self._left.append(envelope.serialize().decode("utf-8", "replace"))


def careless_client(left: list[str], **options: Any) -> sentry_sdk.Client:
    """Return a client of Sentry that keeps the variables of each frame, scrubs nothing, and leaves it in a list."""
    return sentry_sdk.Client(
        dsn="http://key@127.0.0.1:1/1",
        transport=_Kept(left),
        include_local_variables=True,
        max_value_length=100_000,
        event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),  # it hides by the names of variables
        **options,
    )


class Sentry(Row):
    """Events with the variables of each frame, traces, breadcrumbs, logs; nothing is scrubbed on the way."""

    name = "Sentry"

    @contextmanager
    def watched(self) -> Iterator[None]:
        client = careless_client(self.left, traces_sample_rate=1.0, max_breadcrumbs=1000, enable_logs=True)
        scope = sentry_sdk.get_global_scope()
        scope.set_client(client)
        try:
            with sentry_sdk.start_transaction(name="everything"):
                yield
                sentry_sdk.capture_message("all breadcrumbs so far")
            client.flush()
        finally:
            scope.set_client(None)

    plant = OpenTelemetry.plant


def without_tests(error: BaseException) -> BaseException:
    """Return the error without the frames of the tests, which name the secrets."""
    trace_ = error.__traceback__
    while trace_ is not None and "/tests/" in trace_.tb_frame.f_code.co_filename:
        trace_ = trace_.tb_next
    return error.with_traceback(trace_)


def shown_by_rich(error: BaseException) -> str:
    """Return the traceback with all variables, as rich prints it."""
    console = Console(width=400, file=io.StringIO())
    shown = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=10**6, locals_max_length=None
    )
    # The colours of the code cost as much as everything else.
    with patch.object(Traceback, "_guess_lexer", return_value="text"), console.capture() as captured:
        console.print(shown)
    return captured.get()


class Frames(Row):
    """The variables of every frame of a traceback, as rich and Sentry show them."""

    name = "frames"

    def caught(self, error: BaseException) -> None:
        error = without_tests(error)
        sentry_sdk.capture_exception(error)
        self.left.append(shown_by_rich(error))

    def plant(self, text: str) -> None:
        try:
            json.loads("{" + text)
        except ValueError as error:
            self.caught(error)


class Loggers(Row):
    """Every record of every logger at DEBUG, its arguments with it; structlog's too."""

    name = "DEBUG loggers"

    @contextmanager
    def watched(self) -> Iterator[None]:
        handler = logging.Handler(logging.NOTSET)
        handler.emit = lambda record: self.left.extend([record.getMessage(), repr(record.__dict__)])  # type: ignore[method-assign]
        before = {name: logging.getLogger(name).level for name in ("", *OF_AIRFLOW, *OF_LIBRARIES)}
        for name in before:
            logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger().addHandler(handler)
        with structlog.testing.capture_logs() as structured:
            yield
        logging.getLogger().removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        self.left += [repr(entry) for entry in structured]

    def plant(self, text: str) -> None:
        logging.getLogger("airflow_wxa.careless").debug("token %s", text)


class Metrics(Row):
    name = "metrics"

    @contextmanager
    def watched(self) -> Iterator[None]:
        before = list(telemetry._sinks)
        telemetry._sinks.append(self)
        yield
        telemetry._sinks[:] = before

    def incr(self, name: str, tags: Mapping[str, str]) -> None:
        self.left.append(f"{name} {dict(tags)}")

    def timing(self, name: str, milliseconds: float, tags: Mapping[str, str]) -> None:
        self.left.append(f"{name} {milliseconds} {dict(tags)}")

    def plant(self, text: str) -> None:
        telemetry.count("wxa.calls", endpoint=text)


class Terminal(Row):
    name = "terminal"

    @contextmanager
    def watched(self) -> Iterator[None]:
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
        self.left.append(printed.getvalue())

    def plant(self, text: str) -> None:
        print(text)


class Home(Row):
    """All that Airflow keeps: each row of its database, each file of its home."""

    name = "Airflow's home and database"

    @contextmanager
    def watched(self) -> Iterator[None]:
        yield
        home = Path(os.environ["AIRFLOW_HOME"])
        with closing(sqlite3.connect(home / "airflow.db")) as database:
            self.left += database.iterdump()
        self.left += [path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file()]

    def plant(self, text: str) -> None:
        Path(os.environ["AIRFLOW_HOME"], "careless.log").write_text(text)


def table() -> dict[str, Row]:
    hooked = (OpenTelemetry(), Sentry(), Frames(), Loggers(), Metrics(), Terminal(), Home())
    return {**{row.name: row for row in hooked}, **{name: Row() for name in COLLECTED}}


@contextmanager
def watched(rows: Mapping[str, Row]) -> Iterator[None]:
    with ExitStack() as stack:
        for row in rows.values():
            stack.enter_context(row.watched())
        yield
        sys.stdout.flush()
