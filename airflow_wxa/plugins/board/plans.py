"""An act of the board as a plan: the request it would make and the state it is based on, read as things stand now.

The same function decides whether a page offers an act, says beforehand what will happen, and makes the request to
Airflow: so no page offers what its reader may not do, or what cannot be done any more.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from markdown_it import MarkdownIt
from markupsafe import Markup
from sqlalchemy import or_, select

from airflow_wxa.api.errcodes import PLATFORM_WEBVIEW_DOMAIN_EMPTY
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import APPID
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.manifest import MAX_PARAM_BYTES
from airflow_wxa.fleet.summary import FINISHED, rerun_manifest
from airflow_wxa.fleet.waves import places, read_waves
from airflow_wxa.hooks.approvals import is_trigger, may_open_gate, open_gate
from airflow_wxa.hooks.store import open_fleets, open_ledger, store_url
from airflow_wxa.operators import approve_plan  # noqa: F401  (that of fleets is known, too)
from airflow_wxa.operators.approval import WxaApprovalOperator, kind_of
from airflow_wxa.plugins.board.reader import RefusedError
from airflow_wxa.plugins.board.views import domain_table, gates_of, waves_of
from airflow_wxa.steps.authorisation import new_authorisation_link
from airflow_wxa.store.fleets import ROLLBACK, RunKey
from airflow_wxa.store.mini_programs import MiniPrograms
from airflow_wxa.store.questions import Fact, Question, values_of
from airflow_wxa.texts import languages
from airflow_wxa.texts.setting import speaking
from airflow_wxa.trial_link import BOARD_PREFIX, PUSH_PREFIX, api_base_url, trial_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod

    from airflow_wxa.plugins.board.reader import Reader
    from airflow_wxa.steps import Step
    from airflow_wxa.store.fleets import FleetRun, Fleets

#: What an act is about: some of these, by name; ``conf`` is that of a run to be started, as JSON.
ABOUT: Final = ("dag_id", "run_id", "task_id", "appid", "conf")
About: TypeAlias = "Mapping[str, str]"

#: What the pages of a Mini Program and of a fleet offer, the most urgent first.
OF_MINI_PROGRAM: Final = ("answer", "authorise", "register", "clear", "again", "roll_back")
OF_FLEET: Final = ("answer", "open_gate", "stop", "clear", "rerun", "undo")
_APPROVAL: Final = "approve_release"
_APPID: Final = re.compile(r"wx[0-9a-f]{16}")
_WAITING: Final = ("awaiting_input", "deferred")  # Airflow 3.3, and 3.2
#: An answer that overtakes the executor's word on the task that asked is lost: the scheduler takes the task for killed
#: and lets it ask again (seen on Airflow 3.3.2, LocalExecutor, with an answer 0.6 seconds after the question).
_SETTLED: Final = timedelta(seconds=5)
_OVER: Final = ("success", "failed")
_ENTRIES_READ: Final = 100
_TEXT_SHOWN: Final = 600
#: Errcodes of a merchant that has not authorised the platform, or not granted what a release needs.
_NOT_AUTHORISED: Final = (61003, 61007)
_NAMED_TASK: Final = re.compile(r"\bclear (?:the task )?(\w+)")
#: Outcome → the tasks that have to run again, where its row has no next step that names them.
_EARLIER: Final[Mapping[str, Sequence[str]]] = {
    "withdrawn": ["submit_audit"],
    "platform_list_empty": ["configure_domains"],
}
_NO_RUN_ID: Final = re.compile(r"[^A-Za-z0-9_.~:+-]+")  # what [scheduler] allowed_run_id_pattern refuses
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """An act as it would be done now.

    :param needs: what Airflow asks of whoever does it: method, entity and DAG.
    :param state: values that must be the same when the button is pressed, as JSON; the act is done once for it.
    :param path: of Airflow's API, below ``/api/v2``; ``""``: ``do`` does all of it.
    :param do: comes first, with why the reader does it.
    :param asks_why: a reason must be given.
    :param conf: of the run that is started, where it takes long to make; ``body`` has the rest of it.
    :param is_repeatable: a page that is opened anew may do it again, though the state is the same.
    :param choices: values of the buttons; the text that one is answered with goes into ``body`` by ``answered``.
    :param note: key of a sentence about choices that this reader does not have.
    :param asks: of the ledger's question, with the values of its facts in ``asked``.
    :param question: the text that Airflow shows of it, as Markup.
    :param step: the act, where WeChat does it: step, endpoint, and Connection; it returns a link to be shown.
    :param trial: address of the trial version's QR code.
    """

    needs: tuple[ResourceMethod, DagAccessEntity, str]
    state: Any
    path: str = ""
    method: str = "POST"
    body: Mapping[str, Any] = field(default_factory=dict)
    do: Callable[[str], object] | None = None
    asks_why: bool = False
    step: tuple[Step[str], str, str] | None = None
    conf: Callable[[], Mapping[str, Any]] | None = None
    is_repeatable: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    choices: Sequence[str] = ()
    note: str = ""
    title: str = ""
    asks: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    question: str = ""
    trial: str = ""

    def answered(self, choice: str, comment: str) -> Mapping[str, Any]:
        """Return the body of the request, with a person's answer where one was asked for."""
        if self.asks_why and not comment:
            raise RefusedError(400, "act.refused.why")
        if self.conf is not None:
            return {**self.body, "conf": {**self.body["conf"], **self.conf()}}
        if not self.choices:
            return self.body
        if choice not in self.choices:
            raise RefusedError(400, "act.refused.choice")
        return {"chosen_options": [choice], "params_input": {"comment": comment or None}}


