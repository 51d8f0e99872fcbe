"""Platform credentials: renewed early, healed once, and told in words when only a person can help."""

import asyncio
import logging
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.access import PlatformCredentials, platform
from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import AsyncWxaClient, Egress, WxaClient, delivery
from airflow_wxa.errors import WxaCredentialError, WxaPermissionError, WxaTransportError
from airflow_wxa.sandbox import Fault, RunningSandbox, serve
from tests.access.platforms import AUTHORIZER_TOKEN, COMPONENT_TOKEN, LIST, TICKET, Recipe, appid_of, world_of
from tests.store.processes import fork_server

if TYPE_CHECKING:
    from airflow_wxa.sandbox.exchange import FaultKind

VERSION_INFO = "/wxa/getversioninfo"


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Return SQLite's alone: ``tests/store`` holds each statement on both databases, ``test_single_flight`` races."""
    return f"sqlite:///{tmp_path / 'wxa.db'}"


@pytest.fixture
def recipe(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    return replace(recipe, lease_seconds=1)


def counts(sandbox: RunningSandbox) -> tuple[int, int, int]:
    """Return how often the platform's token, a merchant's token and the list were asked for."""
    return tuple(sandbox.journal.count(path) for path in (COMPONENT_TOKEN, AUTHORIZER_TOKEN, LIST))  # type: ignore[return-value]


# The chain -------------------------------------------------------------------------------------------------------


def test_a_call_fetches_what_it_needs_and_later_ones_in_any_process_nothing_and_each_refresh_is_counted(
    sandbox: RunningSandbox, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    counted: list[tuple[str, str]] = []
    monkeypatch.setattr(platform, "count", lambda _, *, token, result: counted.append((token, result)))
    for client in (recipe.client(), recipe.client()):  # the second takes the tokens from the store
        for _ in range(2):
            client.send(recipe.merchant_call)
            client.send(recipe.platform_call)
    credentials = recipe.credentials()
    credentials.preload([recipe.appid, "wx0000000000000009"])
    credentials.store = None  # type: ignore[assignment]  # many are known after one look
    assert credentials.token(recipe.appid).reveal()
    assert counts(sandbox) == (1, 1, 0)
    assert "access_token" not in caplog.text
    recipe.expired().credentials().preload([recipe.appid])
    recipe.expired().store().put_renewals(recipe.component_appid, {recipe.appid: Secret("dead")})
    recipe.credentials().preload([recipe.appid])
    assert counted == [("platform", "ok"), ("merchant", "ok"), ("merchant", "ok"), ("merchant", "failed")]


def test_two_platforms_in_one_store_use_their_own_tokens(sandbox: RunningSandbox, recipe: Recipe) -> None:
    second = Recipe(sandbox.url, recipe.store_url, 2).imported()
    for each in (recipe, second, recipe, second):
        each.client().send(each.merchant_call)
        each.client().send(each.platform_call)
    assert {each.appid for each in sandbox.journal if each.path == VERSION_INFO} == {recipe.appid, second.appid}
    assert counts(sandbox) == (2, 2, 0)


# Renewal ---------------------------------------------------------------------------------------------------------


def test_a_token_is_renewed_before_its_end(sandbox: RunningSandbox, recipe: Recipe) -> None:
    recipe.call()
    for seconds_left, refreshes in ((700, 1), (500, 2), (3, 3), (-1, 4)):
        recipe.ageing(seconds_left).client().send(recipe.merchant_call)
        assert sandbox.journal.count(AUTHORIZER_TOKEN) == refreshes, seconds_left


@pytest.mark.parametrize("expires_in", [4, 60])
def test_a_short_life_does_not_mean_a_refresh_for_each_call(store_url: str, expires_in: int) -> None:
    with serve(world_of(expires_in=expires_in)) as sandbox:
        client = Recipe(sandbox.url, store_url).imported().client()
        for _ in range(5):
            client.send(Recipe(sandbox.url, store_url).merchant_call)
        assert counts(sandbox) == (1, 1, 0)


def test_a_renewal_that_fails_leaves_the_old_token_in_use_until_that_is_over_and_then_says_why(
    sandbox: RunningSandbox, recipe: Recipe, caplog: pytest.LogCaptureFixture
) -> None:
    recipe.call()
    recipe.ageing(300)
    sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind="errcode_before", errcode=45009))
    for _ in range(3):
        assert recipe.call() == 0
    assert "not renewed early" in caplog.text
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 2  # one failed, the others did not ask again at once
    recipe.ageing(300, "")
    sandbox.world.expired_tokens.add(TICKET)
    assert recipe.client().send(recipe.platform_call).errcode == 0
    assert sandbox.journal.count(COMPONENT_TOKEN) == 2
    second = Recipe(sandbox.url, recipe.store_url, 2, lease_seconds=1).imported().expired().ageing(7000, "")
    sandbox.world.expired_tokens.clear()
    sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind="drop_before", times=3))
    with pytest.raises(WxaTransportError, match="api_authorizer_token got no answer"):
        second.call()
    assert not second.seen().is_leased
    assert second.call() == 0


