"""Who sees and does what on the board: per page, per row and per act, by each auth manager."""

import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Final

import pytest
from airflow.api_fastapi.app import get_auth_manager
from airflow.models.hitl import HITLDetail
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_wxa.hooks.store import open_fleets, store_url
from airflow_wxa.plugins.board import acting
from airflow_wxa.plugins.board.plans import ACTS
from airflow_wxa.plugins.board.reader import Reader
from airflow_wxa.sandbox import RunningSandbox
from tests.browser.board import FLEET as FILLED_FLEET
from tests.browser.board import STUCK, fill
from tests.plugins.acting import FILLED, Page, fields_of, runs_of, states_of
from tests.plugins.airflow_runs import APPID, DAG, FLEET
from tests.plugins.browser import Browser, app_with, bearer, login

# Airflow's own fields of a DAG's details, and FAB's Flask app, warn when they are used.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OF_THE_FLEET: Final = f"wx{0xE00:016x}"
PAGES: Final = (
    "/",
    "/mini-programs.csv",
    f"/mini-program/{STUCK}",
    "/fleets",
    f"/fleet?dag_id={FILLED_FLEET.dag_id}&run_id={FILLED_FLEET.run_id}",
    "/errcodes",
    "/errcode/89021",
)
FAB: Final = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
_ENTITIES: Final = ("DAG Runs", "Task Instances", "HITL Detail")
_ACTIONS: Final = ("can_read", "can_create", "can_edit")


def _on(dag_id: str, *actions: str, entities: tuple[str, ...] = _ENTITIES) -> list[tuple[str, str]]:
    """Return permissions on a DAG, and on what belongs to it."""
    of_dag = [(action, f"DAG:{dag_id}") for action in actions if action != "can_create"]
    return of_dag + [(action, entity) for entity in entities for action in actions]


#: Name of a user, and of their role → a role of FAB's own, or permissions.
FAB_ROLES: Final[dict[str, str | list[tuple[str, str]]]] = {
    "admin": "Admin",
    "op": "Op",
    "viewer": "Viewer",
    "nobody": "Public",
    "team": _on(DAG, "can_read", entities=("DAG Runs",)),
    "editor": _on(DAG, "can_read", "can_edit", entities=("DAG Runs",)),
    "manager": _on(DAG, *_ACTIONS),
    "neighbour": _on("theirs", *_ACTIONS),
}
#: Acts that stay within the DAG that a ``manager`` releases with.
OF_THE_DAG: Final = {"answer", "clear", "again", "release", "authorise"}
#: Acts that this package does, or begins, before Airflow's API is asked.
OF_OURS: Final = {"stop", "authorise", "open_gate"}


@pytest.fixture(scope="module", params=["simple", "fab"])
def airflow(request: pytest.FixtureRequest, airflow: Browser) -> Iterator[Browser]:
    """Return Airflow's app with an auth manager, in which each role is a user of its name."""
    if request.param == "simple":
        yield Browser(airflow.app, lambda role, _: login(None if role == "nobody" else role, str(role)))
        return
    if find_spec("airflow.providers.fab") is None:
        pytest.skip("apache-airflow-providers-fab is not installed")
    with warnings.catch_warnings(action="ignore"), app_with(CORE__AUTH_MANAGER=FAB) as app:
        users = _fab_users()
        yield Browser(app, lambda role, _: bearer(users[role]) if role else {})


def _fab_users() -> dict[str, Any]:
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder  # noqa: PLC0415
    from airflow.providers.fab.auth_manager.models.db import FABDBManager  # noqa: PLC0415

    with create_session() as session:
        FABDBManager(session).initdb()
    with get_application_builder() as builder:
        security, users = builder.sm, {}
        for name, role in FAB_ROLES.items():
            if isinstance(role, list):
                for action, resource in role:
                    security.create_permission(action, resource)
                security.bulk_sync_roles([{"role": name, "perms": role}])
            found = security.find_role(role if isinstance(role, str) else name)
            users[name] = security.add_user(name, name, name, f"{name}@example.com", found, name)
            assert users[name], name
    return users


def is_fab() -> bool:
    return "Fab" in type(get_auth_manager()).__name__


def test_each_page_and_each_row_is_for_whoever_may_see_its_dag(page: Page) -> None:
    fill(store_url())
    statuses = {"": 401, "nobody": 403, "viewer": 200, "op": 200}
    for role, status in statuses.items():
        assert {page.browser.get(path, role).status_code for path in PAGES} == {status}, role
    if not is_fab():
        return  # the simple one's roles know no single DAG
    shown = [page.browser.get(path, "team") for path in PAGES]
    assert [each.status_code for each in shown] == [200, 200, 200, 200, 404, 200, 200]
    assert page.browser.get(f"/mini-program/{OF_THE_FLEET}", "team").status_code == 404
    for each in shown[:2]:
        assert STUCK in each.text
        assert OF_THE_FLEET not in each.text
    assert FILLED_FLEET.run_id not in shown[3].text


def everything(about: dict[str, str]) -> Any:
    """Return all that an act could have changed."""
    dag_id, run_id = about["dag_id"], about["run_id"]
    runs = Counter({name: len(runs_of(name)) for name in (DAG, FLEET, "wxa_rollback", "wxa_platform_domains",
                                                           "wxa_fleet_rollback")})  # fmt: skip
    with create_session() as session:
        answers = len(session.scalars(select(HITLDetail).where(HITLDetail.responded_at.is_not(None))).all())
    return runs, answers, states_of(run_id, dag_id), [run.stopped_by for run in open_fleets().runs_named(run_id)]


@pytest.mark.parametrize("act", ACTS)
def test_an_act_is_for_whoever_may_do_it_in_airflow_and_done_once(
    page: Page, act: str, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow")
    run_id = f"{act}_{is_fab()}"
    about = page.possible(act, run_id)

    def shown_to(role: str) -> Any:
        reader = Page(page.browser, role)
        return reader.fill(merchants=APPID, **FILLED) if act == "release" else reader.open(act, **about)

    fields = fields_of(shown_to("op")) | {"choice": "Approve", "comment": "tested"}
    before = everything(about)
    roles = ["viewer", "team", "editor", "neighbour"] + (["manager"] if act not in OF_THE_DAG else [])
    for role in roles if is_fab() else ["viewer"]:
        if (role, act) == ("editor", "stop"):
            continue
        assert shown_to(role).status_code == 403, role
        with monkeypatch.context() as patched:  # a page that was shown before the right was taken away
            patched.setattr(acting, "_opened", lambda token, *_: acting._seal().loads(token)[1:])
            assert Page(page.browser, role).press(act, fields).status_code == 403, role
            if act not in OF_OURS:  # Airflow decides even where the board would not
                patched.setattr(Reader, "may", lambda *_: True)
                patched.setattr(Reader, "may_see_runs", lambda *_: True)
                assert Page(page.browser, role).press(act, fields).status_code == 403, role
    assert Page(page.browser, "nobody").press(act, fields).status_code == 403
    assert Page(page.browser, "").press(act, fields).status_code == 401
    assert everything(about) == before
    doer = Page(page.browser, "manager" if is_fab() and act in OF_THE_DAG else "op")
    fields = fields_of(shown_to(doer.role)) | {"choice": "Approve", "comment": "tested"}
    doer.press_at_once(act, *[fields] * 3)
    assert (everything(about) != before) is (act != "authorise")