def plan(act: str, reader: Reader, about: About) -> Plan:
    """Return what an act would do.

    :raises RefusedError: no such act, nothing to be done by it, or this reader may not do it.
    """
    if act not in ACTS or not about["dag_id"] or (about["appid"] and not APPID.fullmatch(about["appid"])):
        raise RefusedError(404, "act.refused.gone")
    if not reader.may_see_runs(about["dag_id"]):
        raise RefusedError(403, "act.refused.rights")
    found = ACTS[act](reader, about)
    if not reader.may(*found.needs):
        raise RefusedError(403, "act.refused.rights")
    return found


def offered(reader: Reader, names: Sequence[str], **about: str) -> list[str]:
    """Return the acts, of those named, that this reader may do now."""
    possible = []
    for name in names:
        try:
            plan(name, reader, dict.fromkeys(ABOUT, "") | about)
        except RefusedError:
            continue
        possible.append(name)
    return possible


def _answer(reader: Reader, about: About) -> Plan:
    """Answer the question that a run waits with, if Airflow shows the one that the ledger knows."""
    ti, asked = _open_question(about)
    if asked.assigned_users:
        users = {str(user["id"]) for user in asked.assigned_users}
        if not get_auth_manager().is_authorized_hitl_task(assigned_users=users, user=reader.user):
            raise RefusedError(403, "act.refused.rights")
    if ti.updated_at and datetime.now(UTC) - ti.updated_at < _SETTLED:
        raise RefusedError(409, "act.refused.early")
    text, _, line = (asked.body or "").rstrip().rpartition("\n")
    digest = line.removeprefix("question ")
    appid = about["appid"] if about["appid"] in asked.subject else ""
    of_run: dict[str, Any] = {"run_id": ti.run_id, "dag_ids": [ti.dag_id], "endpoint": _APPROVAL}
    rows = open_ledger().entries(**of_run, appid=appid or None, most=_ENTRIES_READ)
    of_task = (row for row in rows if row.task.task_id == ti.task_id and row.after)
    shown = next((row for row in of_task if row.task.map_index == ti.map_index), None)
    if shown is None or shown.after.get("question") != digest:
        raise RefusedError(409, "act.refused.question")
    question = shown.asked.get("question", {})
    facts = values_of(question)
    title, text = _in_language(question, (asked.subject, text.rstrip()), reader.language.code)
    # Airflow's page has an h2 above the headings, this one has none; a corner without a word is no header.
    html = _MARKDOWN.render(text).replace("h3>", "h2>").replace("<th></th>", "<td></td>")
    run = f"/dags/{quote(about['dag_id'], safe='')}/dagRuns/{quote(about['run_id'], safe='')}"
    task = f"{quote(ti.task_id, safe='')}/{ti.map_index}"
    base = reader.base.removesuffix(BOARD_PREFIX)
    trial = trial_link(base, shown.appid, dag_id=shown.task.dag_id, run_id=shown.task.run_id)
    may_not_approve = facts.get("approver_must_differ") and is_trigger(shown, *reader.names)
    refused = {WxaApprovalOperator.APPROVE} if may_not_approve else set()
    return Plan(
        needs=("PUT", DagAccessEntity.HITL_DETAIL, ti.dag_id),
        state=[str(ti.id), digest],
        method="PATCH",
        path=f"{run}/taskInstances/{task}/hitlDetails",
        choices=tuple(each for each in map(str, asked.options) if each not in refused),
        note="act.trigger" if refused else "",
        title=title,
        question=Markup(html),  # noqa: S704  (the renderer lets no HTML of a text pass)
        asks=question.get("asks", ""),
        asked=facts,
        trial=trial if "trial" in facts else "",
    )