# Refused tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_token_that_somebody_renewed_is_not_renewed_again_and_one_that_is_dead_as_well_once(
    sandbox: RunningSandbox, recipe: Recipe, asynchronous: bool
) -> None:
    stale, older = recipe.credentials(), recipe.credentials()
    refused, _ = stale.token(recipe.appid), older.token(recipe.appid)
    recipe.ageing(-1)
    newer = recipe.credentials().token(recipe.appid)
    assert stale.token(recipe.appid, [refused]) == newer
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 2
    sandbox.world.mini_programs[0].issued.clear()  # somebody else fetched a third one: both are dead
    sent = asyncio.run(send_async(recipe, older)) if asynchronous else older.client.send(recipe.merchant_call).errcode
    assert (sent, sandbox.journal.count(AUTHORIZER_TOKEN)) == (0, 3)


def test_a_refused_platform_token_is_renewed_amid_a_refresh(sandbox: RunningSandbox, recipe: Recipe) -> None:
    recipe.expired("").ageing(7000, "")
    assert recipe.call() == 0
    assert counts(sandbox) == (1, 2, 0)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_wechat_that_always_answers_40001_is_asked_twice_and_refreshed_for_once(
    sandbox: RunningSandbox, recipe: Recipe, asynchronous: bool
) -> None:
    def call() -> None:
        with pytest.raises(WxaCredentialError, match="airflow wxa doctor") as error:
            asyncio.run(send_async(recipe)) if asynchronous else recipe.call()
        assert error.value.errcode == 40001

    sandbox.add_fault(Fault(path="/wxa/*", kind="errcode_before", errcode=40001, times=None))
    recipe.credentials().token(recipe.appid)
    for number in (1, 2, 3):
        call()
        assert sandbox.journal.count(VERSION_INFO) == 2 * number
        assert counts(sandbox) == (1, 1 + number, 0)
    sandbox.add_fault(Fault(path="*", kind="errcode_before", errcode=40001, times=None))
    recipe.expired().expired("")
    for number in (1, 2, 3):  # of everything: the first request of the chain, and no other
        call()
        assert (*counts(sandbox), sandbox.journal.count(VERSION_INFO)) == (1 + number, 4, 0, 6)


async def send_async(recipe: Recipe, credentials: PlatformCredentials | None = None) -> int:
    async with AsyncWxaClient(Egress(recipe.host, recipe.timeout), credentials or recipe.credentials()) as client:
        return (await client.send(recipe.merchant_call)).errcode


# Healing ---------------------------------------------------------------------------------------------------------


def test_a_refresh_token_that_the_list_cannot_mend_needs_the_merchant(sandbox: RunningSandbox, recipe: Recipe) -> None:
    sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind="errcode_before", errcode=61023, times=None))
    for _ in range(2):
        with pytest.raises(WxaCredentialError, match=rf"authorise[\s\S]*--appid {recipe.appid}[\s\S]*link") as error:
            recipe.call()
        assert (error.value.errcode, error.value.retryable) == (61023, False)
        assert recipe.seen().state == "refused"
    assert counts(sandbox) == (1, 1, 1)


