"""A refresh that is killed anywhere loses nothing: the next call succeeds, and needs no person."""

import itertools
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import event

from airflow_wxa.api.redaction import Secret
from airflow_wxa.sandbox import serve
from tests.access.platforms import LIST, REFRESH, Recipe, world_of
from tests.store.processes import fork_server

MOST_POSITIONS = 100
#: Longer than a refresh takes on a busy machine; each healing waits for it.
LEASE_SECONDS = 0.5
_one_at_a_time = threading.Lock()
STORE_METHODS = ("merchant", "take_lease", "drop_lease", "store_grant", "drop_access_token", "store_renewal")


def refresh(recipe: Recipe, log: Path, fatal: int | None) -> None:
    """Refresh, write down every method of the store, commit and request, and end the process at one of these steps."""
    credentials, number = recipe.credentials(), itertools.count(1)

    def step(name: str) -> None:
        with log.open("a") as steps:
            steps.write(f"{name}\n")
        if next(number) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def noted(name: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        step(f"before {name}")
        result = work(*arguments, **named)
        step(f"after {name}")
        return result

    for name in STORE_METHODS:
        setattr(credentials.store, name, partial(noted, f"store.{name}", getattr(credentials.store, name)))
    event.listen(credentials.store._database.engine, "commit", lambda _: step("before a commit"))
    send = requests.Session.send

    def sent(session: requests.Session, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        path = (request.path_url or "").partition("?")[0].rpartition("/")[2]
        response: requests.Response = noted(path, send, session, request, **named)
        return response

    requests.Session.send = sent  # type: ignore[method-assign]  # this process ends soon
    assert credentials.client.send(recipe.merchant_call).errcode == 0


def prepared(recipe: Recipe, known: str) -> Recipe:
    """Both tokens have run out; ``known`` is the refresh token that the store holds."""
    store = recipe.imported().expired().expired("").store()
    store.put_renewals(recipe.component_appid, {recipe.appid: Secret(known)})
    return recipe


def in_a_process(work: Callable[..., None], *arguments: Any) -> int | None:
    process = fork_server().Process(target=work, args=arguments)
    # A start looks how all other processes ended, and what two threads read at once one of them does not get.
    with _one_at_a_time:
        process.start()
    wait([process.sentinel], 60)
    with _one_at_a_time:
        return process.exitcode


@pytest.mark.parametrize("known", [REFRESH, pytest.param("dead", marks=pytest.mark.chaos)])
@pytest.mark.parametrize("store_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.chaos)], indirect=True)
def test_a_killed_refresh_costs_nothing_wherever_it_was_killed(store_url: str, tmp_path: Path, known: str) -> None:
    with serve(world_of(MOST_POSITIONS)) as sandbox:
        recipes = [Recipe(sandbox.url, store_url, number, LEASE_SECONDS) for number in range(1, MOST_POSITIONS + 1)]
        assert in_a_process(refresh, prepared(recipes[0], known), tmp_path / "undisturbed", None) == 0
        positions = (tmp_path / "undisturbed").read_text().splitlines()
        assert 10 < len(positions) < MOST_POSITIONS

        def lost_at(number: int) -> bool:
            """Kill a refresh at a step, let another process call, and tell whether that had to read the list."""
            recipe, log = prepared(recipes[number], known), tmp_path / f"killed at {number}"
            assert in_a_process(refresh, recipe, log, number) == -signal.SIGKILL
            assert log.read_text().splitlines() == positions[:number]
            # A client of its own, as in another process: nothing that the killed one knew is left.
            assert recipe.call() == 0, positions[number - 1]
            stored, current = recipe.seen().renewal, sandbox.world.mini_program(recipe.appid).refresh_token
            assert stored is not None
            assert stored.reveal() == current != REFRESH
            return sandbox.journal.count(LIST, component_appid=recipe.component_appid) > 0

        with ThreadPoolExecutor(8) as pool:
            lost = list(pool.map(lost_at, range(1, len(positions) + 1)))
    if known == REFRESH:  # otherwise the list is read in any case
        # The answer that held the rotated refresh token is lost from its arrival until it is committed.
        arrival = positions.index("after api_authorizer_token")
        commit = positions.index("before a commit", arrival)
        assert [number for number, is_lost in enumerate(lost) if is_lost] == list(range(arrival, commit + 1))
