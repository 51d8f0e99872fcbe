"""Every way by which a text can leave a process of ours: each keeps what left by it, and can show that it would."""

import io
import json
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
    suppress,
)
from pathlib import Path
from typing import Any, Final
from unittest.mock import Mock, patch

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

#: Loggers that have a level of their own, or may get one.
OF_AIRFLOW = ("airflow", "airflow.task", "airflow_wxa")
OF_LIBRARIES = ("urllib3", "aiohttp", "httpx", "httpcore", "sqlalchemy", "uvicorn")
Left = list[str]


@contextmanager
def open_telemetry(left: Left) -> Iterator[None]:
    """Keep the spans, with the stock instrumentation of every HTTP library that we use."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with ExitStack() as stack:
        stack.enter_context(patch.object(telemetry, "_TRACER", trace.get_tracer("x", tracer_provider=provider)))
        for each in (RequestsInstrumentor(), URLLib3Instrumentor(), AioHttpClientInstrumentor()):
            each.instrument(tracer_provider=provider)
            stack.callback(each.uninstrument)
        yield
    left += [span.to_json() for span in exporter.get_finished_spans()]


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


@contextmanager
def sentry(left: Left) -> Iterator[None]:
    """Keep events with the variables of each frame, traces, breadcrumbs, logs; nothing is scrubbed on the way."""
    client = careless_client(left, traces_sample_rate=1.0, max_breadcrumbs=1000, enable_logs=True)
    scope = sentry_sdk.get_global_scope()
    scope.set_client(client)
    try:
        with sentry_sdk.start_transaction(name="everything"):
            yield
            sentry_sdk.capture_message("all breadcrumbs so far")
        client.flush()
    finally:
        scope.set_client(None)


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


def caught(error: BaseException, left: Left) -> None:
    """Keep the variables of every frame of a traceback, as rich and Sentry show them."""
    error = without_tests(error)
    sentry_sdk.capture_exception(error)
    left.append(shown_by_rich(error))


@contextmanager
def loggers(left: Left) -> Iterator[None]:
    """Keep every record of every logger at DEBUG, its arguments with it; structlog's too."""
    handler, root = logging.Handler(logging.NOTSET), logging.getLogger()
    handler.emit = lambda record: left.extend([record.getMessage(), repr(record.__dict__)])  # type: ignore[method-assign]
    with structlog.testing.capture_logs() as structured, ExitStack() as stack:
        for logger in (root, *map(logging.getLogger, OF_AIRFLOW + OF_LIBRARIES)):
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)
        root.addHandler(handler)
        stack.callback(root.removeHandler, handler)
        yield
    left += map(repr, structured)


@contextmanager
def metrics(left: Left) -> Iterator[None]:
    sink = Mock()
    with patch.object(telemetry, "_sinks", [*telemetry._sinks, sink]):
        yield
    left.append(repr(sink.mock_calls))


@contextmanager
def terminal(left: Left) -> Iterator[None]:
    with redirect_stdout(printed := io.StringIO()), redirect_stderr(printed):
        yield
    left.append(printed.getvalue())


@contextmanager
def home(left: Left) -> Iterator[None]:
    """Keep all that Airflow keeps: each row of its database, each file of its home."""
    yield
    folder = Path(os.environ["AIRFLOW_HOME"])
    with closing(sqlite3.connect(folder / "airflow.db")) as database:
        left += database.iterdump()
    left += [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]


def ask_nobody(text: str) -> None:
    with suppress(requests.RequestException):
        requests.get("http://127.0.0.1:1/", params={"access_token": text}, timeout=1)


#: Exit → how it is watched, and careless code by which a text would leave there. What frames hold is given to them.
HOOKED: Final[dict[str, tuple[Callable[[Left], AbstractContextManager[None]], Callable[[str], object]]]] = {
    "OpenTelemetry": (open_telemetry, ask_nobody),
    "Sentry": (sentry, ask_nobody),
    "frames": (nullcontext, lambda text: json.loads("{" + text)),
    "DEBUG loggers": (loggers, lambda text: logging.getLogger("airflow_wxa.careless").debug("token %s", text)),
    "metrics": (metrics, lambda text: telemetry.count("wxa.calls", endpoint=text)),
    "terminal": (terminal, print),
    "Airflow's home and database": (
        home,
        lambda text: Path(os.environ["AIRFLOW_HOME"], "careless.log").write_text(text),
    ),
}
#: Exits without a hook: scenes collect pages, messages and exports.
COLLECTED = ("XCom", "rendered fields", "board", "notifier", "--json", "HTTP answers", "store's file")


@contextmanager
def watched(exits: Mapping[str, Left]) -> Iterator[None]:
    with ExitStack() as stack:
        for name, (watch, _) in HOOKED.items():
            stack.enter_context(watch(exits[name]))
        yield
        sys.stdout.flush()