def _in_language(question: Mapping[str, Any], stored: tuple[str, str], language: str) -> tuple[str, str]:
    """Return subject and text of the ledger's question in a language; as Airflow has them where a team words it."""
    facts = {name: Fact(**fact) for name, fact in question.get("facts", {}).items()}
    said = {}
    for code in languages():
        with speaking(code), suppress(LookupError, TypeError, ValueError):  # facts of an earlier version
            asked = Question(question["asks"], facts, question["nonce"])
            subject, text = kind_of(asked.asks).words(asked)
            said[code] = subject, text.rstrip()
    return said[language] if stored in said.values() else stored


def _open_question(about: About) -> tuple[TaskInstance, HITLDetail]:
    wanted = [TaskInstance.dag_id == about["dag_id"], TaskInstance.run_id == about["run_id"]]
    wanted += [TaskInstance.task_id == about["task_id"]] if about["task_id"] else []
    query = select(TaskInstance, HITLDetail).join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
    query = query.where(*wanted, TaskInstance.state.in_(_WAITING), HITLDetail.responded_at.is_(None))
    with create_session() as session:
        rows = list(session.execute(query.order_by(TaskInstance.map_index)).all())
        session.expunge_all()
    for ti, asked in rows:
        named = _APPID.findall(asked.subject)
        if not about["appid"] or not named or about["appid"] in named:
            return ti, asked
    raise RefusedError(409, "act.refused.answered")


def _clear(_reader: Reader, about: About) -> Plan:
    """Run the failed tasks again, or the earlier one that the next step names, with the tasks behind them."""
    tasks = _tasks(about)
    failed = [(task_id, index) for (task_id, index), (_, state) in tasks.items() if state == "failed"]
    fleet = open_fleets().run(RunKey(about["dag_id"], about["run_id"]))
    if not failed or (fleet and fleet.stopped_by is not None):  # what is stopped stays so, however often
        raise RefusedError(409, "act.refused.nothing")
    said = open_ledger().outcome(about["dag_id"], about["run_id"], about["appid"]) or {}
    group = failed[0][0].rpartition(".")[0]
    earlier = _EARLIER.get(str(said.get("outcome"))) or _NAMED_TASK.findall(str(said.get("next_step", "")))
    named = {f"{group}.{each}".lstrip(".") for each in earlier}
    first = [key for key in tasks if key[0] in named] or failed
    return _cleared(about, first, sorted([*tasks[key], *key] for key in {*failed, *first}))


