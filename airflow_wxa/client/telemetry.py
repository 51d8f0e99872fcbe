"""Metrics and traces of calls.

Metrics go to Airflow's Stats once :mod:`airflow_wxa.hooks.metrics` has said so; without it nothing is counted. Traces:
one span of ours a request, and none of the HTTP libraries' instrumentation, whose URL holds the token. OpenTelemetry's
stock instrumentation of requests, urllib3, httpx and aiohttp, and Sentry's SDK, keep the query of every request. A span
of ours names endpoint, Mini Program and errcode. Without a tracer that records, it costs nothing.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import context
from opentelemetry.trace import SpanKind, StatusCode, get_tracer

from airflow_wxa.errors import WxaApiError, WxaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from airflow_wxa.api.call import Call

#: Name → its tags. Names and tags are a promise to dashboards.
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "wxa.calls": ("endpoint", "result"),
    "wxa.errcodes": ("endpoint", "errcode"),
    "wxa.refreshes": ("token", "result"),
    "wxa.audit_wait": ("outcome",),
    "wxa.outcomes": ("outcome",),
}


class Sink(Protocol):
    """Takes the metrics; must neither block nor raise."""

    def incr(self, name: str, tags: Mapping[str, str]) -> None:
        """Count one."""

    def timing(self, name: str, milliseconds: float, tags: Mapping[str, str]) -> None:
        """Take a duration."""


_sinks: Final[list[Sink]] = []


def send_to(sink: Sink) -> None:
    """Send the metrics of this process there from now on."""
    _sinks[:] = [sink]


def count(name: str, **tags: str) -> None:
    """Count one of :data:`METRICS`."""
    for sink in _sinks:
        sink.incr(name, tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """Take a duration of one of :data:`METRICS`."""
    for sink in _sinks:
        sink.timing(name, seconds * 1000, tags)


#: OpenTelemetry has no public name for them; its own ``suppress_instrumentation`` lives in a package that few have.
_SUPPRESSED: Final = (context._SUPPRESS_INSTRUMENTATION_KEY, context._SUPPRESS_HTTP_INSTRUMENTATION_KEY)  # noqa: SLF001
_TRACER: Final = get_tracer("airflow_wxa")


@contextmanager
def span_of(call: Call) -> Iterator[None]:
    """Tell about one request: how long the block takes, and which errcode it ends with."""
    endpoint = call.endpoint.name
    known = {"wxa.endpoint": endpoint, "wxa.appid": call.appid or ""}
    # Not made the current one: a delivery stands still between two requests, and others go on meanwhile.
    span = _TRACER.start_span(f"wxa {endpoint}", kind=SpanKind.CLIENT, attributes=known)
    try:
        yield
        span.set_attribute("wxa.errcode", 0)
    except WxaError as error:
        if isinstance(error, WxaApiError):
            span.set_attribute("wxa.errcode", error.errcode)
        span.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        span.end()


@contextmanager
def unobserved() -> Iterator[None]:
    """Keep every instrumentation from seeing the requests of the block."""
    wanted = context.get_current()
    for key in _SUPPRESSED:
        wanted = context.set_value(key, value=True, context=wanted)
    attached = context.attach(wanted)
    try:
        with _away_from_sentry():
            yield
    finally:
        context.detach(attached)


def _away_from_sentry() -> AbstractContextManager[object]:
    """Return a scope of Sentry's whose client watches nothing; the SDK has no switch for a single request."""
    sentry = sys.modules.get("sentry_sdk")
    if sentry is None or not getattr(sentry, "is_initialized", bool)():  # bool(): while another thread imports it
        return nullcontext()
    scope: AbstractContextManager[object] = sentry.scope.use_scope(_scope())
    return scope


@cache
def _scope() -> object:
    sentry = sys.modules["sentry_sdk"]
    # An empty address, or it would take that of the environment.
    return sentry.Scope(client=sentry.Client(dsn="", default_integrations=False))