def test_an_unknown_merchant_is_adopted_from_the_list_with_all_others(sandbox: RunningSandbox, store_url: str) -> None:
    world = world_of()
    world.mini_programs += [replace(world.mini_programs[0], appid=appid_of(number)) for number in range(100, 1300)]
    with serve(world) as running:
        recipe = Recipe(running.url, store_url)
        recipe.store().put_renewals(recipe.component_appid, {"": Secret(TICKET)})
        assert recipe.call() == 0
        assert len(recipe.store().merchants(recipe.component_appid)) == 1201
        assert running.journal.count(LIST) == 3


def test_a_refusal_is_remembered_for_ten_minutes_and_looked_at_again(sandbox: RunningSandbox, recipe: Recipe) -> None:
    recipe.refused(590)
    with pytest.raises(WxaCredentialError, match=r"WeChat said so 59\d s ago[\s\S]*airflow wxa authorise"):
        recipe.call()
    assert len(sandbox.journal) == 0
    recipe.refused(601)
    assert recipe.call() == 0  # authorised again, and nobody told us
    assert sandbox.journal.count(LIST) == 1
    sandbox.world.withdraw(recipe.appid)
    recipe.refused(601)
    with pytest.raises(WxaCredentialError, match=r"No refresh token is stored[\s\S]*airflow wxa authorise"):
        recipe.call()
    assert sandbox.journal.count(LIST) == 2


def test_one_look_at_the_list_serves_all_until_a_later_refusal_which_it_heals(
    sandbox: RunningSandbox, recipe: Recipe
) -> None:
    credentials = recipe.credentials()
    for number in range(100, 110):
        with pytest.raises(WxaCredentialError, match="authorise the platform again"):
            credentials.token(f"wx{number:016x}")
    assert sandbox.journal.count(LIST) == 1
    sandbox.world.mini_programs[0].refresh_token = "changed elsewhere"  # the list that was read tells the one before
    assert credentials.token(recipe.appid)
    assert counts(sandbox) == (1, 2, 2)
    assert recipe.seen().renewal == Secret(sandbox.world.mini_programs[0].refresh_token)


_CLIENTS: dict[Recipe, WxaClient] = {}


def _call_again(recipe: Recipe) -> int:
    """Call with the client that this process has had all along, and with what it remembers of the list."""
    client = _CLIENTS.setdefault(recipe, recipe.client())
    recipe.expired()
    client._tokens._known.clear()  # type: ignore[attr-defined]
    try:
        return client.send(recipe.merchant_call).errcode
    except WxaTransportError:
        return client.send(recipe.merchant_call).errcode  # the task's retry


def test_six_lost_answers_within_a_minute_are_healed_by_the_list(sandbox: RunningSandbox, store_url: str) -> None:
    recipe = Recipe(sandbox.url, store_url, lease_seconds=5, timeout=0.5).imported()
    kinds: tuple[FaultKind, ...] = ("drop_after", "truncated", "slow", "slow", "truncated", "drop_after")
    with ProcessPoolExecutor(1, fork_server()) as first, ProcessPoolExecutor(1, fork_server()) as second:
        began = time.monotonic()
        for kind, process in zip(kinds, (first, second, first, first, second, second), strict=True):
            sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind=kind, seconds=1.0))
            assert process.submit(_call_again, recipe).result(60) == 0
            assert recipe.seen().state == "authorised"
        assert time.monotonic() - began < 60
    assert sandbox.journal.count(LIST) == 6


def test_a_token_of_the_list_that_is_refused_too_is_looked_up_anew(sandbox: RunningSandbox, recipe: Recipe) -> None:
    recipe.store().put_renewals(recipe.component_appid, {recipe.appid: Secret("dead")})
    credentials = recipe.expired().credentials()
    # The list was asked for after that; since then WeChat has given out another refresh token.
    credentials._list = (recipe.seen().read_at + 1, {recipe.appid: Secret("outdated")})
    assert credentials.token(recipe.appid).reveal()
    assert recipe.seen().state == "authorised"
    assert sandbox.journal.count(LIST) == 1