def _cleared(about: About, first: Sequence[tuple[str, int]], state: Any) -> Plan:
    """Run tasks again, with all behind them."""
    ids: list[Any] = [task_id if index < 0 else [task_id, index] for task_id, index in first]
    return Plan(
        needs=("PUT", DagAccessEntity.TASK_INSTANCE, about["dag_id"]),
        state=state,
        path=f"/dags/{quote(about['dag_id'], safe='')}/clearTaskInstances",
        body={
            "dry_run": False,
            "dag_run_id": about["run_id"],
            "task_ids": ids,
            "only_failed": False,
            "include_downstream": True,
            "prevent_running_task": True,
        },
        facts={"act.tasks": ", ".join(sorted({task_id for task_id, _ in first}))},
    )


def _tasks(about: About) -> dict[tuple[str, int], tuple[str, str]]:
    """Return id and state of a run's task instances, by task id and map index."""
    query = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.id, TaskInstance.state)
    query = query.where(TaskInstance.dag_id == about["dag_id"], TaskInstance.run_id == about["run_id"])
    if about["appid"]:  # instances of a mapped task are named by it, see TemplatedFields.pre_execute
        query = query.where(
            or_(TaskInstance.map_index < 0, TaskInstance.__table__.c.rendered_map_index == about["appid"])
        )
    with create_session() as session:
        return {(row[0], row[1]): (str(row[2]), str(row[3] or "")) for row in session.execute(query).all()}


def dag_run(about: About) -> tuple[dict[str, Any], str]:
    """Return conf and state of a run."""
    query = select(DagRun.conf, DagRun.state).where(DagRun.dag_id == about["dag_id"], DagRun.run_id == about["run_id"])
    with create_session() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        raise RefusedError(404, "act.refused.gone")
    return dict(row[0] or {}), str(row[1])


def new_run(dag_id: str, conf: Mapping[str, Any], about: About, *, name: str = "", **facts: str) -> Plan:
    """Start a run of a DAG, under an id that people recognise.

    :param name: of what is done, or of the version.
    """
    with create_session() as session:
        dag = session.get(DagModel, dag_id)
        if dag is None or dag.is_stale:
            raise RefusedError(404, "act.refused.no_dag", dag_id=dag_id)
        paused = dag.is_paused
    row = MiniPrograms(Secret(store_url())).of(about["appid"], [dag_id, about["dag_id"]]) if about["appid"] else None
    newest = open_ledger().entries(appid=about["appid"], most=1) if about["appid"] else []
    parts = [name, about["appid"], f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"[:-3]]
    shown = {key: _shown(value) for key, value in conf.items() if value not in (None, "", [], {})}
    return Plan(
        needs=("POST", DagAccessEntity.RUN, dag_id),
        state=[dag_id, dict(conf), [[row.sent_at, row.task.run_id] for row in newest]],
        is_repeatable=True,
        path=f"/dags/{quote(dag_id, safe='')}/dagRuns",
        body={
            "dag_run_id": "_".join(_NO_RUN_ID.sub("-", part) for part in parts if part),
            "logical_date": None,
            "conf": dict(conf),
            "note": " · ".join(filter(None, [name, row.name if row else "", about["appid"]])),
        },
        facts={"act.dag": dag_id, **facts, **shown} | ({"act.paused": "✓"} if paused else {}),
    )


def _shown(value: Any) -> str:
    is_lines = isinstance(value, list) and all(isinstance(each, str) for each in value)
    text = ", ".join(value) if is_lines else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:_TEXT_SHOWN]}…" if len(text) > _TEXT_SHOWN else text


def _again(_reader: Reader, about: About) -> Plan:
    """Release again what the run released."""
    conf, state = dag_run(about)
    if about["appid"] != conf.get("appid") or "user_version" not in conf or state not in _OVER:
        raise RefusedError(409, "act.refused.nothing")
    return new_run(about["dag_id"], conf, about, name=str(conf.get("user_version", "")))


