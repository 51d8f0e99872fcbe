"""Each act by each of its doors, on the same world: the same calls, the same outcome, the writes that it names."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa import operators
from airflow_wxa.acts import account, code, domains, plain, platform, release, rollback
from airflow_wxa.acts.act import Act
from airflow_wxa.acts.plain import _Plain
from airflow_wxa.api.call import body_schema
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import WxaSpecError, WxaStateError
from airflow_wxa.hooks import files, recorder
from airflow_wxa.hooks.approvals import refusal
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World, serve
from airflow_wxa.sandbox.platforms import Draft, Template
from airflow_wxa.sandbox.testing import APPID, one_merchant
from airflow_wxa.steps import Approved, RollbackPlan, roll_back
from airflow_wxa.steps.offline import OFFLINE
from docs.generate.pages import described, operator_of
from tests.airflow_session import connection
from tests.operators.test_approval import answer as answer_of
from tests.operators.test_approval import answered

ByDoor = Callable[..., tuple[list[Any], Any, set[str]]]

VERSION: Final[dict[str, Any]] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}
ORIGIN: Final = "https://m.example.com"
SERVERS: Final = {"requestdomain": ["https://api.example.com"]}
OWNER: Final = {"contact_email": "a@example.com", "notice_method": "popup"}
#: Act → its fields, and what has been done before.
CASES: Final[Mapping[type[Act], tuple[Mapping[str, Any], str]]] = {
    platform.AddToTemplate: ({"user_version": "2.0.0"}, ""),
    account.ApplyPrivacyInterface: ({"appid": APPID, "api_name": "wx.getLocation", "content": "shops nearby"}, ""),
    code.AuditStatus: ({"appid": APPID, "auditid": "{auditid}"}, "submit"),
    plain.BindTester: ({"appid": APPID, "wechatid": "lin"}, ""),
    platform.ChangePlatformDomain: ({"action": "add", "hosts": ["m.example.org"], "approval_task_id": "approve"}, ""),
    plain.ChangeVisitStatus: ({"appid": APPID, "action": "close"}, ""),
    account.CheckAccount: ({"appid": APPID, "guide_is_given": True}, ""),
    code.Commit: ({**VERSION, "user_desc": "spring", "withdraw_foreign_audit": True}, "foreign"),
    plain.DeleteTemplate: ({"template_id": "48"}, ""),
    domains.EffectiveServerDomains: ({"appid": APPID}, ""),
    account.GetPrivacySetting: ({"appid": APPID}, ""),
    release.GrayRelease: ({**VERSION, "gray_percentage": 10, "auditid": "{auditid}"}, "approved"),
    rollback.ListVersions: ({"appid": APPID}, ""),
    domains.ModifyPlatformDomain: ({"action": "add", "hosts": ["m.example.org"]}, ""),
    domains.ModifyPlatformServerDomain: ({"action": "add", "hosts": ["api.example.org"]}, ""),
    domains.ModifyServerDomain: ({"appid": APPID, "action": "add", "server_domains": SERVERS}, ""),
    release.Release: ({**VERSION, "auditid": "{auditid}"}, "approved"),
    release.RevertGrayRelease: ({"appid": APPID}, "gray"),
    rollback.RollBack: ({"plan": "{plan}", "approval_task_id": "approve"}, "planned"),
    plain.SetPrefetchDnsDomain: ({"appid": APPID, "prefetch_dns_domain": [{"url": "a"}]}, ""),
    account.SetPrivacySetting: ({"appid": APPID, "privacy_setting": {"owner_setting": OWNER, "setting_list": []}}, ""),
    plain.SetSupportVersion: ({"appid": APPID, "version": "2.20.1"}, ""),
    domains.SetWebviewDomain: ({"appid": APPID, "action": "add", "webviewdomain": [ORIGIN]}, ""),
    domains.SetWebviewDomainDirectly: ({"appid": APPID, "action": "add", "webviewdomain": [ORIGIN]}, ""),
    plain.SpeedUpAudit: ({"appid": APPID, "auditid": "{auditid}"}, "submit"),
    code.SubmitAudit: ({**VERSION, "audit_form": {"ugc_declare": {"scene": [0]}}}, "commit"),
    code.UndoAudit: ({"appid": APPID, "auditid": "{auditid}"}, "submit"),
    code.VerifyRelease: ({**VERSION, "webviewdomain": [ORIGIN], "server_domains": SERVERS}, "released"),
    rollback.VerifyRollback: ({"plan": "{plan}"}, "rolled back"),
    files.TrialQrcode: ({"appid": APPID, "path": "pages/index"}, "commit"),
    files.UploadMedia: ({"appid": APPID, "file": "{folder}/shop.png"}, ""),
    files.WebviewDomainConfirmfile: ({"appid": APPID, "directory": "{folder}"}, ""),
}
#: The sensor looks at these.
WITHOUT_OPERATOR: Final = {code.AuditStatus}
#: Endpoint that an act writes to under other circumstances than those above.
NOT_TRIED: Final[Mapping[type[Act], set[str]]] = {
    domains.ModifyServerDomain: {"modify_domain_directly"},
    domains.SetWebviewDomain: {"setwebviewdomain_directly"},
    code.SubmitAudit: {"undocodeaudit"},
}
DOORS: Final[Mapping[str, Callable[[type[Act], Mapping[str, Any]], Any]]] = {
    "step": lambda act, fields: WxaHook().run(act(**fields).step()),
    "operator": lambda act, fields: operator_of(act)(task_id="t", **fields).execute({}),
    "hook": lambda act, fields: method_of(act)(WxaHook(), **fields),
}


approved = pytest.mark.parametrize(
    "act", [each for each in CASES if "approval_task_id" in inspect.signature(each).parameters]
)


def all_acts(of: type[Act] = Act) -> Iterator[type[Act]]:
    for each in of.__subclasses__():
        yield from all_acts(each)
        if not inspect.isabstract(each) and not each.__name__.startswith("_"):
            yield each


def doors_of(act: type[Act]) -> list[str]:
    return ["hook"] if act in WITHOUT_OPERATOR else ["operator", "hook"]


def method_of(act: type[Act]) -> Any:
    (found,) = (each for cls in WxaHook.__mro__ for each in vars(cls).values() if getattr(each, "act", None) is act)
    return found


def approval_of(act: type[Act], fields: Mapping[str, Any]) -> Any:
    """Return the task that asks about an act with these fields; one that reads what a task returned gets them so."""
    (said,) = (text for parameter, text in described(operator_of(act)) if parameter.name == "approval_task_id")
    kind = getattr(operators, re.findall(r"Wxa\w+", said)[0])
    taken = {parameter.name for parameter, _ in described(kind)}
    offered = {"appid": APPID, **fields, "read": dict(fields)}
    return kind(task_id="approve", **{name: value for name, value in offered.items() if name in taken})


def world() -> World:
    """Return a platform, and a Mini Program that has versions to go back to; reviewers approve at once."""
    made = one_merchant()
    platform, account = made.platforms[0], made.mini_programs[0]
    platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
    platform.templates, platform.drafts = [Template(template_id=48)], [Draft(draft_id=3, user_version="2.0.0")]
    platform.speedup_rest = 1
    account.granted_sets = {18, 30}
    account.scan_polls, account.audit = 0, AuditPlan(polls=10**6)
    account.release_info = {"release_time": 1, "release_version": "1.3.0", "release_desc": ""}
    account.versions = [{"app_version": 1, "user_version": "1.2.0", "user_desc": "", "commit_time": 1}]
    return made


def prepared(running: RunningSandbox, before: str) -> dict[str, Any]:
    """Do what comes before, and return what fields may name of it."""
    named: dict[str, Any] = {"auditid": ""}
    account, hook = running.world.mini_program(APPID), WxaHook()
    match before:
        case "commit":
            hook.commit(**VERSION)
        case "foreign":
            hook.commit(APPID, 47, "1.3.9")
            hook.submit_audit(APPID, 47, "1.3.9")
        case "submit" | "approved" | "gray" | "released":
            hook.commit(**VERSION)
            account.audit = AuditPlan(polls=10**6 if before == "submit" else 0)
            named["auditid"] = hook.submit_audit(**VERSION)["auditid"]
        case "planned" | "rolled back":
            named["plan"] = hook.list_versions(APPID)
    if before == "rolled back":
        hook.run(roll_back(RollbackPlan.from_json(named["plan"])))
    if before == "gray":
        hook.gray_release(**VERSION, gray_percentage=10)
    if before == "released":
        hook.configure_domains(APPID, "add", [ORIGIN])
        hook.configure_server_domains(APPID, "add", SERVERS)
        hook.release(**VERSION)
    return named


@pytest.fixture
def by_door(airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ByDoor:
    """Return a function that does an act on a world of its own, and returns calls, outcome and writes."""

    def done(act: type[Act], door: str, answer: str | None = None) -> tuple[list[Any], Any, set[str]]:
        fields, before = CASES[act]
        fields = fields if answer is None else {**fields, "approval_task_id": ""}  # outside of a run no task has a name
        (tmp_path / "shop.png").write_bytes(b"\x89PNG and more")
        monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / door}.db")
        monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", str(tmp_path))
        monkeypatch.setattr(recorder, "is_approval_wanted", lambda _: answer is not None)
        with serve(world()) as running:
            monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(running.url))
            named = {"folder": str(tmp_path), **prepared(running, before)}
            given = {name: filled(value, named) for name, value in fields.items()}
            if answer:
                answered(approval_of(act, given), answer_of(answer))
            calls, writes = len(running.journal), len(open_ledger().entries(most=None))
            if answer == "":
                with pytest.raises(WxaStateError, match="nobody has approved it"):
                    DOORS[door](act, given)
                outcome = {}
            else:
                outcome = DOORS[door](act, given)
            wrote = open_ledger().entries(most=None)
            sent = [(each.method, each.path, each.body, each.errcode) for each in running.journal[calls:]]
        return sent, plain(outcome), {each.endpoint for each in wrote[: len(wrote) - writes]}

    return done


def filled(value: Any, named: Mapping[str, Any]) -> Any:
    if value == "{plan}":
        return named["plan"]
    return value.format_map(named) if isinstance(value, str) else value


def plain(outcome: Any) -> Any:
    said = outcome if isinstance(outcome, dict) else outcome.to_json()
    return {name: value for name, value in said.items() if not name.endswith("_time")}


def test_the_table_holds_every_act_and_each_names_writes_of_the_catalogue() -> None:
    assert set(CASES) == set(all_acts())
    assert [name for act in CASES for name in act.writes if not CATALOGUE[name].writes] == []


@pytest.mark.parametrize("act", CASES)
def test_doors_do_alike_and_read_all_fields(act: type[Act], by_door: ByDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()

    class _Watched(act):  # type: ignore[misc, valid-type]
        def __post_init__(self) -> None:
            super().__post_init__()
            read.clear()  # what building it reads

        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    monkeypatch.setitem(CASES, _Watched, CASES[act])  # type: ignore[arg-type]
    _Watched.writes = act.writes
    calls, outcome, writes = by_door(_Watched, "step")
    assert calls
    assert writes == set(act.writes) - NOT_TRIED.get(act, set())
    assert {each.name for each in dataclasses.fields(act)} - read == set()
    for door in doors_of(act):
        assert by_door(act, door) == (calls, outcome, writes), door


@approved
def test_an_act_that_names_an_approval_writes_nothing_without_a_decision(act: type[Act], by_door: ByDoor) -> None:
    for door in ("step", *doors_of(act)):
        calls, _, _ = by_door(act, door, answer="")
        paths = {CATALOGUE[name].path for name in act.writes}
        assert not [path for _, path, body, _ in calls if path in paths and (body or {}).get("action") != "get"], door


@approved
def test_an_act_proves_each_approved_fact(act: type[Act], by_door: ByDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    named: set[str] = set()
    proven = {OFFLINE}  # a bound: what may go offline is compared with it

    def watched(task_id: str, asked: Approved, decision: Mapping[str, Any]) -> WxaStateError | None:
        (row,) = (each for each in open_ledger().entries(most=None) if "question" in each.asked)
        named.update(name for name, fact in row.asked["question"]["facts"].items() if fact["named"])
        proven.update(asked.about)
        return refusal(task_id, asked, decision)

    monkeypatch.setattr(recorder, "refusal", watched)
    _, _, writes = by_door(act, "operator", answer="Approve")
    assert writes == set(act.writes)
    assert named
    assert named - proven == set(), "`about` of the `approved(…)` in the step leaves out facts that the question names"


def test_each_door_refuses_the_same_and_sends_nothing(airflow_database: None, wxa_default: RunningSandbox) -> None:
    for act, (fields, _) in CASES.items():
        wrong = {**fields, **dict.fromkeys(act.reads, object())}
        for door in doors_of(act):
            with pytest.raises(WxaSpecError) as refused:
                DOORS[door](act, wrong)
            assert isinstance(refused.value, AirflowFailException)
            assert [each.partition(" = ")[0] for each in refused.value.problems] == list(act.reads), (act, door)
    assert wxa_default.journal == []


@pytest.mark.parametrize("act", [each for each in CASES if issubclass(each, _Plain)])
def test_the_fields_of_a_plain_call_are_those_of_its_schema(act: type[Act]) -> None:
    (endpoint,) = act.writes
    schema = body_schema(endpoint)
    assert set(act.reads) - {"appid"} == set(schema["properties"])
    assert {name for name, each in inspect.signature(act).parameters.items() if each.default is each.empty} == {
        *schema["required"],
        *({"appid"} & set(act.reads)),
    }
