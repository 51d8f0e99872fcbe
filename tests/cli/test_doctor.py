"""Each fault is named with its fix, and nothing else is; a healthy set-up has no finding."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.doctor import to_json
from airflow_wxa.cli.doctor.rules import RULES
from airflow_wxa.sandbox import Fault, MiniProgram, Platform
from airflow_wxa.sandbox.testing import (
    APPID,
    COMPONENT_APPID,
    COMPONENT_APPSECRET,
    COMPONENT_VERIFY_TICKET,
    ENCODING_AES_KEY,
    MERCHANT_TOKEN,
    PLATFORM_TOKEN,
    PUSH_TOKEN,
    REFRESH_TOKEN,
)
from airflow_wxa.texts import in_language
from tests.cli.healthy import SetUp, not_looked_at
from tests.english import english_in

NOBODY = "wx00000000000000ff"
NOWHERE = "http://127.0.0.1:1"


Spoil: TypeAlias = "Callable[[SetUp], object]"


# What spoils a set-up -------------------------------------------------------------------------------------------------


def field(**values: object) -> Spoil:
    return lambda set_up: vars(set_up).update(values)


def extra(**fields: object) -> Spoil:
    return lambda set_up: set_up.extra.update(fields)


def platform(**fields: object) -> Spoil:
    return lambda set_up: [setattr(set_up.world.platforms[0], *each) for each in fields.items()]


def merchant(**fields: object) -> Spoil:
    return lambda set_up: [setattr(set_up.world.mini_programs[0], *each) for each in fields.items()]


def fault(path: str, errcode: int) -> Spoil:
    return lambda set_up: set_up.running.add_fault(Fault(path=path, kind="errcode_before", errcode=errcode, times=None))


def env(name: str, value: str) -> Spoil:
    return lambda set_up: set_up.monkeypatch.setenv(f"AIRFLOW__{name}", value)


def sql(statement: str, *values: object) -> Spoil:
    return lambda set_up: set_up.sql(statement, *values)


def ticket_of(seconds: int) -> Spoil:
    return sql("update wxa_credential set renewal_at = renewal_at - ? where appid = ''", seconds)


def asks_for_tls(set_up: SetUp) -> None:
    set_up.host = set_up.running.url.replace("http://", "https://")


def marked_refused(set_up: SetUp) -> None:
    store = set_up.open_store()
    store.put_renewals(COMPONENT_APPID, {NOBODY: Secret("dead")})
    store.mark(COMPONENT_APPID, NOBODY, "refused")


def wrong_login(set_up: SetUp) -> None:
    """Keep the same ticket and refresh token under another platform; ciphertext cannot be moved from row to row."""
    set_up.login = NOBODY
    sql("delete from wxa_credential")(set_up)
    renewals = {"": Secret(COMPONENT_VERIFY_TICKET), APPID: Secret(REFRESH_TOKEN)}
    set_up.open_store().put_renewals(NOBODY, renewals)


def another_refreshes(account: Callable[[SetUp], Platform | MiniProgram]) -> Spoil:
    def spoil(set_up: SetUp) -> None:
        set_up.world.platforms[0].overlap_seconds = 0
        set_up.work()
        set_up.world.new_access_token(account(set_up))

    return spoil


COMPONENT = "/cgi-bin/component"
WARNINGS = {"shown_secrets", "ticket_pushes", "individual", "platform_lists_differ"}
#: Rule → faults that it alone finds: parts of its what and which, a part of its fix.
FAULTS: dict[str, list[tuple[Spoil, tuple[str, ...], str]]] = {
    "conn_type": [(field(conn_type="http"), ("of type http",), "wxa")],
    "connection": [
        (field(raw_extra="[1]"), ("no JSON object",), "object"),
        (field(raw_extra="{"), ("no JSON object",), "object"),
        (field(login="", password=""), ("no source",), "login"),
        (field(login=""), ("component_appid",), "correct the Connection"),
    ],
    "shown_secrets": [
        (env("CORE__SENSITIVE_VAR_CONN_NAMES", ""), ("extra encoding_aes_key",), "sensitive_var_conn_names")
    ],
    "forward_pushes_to": [
        (env("WXA__FORWARD_PUSHES_TO", "http://a.example"), ("must be https",), "restart the receiver")
    ],
    "authorizer_list": [(fault(f"{COMPONENT}/api_get_authorizer_list", 48001), ("48001",), "authorise again")],
    "wrong_host": [(field(host="https://"), ("no address",), "https://api.weixin.qq.com")],
    "unreachable": [(field(host=NOWHERE), ("127.0.0.1:1",), "airflow-wxa sandbox")],
    "tls": [(asks_for_tls, ("speaks no TLS",), "host and port")],
    "dns": [(field(host="https://nowhere.invalid"), ("nowhere.invalid",), "typing error")],
    "plain_http": [(field(host="http://api.weixin.qq.com"), ("api.weixin.qq.com",), "https://")],
    "clock": [
        (lambda set_up: set_up.world.advance(600), ("10 min behind",), "time synchronisation"),
        (lambda set_up: set_up.world.advance(-600), ("10 min ahead",), "time synchronisation"),
    ],
    "ip_allow_list": [(platform(ip_allowed=False), ("61004",), "IP allow list")],
    "component_appid": [(wrong_login, (NOBODY, "40013"), "login")],
    "component_appsecret": [
        (field(password="another"), ("40125",), "password"),
        (fault(f"{COMPONENT}/api_component_token", 40001), ("40001",), "password"),
    ],
    "no_ticket": [
        (sql("update wxa_credential set renewal = null where appid = ''"), ("no component",), "--import"),
        (sql("delete from wxa_credential where appid = ''"), ("no component",), "--restart"),
        (platform(component_verify_ticket="another"), ("61006",), "ticket --restart"),
    ],
    "old_ticket": [
        (ticket_of(13 * 3600), ("13 h ago",), "ticket --restart"),
        (fault(f"{COMPONENT}/api_component_token", 61005), ("has run out",), "ticket --restart"),
    ],
    "ticket_pushes": [(ticket_of(5 * 3600), ("5 h ago", "7 h more"), "receiver")],
    "platform_token": [
        (fault(f"{COMPONENT}/modify_wxa_jump_domain", 40001), ("40001",), "fetches tokens"),
        (platform(daily_limits={f"{COMPONENT}/api_component_token": 0}), ("45009",), "next day"),
    ],
    "not_authorised": [(lambda set_up: set_up.world.withdraw(APPID), (APPID, "61003"), f"authorise --appid {APPID}")],
    "refresh_token": [
        # Its list tells the one that is stored.
        (fault(f"{COMPONENT}/api_authorizer_token", 61023), (APPID, "61023"), "authorise"),
        (marked_refused, (NOBODY, "1 merchants"), "--import-list"),
    ],
    "permission_set_18": [(merchant(granted_sets={17, 30}), (APPID, "17, 30"), "tick set 18")],
    "individual": [
        (merchant(individual=True), (APPID, "principal_type 0"), "without domains"),
        (merchant(individual=True, granted_sets={18}), (APPID, "个人"), "without domains"),
    ],
    "merchant_token": [(fault("/wxa/queryquota", 40014), ("40014", APPID), "doctor")],
    "platform_list_empty": [
        (platform(testing=[], published=[]), ("89020", "published"), "on_platform_list_empty"),
        (platform(testing=[], published=None), ("testing list",), "on_platform_list_empty"),
    ],
    "platform_lists_differ": [(platform(testing=["example.com", "b.cn"]), ("testing only: b.cn",), "publish")],
    "audit_quota": [(platform(audit_rest=0), ("85085", "0 of 100"), "服务商助手")],
    "store": [
        (field(store_url=f"sqlite:///{Path(__file__).parent}"), ("does not answer",), "sql_alchemy_conn"),
        (field(keys=[Fernet.generate_key().decode()]), ("another key",), "encryption_keys"),
        (field(keys=[]), ("no key",), "fernet_key"),
    ],
    "store_file": [(lambda set_up: set_up.file.chmod(0o644), ("mode 0644", "wxa.db"), "chmod 600")],
    "push_keys": [
        (extra(encoding_aes_key="abc"), ("it has 3",), "43 letters"),
        (extra(previous_encoding_aes_key="a" * 44), ("previous_encoding_aes_key", "it has 44"), "43 letters"),
        (extra(push_token=""), ("push_token is empty",), "Token"),
    ],
    "two_refreshers": [
        (another_refreshes(lambda set_up: set_up.world.platforms[0]), ("the platform token",), "stop it"),
        (another_refreshes(lambda set_up: set_up.world.mini_programs[0]), (APPID,), "stop it"),
    ],
}


@pytest.mark.parametrize(
    ("key", "place"), [(key, place) for key, those in FAULTS.items() for place in range(len(those))]
)
def test_fault_is_named_with_its_fix_nothing_else_is_found_and_no_secret_shown(
    key: str, place: int, set_up: SetUp
) -> None:
    spoil, says, fix = FAULTS[key][place]
    spoil(set_up)

    report = set_up.report()

    level = "warning" if key in WARNINGS else "error"
    assert [(rule.key, rule.level) for rule, _ in report.findings] == [(key, level)]
    _, finding = report.findings[0]
    assert [part for part in says if part not in f"{finding.what} {finding.which}"] == []
    assert fix in finding.fix
    assert report.exit_code == (level == "error")
    chinese = "\n".join(in_language(text, "zh") for text in (finding.what, finding.which, finding.fix))
    assert english_in(re.sub(r"(errmsg|it says) .*", "", chinese)) == []  # words of WeChat's, or of a database
    secrets = [COMPONENT_APPSECRET, COMPONENT_VERIFY_TICKET, REFRESH_TOKEN, PUSH_TOKEN, ENCODING_AES_KEY, *set_up.keys]
    secrets += [each.value for each in set_up.world.platforms[0].issued + set_up.world.mini_programs[0].issued]
    assert [secret for secret in secrets if secret in str(to_json(report))] == []


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {each.key for each in RULES} == FAULTS.keys(), "add a fault for each"


# A set-up in which nothing is wrong -----------------------------------------------------------------------------------


def test_a_healthy_set_up_has_no_finding_when_new_and_when_used_and_is_asked_once_without_a_write(
    set_up: SetUp,
) -> None:
    new = set_up.report()
    assert [entry.path.rpartition("/")[2] for entry in set_up.running.journal] == [
        "getversioninfo",  # without a token
        "api_component_token",
        "modify_wxa_jump_domain",
        "api_get_authorizer_info",
        "api_authorizer_token",
        "queryquota",
        "getaccountbasicinfo",
        "api_get_authorizer_list",
    ]
    assert set_up.running.journal[2].body == {"action": "get"}
    used = set_up.report()
    assert [(each.findings, each.exit_code) for each in (new, used)] == [([], 0)] * 2
    assert not_looked_at(new) == {
        "tls": "the host is plain http",
        "two_refreshers": "no token of ours was in the store before that works now",
    }
    assert not_looked_at(used).keys() == {"tls", "component_appid", "component_appsecret"}


@pytest.mark.parametrize(("overlap", "rotation"), [(0, "never"), (0, "each"), (300, "never"), (300, "each")])
def test_neither_our_own_renewal_nor_a_token_that_ran_out_nor_a_company_without_set_30_is_a_finding(
    set_up: SetUp, overlap: int, rotation: str
) -> None:
    platform(overlap_seconds=overlap, rotate_refresh_tokens=rotation, expires_in=200)(set_up)
    merchant(granted_sets={18})(set_up)
    set_up.work()
    set_up.sql("update wxa_credential set access_expires_at = access_expires_at - 190")
    assert set_up.report().findings == []
    set_up.sql("update wxa_credential set access_expires_at = access_expires_at - 170")  # too long to be renewed early
    for account in (set_up.world.platforms[0], set_up.world.mini_programs[0]):
        account.issued[-1].expires_at = 0
    assert set_up.report().findings == []


def test_fixed_tokens_alone_are_a_healthy_set_up(set_up: SetUp) -> None:
    fixed = {"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}, "component_access_token": PLATFORM_TOKEN}
    field(login="", password="", extra=fixed | {"timeout": 5}, keys=[])(set_up)  # the store is not opened
    report = set_up.report()
    assert report.findings == []
    assert "store" in not_looked_at(report)


def test_a_merchant_who_withdrew_is_looked_at_only_when_named(set_up: SetUp) -> None:
    set_up.world.withdraw(APPID)
    set_up.open_store().mark(COMPONENT_APPID, APPID, "withdrawn")
    assert set_up.report().findings == []
    set_up.appids = [APPID]
    assert rules_that_found(set_up) == ["not_authorised"]


def test_three_merchants_of_many_are_looked_at(set_up: SetUp) -> None:
    many = [f"wx{number:016x}" for number in range(100, 120)]
    set_up.world.mini_programs += [
        MiniProgram(appid=appid, component_appid=COMPONENT_APPID, refresh_token=f"refresh-{appid}") for appid in many
    ]
    set_up.open_store().put_renewals(COMPONENT_APPID, {appid: Secret(f"refresh-{appid}") for appid in many})
    assert set_up.report().findings == []
    assert set_up.running.journal.count("/wxa/queryquota") == 3


def test_a_stranger_gets_no_row_in_the_store(set_up: SetUp) -> None:
    set_up.appids = [NOBODY]
    assert [(rule.key, NOBODY in found.which) for rule, found in set_up.report().findings] == [("not_authorised", True)]
    assert set_up.open_store().merchant(COMPONENT_APPID, NOBODY) is None


# Several faults at once -----------------------------------------------------------------------------------------------


def test_faults_of_different_parts_are_all_found(set_up: SetUp) -> None:
    keys = ["push_keys", "store_file", "ticket_pushes", "platform_lists_differ", "permission_set_18"]
    for key in keys:
        FAULTS[key][0][0](set_up)
    assert rules_that_found(set_up) == keys


def test_nothing_behind_a_host_or_a_ticket_that_is_missing_is_looked_at(set_up: SetUp) -> None:
    FAULTS["no_ticket"][0][0](set_up)
    assert not {each.key for each in set_up.report().fine} & {"ip_allow_list", "component_appsecret", "audit_quota"}
    set_up.host = NOWHERE
    reasons = not_looked_at(set_up.report())
    assert {reasons[key] for key in ("wrong_host", "clock", "platform_token", "not_authorised", "audit_quota")} == {
        "the host does not answer"
    }


def rules_that_found(set_up: SetUp) -> list[str]:
    return [rule.key for rule, _ in set_up.report().findings]
