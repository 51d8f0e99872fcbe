"""Many processes want the same token at the same moment: one of them asks WeChat."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_wxa.api.redaction import Secret
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.store.tables import credential
from tests.access.platforms import AUTHORIZER_TOKEN, COMPONENT_TOKEN, LIST, Recipe
from tests.store.processes import together

#: Processes and threads in each that want a token at the same moment.
REFRESHERS = [(4, 4), pytest.param(8, 8, marks=pytest.mark.chaos), pytest.param(64, 1, marks=pytest.mark.chaos)]


def call_platform(recipe: Recipe) -> int:
    return recipe.client().send(recipe.platform_call).errcode


def in_threads(number: int, call: Callable[[Recipe], int], recipe: Recipe) -> list[int]:
    """Call in this many threads, each with credentials and a client of its own, as a process has them."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, [recipe] * number))


@pytest.mark.parametrize(("processes", "threads"), REFRESHERS)
def test_refreshers_of_an_expired_token_make_one_refresh(
    sandbox: RunningSandbox, recipe: Recipe, processes: int, threads: int
) -> None:
    recipe.expired()
    assert together(processes, in_threads, threads, Recipe.call, recipe) == [[0] * threads] * processes
    assert (sandbox.journal.count(AUTHORIZER_TOKEN), sandbox.journal.count(COMPONENT_TOKEN)) == (1, 1)
    assert sandbox.journal.count("/wxa/getversioninfo") == processes * threads
    recipe.expired("")
    assert together(processes, in_threads, threads, call_platform, recipe) == [[0] * threads] * processes
    assert sandbox.journal.count(COMPONENT_TOKEN) == 2


def test_processes_whose_token_was_replaced_make_one_refresh(sandbox: RunningSandbox, recipe: Recipe) -> None:
    recipe.call()
    sandbox.world.mini_programs[0].issued.clear()  # what everybody remembers is not the latest any more: 40001
    assert together(4, Recipe.call, recipe) == [0] * 4
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 2


def test_threads_of_one_process_make_one_refresh(sandbox: RunningSandbox, recipe: Recipe) -> None:
    credentials, refused = recipe.expired().credentials(), list[Secret]()
    for refreshes in (1, 2):  # of a token that has run out, and of one that was refused
        with ThreadPoolExecutor(12) as pool:
            tokens = set(pool.map(credentials.token, [recipe.appid] * 12, [refused] * 12))
        assert len(tokens) == 1
        assert tokens.isdisjoint(refused)
        assert sandbox.journal.count(AUTHORIZER_TOKEN) == refreshes
        refused += tokens


def test_processes_without_a_refresh_token_read_the_list_and_succeed(sandbox: RunningSandbox, store_url: str) -> None:
    recipe = Recipe(sandbox.url, store_url, number=2).imported()
    recipe.store()._database.write(credential.delete().where(credential.c.appid == recipe.appid))
    assert together(4, Recipe.call, recipe) == [0] * 4
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 1
    assert sandbox.journal.count(LIST) == 1


def test_nobody_waits_for_an_early_renewal_or_for_a_token_that_is_there(
    sandbox: RunningSandbox, recipe: Recipe
) -> None:
    first = recipe.credentials().token(recipe.appid)
    recipe.ageing(300)
    assert recipe.store().take_lease(recipe.seen(), "somebody else", 30)
    assert recipe.credentials().token(recipe.appid) == first
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 1
    seen, got = recipe.expired().seen(), list[int]()
    waiting = threading.Thread(target=lambda: got.append(recipe.call()))
    waiting.start()
    waiting.join(0.2)
    assert got == []
    recipe.store().drop_lease(seen, "somebody else")
    waiting.join(10)
    assert got == [0]
