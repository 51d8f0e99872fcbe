"""No secret of the whole chain shows in an error, a repr, a log record or the store, whatever goes wrong."""

import base64
import logging
from itertools import count, product
from pathlib import Path

import pytest

from airflow_wxa.client import delivery
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import Fault, serve
from airflow_wxa.sandbox.exchange import FaultKind
from tests.access.platforms import APPSECRET, REFRESH, TICKET, Recipe, world_of
from tests.canaries import spellings
from tests.client.conftest import everything_of

KINDS: list[FaultKind] = ["errcode_before", "errcode_after", "drop_before", "drop_after", "html_502", "truncated"]
PATHS = ["/cgi-bin/component/api_component_token", "/cgi-bin/component/api_authorizer_token", "/wxa/getversioninfo"]
ISSUED = "canary+issued/"
FORMS = [form for secret in (ISSUED, APPSECRET, TICKET, REFRESH) for form in spellings(secret)]


def test_whatever_fails_tells_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    caplog.set_level(logging.DEBUG)
    failures, numbers = list(product(PATHS, KINDS)), count()
    world = world_of(len(failures))
    world.generate = lambda: f"{ISSUED}{next(numbers)}"
    shown_by: dict[tuple[str, FaultKind], str] = {}
    with serve(world) as sandbox:
        for number, (path, kind) in enumerate(failures, start=1):
            recipe = Recipe(sandbox.url, f"sqlite:///{tmp_path / 'wxa.db'}", number).imported()
            recipe.call()
            recipe.expired().expired("")
            sandbox.add_fault(Fault(path=path, kind=kind, times=None))
            credentials = recipe.credentials()
            with pytest.raises(WxaError) as error:
                credentials.client.send(recipe.merchant_call)
            sandbox.faults.clear()
            shown_by[path, kind] = (
                everything_of(error.value) + caplog.text + repr(vars(credentials)) + repr(recipe.seen())
            )
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not [form for form in FORMS if form in kept]
    assert [each for each, text in shown_by.items() if any(form in text.encode() for form in FORMS)] == []


def test_a_search_finds_what_it_looks_for() -> None:
    for lead in range(3):
        assert [form for form in FORMS if form in base64.b64encode(b"x" * lead + ISSUED.encode() + b"7")]
