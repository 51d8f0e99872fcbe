"""Facts of a Mini Program, from any run: name, online version, domains, account.

Runs are kept beside it, in :mod:`airflow_wxa.store.mini_programs`. A fact stays until a later reading says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, func, null, or_, select

from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.store.tables import database_now, mini_program, standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection

    from airflow_wxa.store.engine import Database
    from airflow_wxa.store.runs import TaskRef

#: Outcomes after which the version of the run is online.
ONLINE: Final = frozenset({"released", "already_released", "rolled_back", "already_rolled_back"})
_DRIFT: Final = frozenset({"as_wanted", "differs", "not_read"})
_READ: Final = ("own", "effective", "lost", "drift", "account", "quota")
#: Facts about who put the version online: unknown again once another version is read.
_CAUSE: Final = ("online_by", "online_dag_id", "online_run_id")
_KEYS: Final = ("component_appid", "appid")
_COLUMNS: Final = tuple(column.name for column in standing.c if column.name not in _KEYS)


def facts_of(said: Mapping[str, Any], task: TaskRef) -> dict[str, Any]:
    """Return the facts that an outcome, or an answer of WeChat's in its names, tells; ``{}``: none."""
    word = str(said.get("outcome") or "")
    facts: dict[str, Any] = {"name": said.get("name"), "online_version": said.get("release_version")}
    facts["online_at"] = said.get("release_time") or None
    facts["own"] = said.get("own") if word in _DRIFT else said.get("after")
    if not isinstance(facts["own"], list):  # of server domains: by kind
        facts["own"] = None
    facts |= {name: said.get(name) for name in ("effective", "lost", "account", "quota")}
    if word in ONLINE:
        facts["online_version"] = facts["online_version"] or said.get("user_version")
        facts |= {"online_by": task.triggered_by, "online_dag_id": task.dag_id, "online_run_id": task.run_id}
    if word in _DRIFT:
        found = {name: value for name, value in said.items() if value and isinstance(value, list)}
        facts |= {"drift_word": word, "drift": {name: found[name] for name in found if name not in _READ}}
    if word == "ready":
        facts["account"] = {name: list(said[name]) for name in ("not_read", "to_know") if said.get(name)}
    if facts["lost"] is not None:
        facts["lost_count"] = len(facts["lost"])
    return {name: value for name, value in facts.items() if value not in (None, "") or name in _CAUSE}


def keep_facts(
    database: Database, connection: Connection, component_appid: str, known: Mapping[str, Mapping[str, Any]]
) -> None:
    """Keep facts by appid, as :func:`facts_of` returns them; in order, so that no two wait for each other."""
    told = {appid: dict(facts) for appid, facts in known.items()}
    for quota in [facts.pop("quota") for facts in told.values() if "quota" in facts]:
        told[THE_PLATFORM] = {"quota": quota}
    told = {appid: facts for appid, facts in sorted(told.items()) if facts}
    if not told:
        return
    _name_version(connection, component_appid, told)
    _find_again(connection, component_appid, told)
    now: float = connection.execute(select(database_now())).scalar_one()
    rows = [
        dict.fromkeys(_COLUMNS)
        | {"component_appid": component_appid, "appid": appid}
        | facts
        | {f"{name}_at": now for name in _READ if name in facts}
        for appid, facts in told.items()
    ]
    statement = database.insert(standing)
    new = statement.excluded
    kept: dict[str, ColumnElement[Any]] = {name: func.coalesce(new[name], standing.c[name]) for name in _COLUMNS}
    tells_nothing = new.online_version.is_(None)
    same_time = or_(new.online_at.is_(None), standing.c.online_at.is_(None), new.online_at == standing.c.online_at)
    is_same = or_(tells_nothing, and_(new.online_version == standing.c.online_version, same_time))
    for name in ("online_at", *_CAUSE):
        kept[name] = func.coalesce(new[name], case((is_same, standing.c[name]), else_=null()))
    connection.execute(statement.on_conflict_do_update(index_elements=list(_KEYS), set_=kept), rows)


def _name_version(connection: Connection, component_appid: str, told: dict[str, dict[str, Any]]) -> None:
    """Name the version that went online, if WeChat left it out: the one that was on its way in that run."""
    nameless = [appid for appid, facts in told.items() if "online_run_id" in facts and "online_version" not in facts]
    for appid in nameless:
        of_run = {"component_appid": component_appid, "appid": appid, "dag_id": told[appid]["online_dag_id"]}
        query = select(mini_program.c.user_version).filter_by(**of_run)
        if version := connection.execute(query).scalar():
            told[appid]["online_version"] = version


def _find_again(connection: Connection, component_appid: str, told: dict[str, dict[str, Any]]) -> None:
    """Take those of the domains that a release took offline for found that are effective again."""
    read = [appid for appid, facts in told.items() if "effective" in facts and "lost" not in facts]
    query = select(standing.c.appid, standing.c.lost).where(
        standing.c.component_appid == component_appid, standing.c.appid.in_(read), standing.c.lost_count > 0
    )
    for appid, lost in connection.execute(query).all() if read else ():
        left = [each for each in lost if each not in told[appid]["effective"]]
        if left != lost:
            told[appid] |= {"lost": left, "lost_count": len(left)}