def _release(_reader: Reader, about: About) -> Plan:
    """Start the run that the form has asked for; its own tasks check the conf again."""
    try:
        conf = dict(json.loads(about["conf"]))
        whole: dict[str, Any] = (
            json.loads(conf["manifest"]) if "manifest" in conf else {"release": conf, "apps": [conf["appid"]]}
        )
        version, apps = dict(whole["release"]).get("user_version", ""), list(whole["apps"])
    except (ValueError, LookupError, TypeError, AttributeError):
        raise RefusedError(400, "act.refused.gone") from None
    facts = {"act.count": str(len(apps))}
    if "manifest" in conf:
        waves = Counter(wave for wave, _ in places(read_waves(whole.get("waves") or {}), len(apps), len(apps)))
        facts["act.waves"] = ", ".join(f"{wave} {count}" for wave, count in waves.items())
    return new_run(about["dag_id"], conf, about, name=str(version), **facts)


def _roll_back(_reader: Reader, about: About) -> Plan:
    """Ask for the version before the one that is online."""
    rolled = {"appid": about["appid"]} | _connections(about, "wxa_conn_id")
    return new_run("wxa_rollback", rolled, about, name="rollback")


def _register(_reader: Reader, about: About) -> Plan:
    """Ask for the hosts that the Mini Program wants and the platform's list does not cover."""
    row = MiniPrograms(Secret(store_url())).of(about["appid"], [about["dag_id"]])
    if row is None:
        raise RefusedError(409, "act.refused.nothing")
    ledger = open_ledger()
    entries = ledger.entries(appid=about["appid"], dag_ids=[about["dag_id"]], most=_ENTRIES_READ)
    platform = ledger.entries(component_appid=row.component_appid, appid="", most=_ENTRIES_READ)
    marks = domain_table(entries, platform).marks
    wanted = [each for each, of_list in marks.items() if of_list["wanted"] == "yes"]
    missing = [each for each in wanted if marks[each]["platform"] != "yes"] or wanted.copy()
    if row.errcode == PLATFORM_WEBVIEW_DOMAIN_EMPTY:  # answered before any write that the ledger could tell of
        missing += [str(each) for each in dag_run(about)[0].get("webviewdomain") or ()]
    hosts = set()
    for each in missing:
        with suppress(WxaSpecError):  # a merchant's own list may hold what no platform list takes
            hosts.add(WebviewDomain.parse(each).host)
    if not hosts:
        raise RefusedError(409, "act.refused.nothing")
    asked = {"action": "add", "hosts": sorted(hosts)} | _connections(about, "platform_conn_id", "wxa_conn_id")
    return new_run("wxa_platform_domains", asked, about, name="register")


def _connections(about: About, to: str, *other: str) -> dict[str, str]:
    """Return a run's Connection, given or its DAG's own, as another DAG's param; ``{}``: the default there."""
    conf, _ = dag_run(about)
    given = next((conf[name] for name in (to, *other) if conf.get(name)), None)
    given = given or open_ledger().conn_id(about["dag_id"], about["run_id"], about["appid"])
    return {to: str(given)} if given else {}


def _authorise(_reader: Reader, about: About) -> Plan:
    """Make the link by which the merchant authorises the platform, where a release stopped for want of it."""
    said = open_ledger().outcome(about["dag_id"], about["run_id"], about["appid"]) or {}
    row = MiniPrograms(Secret(store_url())).of(about["appid"], [about["dag_id"]])
    if row is None or said.get("errcode") not in _NOT_AUTHORISED:
        raise RefusedError(409, "act.refused.nothing")
    if not api_base_url():
        raise RefusedError(409, "act.refused.base_url")
    conn_id = _connections(about, "platform_conn_id", "wxa_conn_id").get("platform_conn_id", "wxa_default")
    back = f"{api_base_url()}{PUSH_PREFIX}/authorised"
    step = new_authorisation_link(row.component_appid, back, appid=about["appid"])
    return Plan(
        needs=("POST", DagAccessEntity.RUN, about["dag_id"]),
        state=[about["run_id"]],
        step=(step, "api_create_preauthcode", conn_id),
        is_repeatable=True,
    )


