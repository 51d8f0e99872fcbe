"""Traces show each request by endpoint, Mini Program and errcode, and no library's instrumentation shows its URL."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest
import requests
import sentry_sdk
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.client import telemetry
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.client.conftest import Twins


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Instrument all HTTP libraries as their packages do by themselves, and collect every span of the process."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.setattr(telemetry, "_TRACER", trace.get_tracer("airflow_wxa"))
    instrumentors = [RequestsInstrumentor(), URLLib3Instrumentor(), AioHttpClientInstrumentor()]
    for each in instrumentors:
        each.instrument(tracer_provider=provider)
    yield exporter
    for each in instrumentors:
        each.uninstrument()


def test_a_call_is_one_span_without_its_query(twins: Twins, exported: InMemorySpanExporter) -> None:
    twins.send(getversioninfo(APPID))
    (span,) = exported.get_finished_spans()
    assert span.name == "wxa getversioninfo"
    assert span.attributes == {"wxa.endpoint": "getversioninfo", "wxa.appid": APPID, "wxa.errcode": 0}


def test_each_attempt_is_a_span_that_says_how_it_ended(twins: Twins, exported: InMemorySpanExporter) -> None:
    twins.sandbox.add_fault(Fault(path="*", kind="html_502", times=1))
    twins.sandbox.add_fault(Fault(path="*", kind="errcode_before", errcode=-1, times=1))
    twins.send(getversioninfo(APPID))
    spans = exported.get_finished_spans()
    assert [span.attributes.get("wxa.errcode") for span in spans if span.attributes] == [None, -1, 0]
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert [span.status.description for span in spans[:2]] == ["WxaTransportError", "WxaBusyError"]


def test_requests_of_others_are_spans_as_before(wxa_sandbox: RunningSandbox, exported: InMemorySpanExporter) -> None:
    with telemetry.unobserved():
        pass
    requests.get(f"{wxa_sandbox.url}/wxa/x?access_token=theirs", timeout=5)

    async def theirs() -> None:
        async with aiohttp.ClientSession() as http, http.get(f"{wxa_sandbox.url}/wxa/x?access_token=theirs"):
            pass

    asyncio.run(theirs())
    assert str([span.attributes for span in exported.get_finished_spans()]).count("theirs") >= 2


class Kept(sentry_sdk.Transport):
    """Keeps what would be sent."""

    text = ""

    def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
        self.text += envelope.serialize().decode()


def test_sentry_sees_neither_spans_nor_breadcrumbs_of_ours(twins: Twins) -> None:
    kept = Kept()
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(sentry_sdk.Client(dsn="http://key@127.0.0.1:1/1", transport=kept, traces_sample_rate=1.0))
        with sentry_sdk.start_transaction(name="release"):
            twins.send(getversioninfo(APPID))
            requests.get(f"{twins.sandbox.url}/wxa/x?access_token=theirs", timeout=5)
            twins.sandbox.add_fault(Fault(path="*", kind="html_502", times=3))
            with pytest.raises(WxaError) as error:
                twins.send(getversioninfo(APPID))
            sentry_sdk.capture_exception(error.value.with_traceback(None))
    assert "access_token=theirs" in kept.text, "Sentry traces nothing here, so this test shows nothing"
    assert "canary" not in kept.text