def test_a_merchant_that_withdrew_is_marked_and_stays_so(sandbox: RunningSandbox, recipe: Recipe) -> None:
    sandbox.world.withdraw(recipe.appid)
    sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind="errcode_before", errcode=61003))
    for _ in range(2):
        with pytest.raises(WxaPermissionError, match="airflow wxa authorise") as error:
            recipe.call()
        assert error.value.errcode == 61003
        assert recipe.seen().state == "withdrawn"


def test_a_merchant_that_authorises_during_a_hopeless_refresh_keeps_what_it_got(
    sandbox: RunningSandbox, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = recipe.credentials()
    sandbox.world.withdraw(recipe.appid)
    run, authorised = credentials.client.run, []

    def run_slowly(step: object) -> object:
        result = run(step)  # type: ignore[arg-type]
        if isinstance(result, dict) and not authorised:  # the list has been read: now the merchant authorises
            authorised.append(sandbox.world.authorise(recipe.appid))
            grant = Grant(Secret("fresh"), 7200, Secret("fresh refresh"))
            recipe.store().put_authorisation(recipe.component_appid, Authorisation(recipe.appid, grant, (18,)))
        return result

    monkeypatch.setattr(credentials.client, "run", run_slowly)
    sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind="errcode_before", errcode=61023))
    assert credentials.token(recipe.appid) == Secret("fresh")
    assert recipe.seen().state == "authorised"


# Tickets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("errcode", "words"), [(61005, r"12 hours[\s\S]*--restart"), (61006, r"--import")])
def test_a_ticket_that_is_missing_or_refused_says_how_to_get_one(
    sandbox: RunningSandbox, recipe: Recipe, errcode: int, words: str
) -> None:
    without = replace(recipe, number=2)
    with pytest.raises(WxaCredentialError, match=r"no component_verify_ticket[\s\S]*--restart[\s\S]*--import"):
        without.client().send(without.platform_call)
    assert len(sandbox.journal) == 0
    sandbox.world.expired_tokens.add(TICKET)
    if errcode == 61006:
        recipe.store().put_renewals(recipe.component_appid, {"": Secret("damaged")})
    with pytest.raises(WxaCredentialError, match=words) as error:
        recipe.call()
    assert error.value.errcode == errcode


# Processes, threads and event loops ------------------------------------------------------------------------------


def test_a_forked_process_opens_a_connection_of_its_own(recipe: Recipe) -> None:
    credentials = recipe.credentials()
    credentials.token(recipe.appid)
    _forked["credentials"] = credentials
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        theirs = pool.submit(_client_id).result(30)
    assert theirs != id(credentials.client)
    assert credentials.client is credentials.client


_forked: dict[str, object] = {}


def _client_id() -> int:
    return id(_forked["credentials"].client)  # type: ignore[attr-defined]


def test_an_event_loop_goes_on_while_a_token_is_fetched(sandbox: RunningSandbox, recipe: Recipe) -> None:
    sandbox.add_fault(Fault(path=AUTHORIZER_TOKEN, kind="slow", seconds=0.3))

    async def beats_while_waiting() -> int:
        fetching = asyncio.create_task(send_async(recipe))
        beats = 0
        while not fetching.done():
            await asyncio.sleep(0.01)
            beats += 1
        await fetching
        return beats

    assert asyncio.run(beats_while_waiting()) > 10


def test_a_refresher_that_never_ends_is_waited_for_and_then_named(recipe: Recipe, sandbox: RunningSandbox) -> None:
    impatient = Recipe(recipe.host, recipe.store_url, lease_seconds=0.1)
    assert recipe.store().take_lease(recipe.seen(), "somebody else", 30)
    with pytest.raises(WxaTransportError, match=r"another process has been refreshing[\s\S]*lease of 0 s"):
        impatient.client().send(impatient.merchant_call)