def _fleet(about: About) -> tuple[Fleets, FleetRun]:
    fleets = open_fleets()
    run = fleets.run(RunKey(about["dag_id"], about["run_id"]))
    if run is None:
        raise RefusedError(404, "act.refused.gone")
    return fleets, run


def _stop(reader: Reader, about: About) -> Plan:
    """Let running calls finish, and no new write start."""
    fleets, run = _fleet(about)
    if run.stopped_by is not None or dag_run(about)[1] in _OVER:
        raise RefusedError(409, "act.refused.nothing")
    return Plan(
        needs=("PUT", DagAccessEntity.RUN, run.dag_id),
        state=[run.dag_id, run.run_id],
        do=lambda _: fleets.stop(run.key, reader.names[1]),
    )


def _open_gate(reader: Reader, about: About) -> Plan:
    """Let a fleet go on behind a gate that closed, as a person says yes to its figures."""
    fleets, run = _fleet(about)
    failed = [key for key, (_, state) in _tasks(about).items() if state == "failed" and key[0].endswith("_gate")]
    wave = failed[0][0].rpartition(".")[2].removesuffix("_gate") if failed else ""
    gates = gates_of(run)
    waves, _ = waves_of(fleets.counts(run.key), run.manifest, gates)
    asked, of_wave = gates.get(wave), next((each for each in waves if each.name == wave), None)
    if asked is None or of_wave is None or asked.after.get("outcome") != "asked":
        raise RefusedError(409, "act.refused.nothing")
    if not may_open_gate(asked, *reader.names):
        raise RefusedError(403, "act.refused.rights")

    user, by = reader.names
    cleared = _cleared(about, failed[:1], [*failed[0], asked.id])
    facts = {"act.waves": reader.word(f"headline.{of_wave.why_closed}", **of_wave.figures)}
    question = values_of(asked.asked["question"])
    facts |= {name: _shown(question[name]) for name in ("approvers", "approver_must_differ") if question.get(name)}

    def opened(why: str) -> None:
        open_gate(open_ledger(), run, wave, by=by, why=why, user=user)

    return replace(cleared, do=opened, asks_why=True, facts=facts)


def _rerun(_reader: Reader, about: About) -> Plan:
    """Go on with the unfinished Mini Programs of a fleet, in a run of their own."""
    fleets, run = _fleet(about)
    conf, state = dag_run(about)
    counts = fleets.counts(run.key)
    left = sum(count for *_, outcome, _, count in counts if outcome not in FINISHED)
    if not left or (run.stopped_by is None and state not in _OVER):
        raise RefusedError(409, "act.refused.nothing")

    def manifest() -> Mapping[str, Any]:
        text = rerun_manifest(run, fleets.apps(run.key))
        if len(text.encode()) > MAX_PARAM_BYTES:
            raise RefusedError(409, "act.refused.large", run_id=run.run_id)
        return {"manifest": text}

    for name in ("manifest", "run_id", "app_version"):  # which Mini Programs are meant stands in the new one
        conf.pop(name, None)
    name = f"{run.manifest.get('release', {}).get('user_version', '')}-rest".lstrip("-")
    started = new_run(run.dag_id, conf, about, name=name, **{"act.count": str(left)})
    return replace(started, conf=manifest, state=[started.state, run.stopped_by, [list(each) for each in counts]])


def _undo(_reader: Reader, about: About) -> Plan:
    """Ask whether all that a fleet has released goes back."""
    fleets, run = _fleet(about)
    released = sum(count for *_, outcome, _, count in fleets.counts(run.key) if outcome == "released")
    if not released or ROLLBACK in run.manifest:
        raise RefusedError(409, "act.refused.nothing")
    asked = {"run_id": run.run_id} | _connections(about, "wxa_conn_id")
    return new_run("wxa_fleet_rollback", asked, about, name="rollback", **{"act.count": str(released)})


ACTS: Final[Mapping[str, Callable[[Reader, About], Plan]]] = {
    each.__name__.removeprefix("_"): each
    for each in (_answer, _clear, _register, _authorise, _again, _release, _roll_back, _stop, _open_gate, _rerun, _undo)
}
