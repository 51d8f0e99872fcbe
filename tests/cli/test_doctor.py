"""Each fault is named with its fix, and nothing else is; a healthy set-up has no finding."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.audit import queryquota
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.doctor import to_json
from airflow_wxa.cli.doctor.rules import RULES, Report
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
from tests.cli.healthy import SetUp
from tests.english import english_in

NOBODY = "wx00000000000000ff"


# What spoils a set-up -------------------------------------------------------------------------------------------------


def field(name: str, value: object) -> Callable[[SetUp], None]:
    return lambda set_up: setattr(set_up, name, value)


def extra(**fields: object) -> Callable[[SetUp], None]:
    return lambda set_up: set_up.extra.update(fields)


def platform(**fields: object) -> Callable[[SetUp], None]:
    def spoil(set_up: SetUp) -> None:
        for name, value in fields.items():
            setattr(set_up.world.platforms[0], name, value)

    return spoil


def merchant(**fields: object) -> Callable[[SetUp], None]:
    def spoil(set_up: SetUp) -> None:
        for name, value in fields.items():
            setattr(set_up.world.mini_programs[0], name, value)

    return spoil


def fault(path: str, errcode: int) -> Callable[[SetUp], None]:
    return lambda set_up: set_up.running.add_fault(Fault(path=path, kind="errcode_before", errcode=errcode, times=None))


def env(name: str, value: str | None) -> Callable[[SetUp], None]:
    """Set a variable of the environment; ``None``: unset it."""
    return lambda set_up: (
        set_up.monkeypatch.setenv(name, value) if value is not None else set_up.monkeypatch.delenv(name)
    )


def sql(statement: str, *values: object) -> Callable[[SetUp], None]:
    def spoil(set_up: SetUp) -> None:
        with closing(sqlite3.connect(set_up.file)) as connection, connection:
            connection.execute(statement, values)

    return spoil


def ticket_of(seconds: int) -> Callable[[SetUp], None]:
    return sql("update wxa_credential set renewal_at = renewal_at - ? where appid = ''", seconds)


def nobody_listens(set_up: SetUp) -> None:
    set_up.host = "http://127.0.0.1:1"


def withdraws(set_up: SetUp) -> None:
    set_up.world.withdraw(APPID)


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


def another_refreshes(set_up: SetUp, account: Platform | MiniProgram) -> None:
    set_up.world.platforms[0].overlap_seconds = 0
    worker = set_up.platform
    worker.client.send(queryquota(APPID))  # both tokens are in the store now
    worker.client.close()
    set_up.world.new_access_token(account)


@dataclass(frozen=True)
class Case:
    """A fault.

    :param rule: the only rule that finds something.
    :param says: parts of its what and which.
    :param fix: a part of its fix.
    """

    spoil: Callable[[SetUp], None]
    rule: str
    says: tuple[str, ...]
    fix: str
    level: str = "error"


FAULTS = {
    "another type": Case(field("conn_type", "http"), "conn_type", ("of type http",), "wxa"),
    "extra is no object": Case(field("raw_extra", "[1]"), "connection", ("no JSON object",), "object"),
    "extra is no JSON": Case(field("raw_extra", "{"), "connection", ("no JSON object",), "object"),
    "AES key is shown": Case(
        env("AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES", None),
        "shown_secrets",
        ("extra encoding_aes_key",),
        "sensitive_var_conn_names",
        "warning",
    ),
    "pushes go on in the open": Case(
        env("AIRFLOW__WXA__FORWARD_PUSHES_TO", "http://push.example.com"),
        "forward_pushes_to",
        ("must be https",),
        "restart the receiver",
    ),
    "no list of merchants": Case(
        fault("/cgi-bin/component/api_get_authorizer_list", 48001), "authorizer_list", ("48001",), "authorise again"
    ),
    "no such URL": Case(field("host", "https://"), "wrong_host", ("no address",), "https://api.weixin.qq.com"),
    "nobody listens": Case(nobody_listens, "unreachable", ("127.0.0.1:1",), "airflow-wxa sandbox"),
    "no TLS": Case(
        lambda s: setattr(s, "host", s.running.url.replace("http://", "https://")),
        "tls",
        ("speaks no TLS",),
        "host and port",
    ),
    "no DNS": Case(field("host", "https://nowhere.invalid"), "dns", ("nowhere.invalid",), "typing error"),
    "plain http": Case(field("host", "http://api.weixin.qq.com"), "plain_http", ("api.weixin.qq.com",), "https://"),
    "clock 10 min behind": Case(lambda s: s.world.advance(600), "clock", ("10 min behind",), "time synchronisation"),
    "clock 10 min ahead": Case(lambda s: s.world.advance(-600), "clock", ("10 min ahead",), "time synchronisation"),
    "IP not allowed": Case(platform(ip_allowed=False), "ip_allow_list", ("61004",), "IP allow list"),
    "wrong component_appid": Case(wrong_login, "component_appid", (NOBODY, "40013"), "login"),
    "wrong secret": Case(field("password", "another"), "component_appsecret", ("40125",), "password"),
    "wrong secret, as 40001": Case(
        fault("/cgi-bin/component/api_component_token", 40001), "component_appsecret", ("40001",), "password"
    ),
    "no ticket": Case(
        sql("update wxa_credential set renewal = null where appid = ''"), "no_ticket", ("no component",), "--import"
    ),
    "no row of the platform": Case(
        sql("delete from wxa_credential where appid = ''"), "no_ticket", ("no component",), "--restart"
    ),
    "another platform's ticket": Case(
        platform(component_verify_ticket="another"), "no_ticket", ("61006",), "ticket --restart"
    ),
    "ticket of 13 h": Case(ticket_of(13 * 3600), "old_ticket", ("13 h ago",), "ticket --restart"),
    "ticket that WeChat calls old": Case(
        fault("/cgi-bin/component/api_component_token", 61005), "old_ticket", ("has run out",), "ticket --restart"
    ),
    "pushes stopped 5 h ago": Case(
        ticket_of(5 * 3600), "ticket_pushes", ("5 h ago", "7 h more"), "receiver", "warning"
    ),
    "platform token refused": Case(
        fault("/cgi-bin/component/modify_wxa_jump_domain", 40001), "platform_token", ("40001",), "fetches tokens"
    ),
    "fetches of the day used up": Case(
        platform(daily_limits={"/cgi-bin/component/api_component_token": 0}), "platform_token", ("45009",), "next day"
    ),
    "merchant withdrew": Case(withdraws, "not_authorised", (APPID, "61003"), f"authorise --appid {APPID}"),
    # Its list tells the one that is stored.
    "refresh token refused": Case(
        fault("/cgi-bin/component/api_authorizer_token", 61023), "refresh_token", (APPID, "61023"), "authorise"
    ),
    "others are marked refused": Case(marked_refused, "refresh_token", (NOBODY, "1 merchants"), "--import-list"),
    "set 18 missing": Case(merchant(granted_sets={17, 30}), "permission_set_18", (APPID, "17, 30"), "tick set 18"),
    "individual": Case(
        merchant(individual=True), "individual", (APPID, "principal_type 0"), "without domains", "warning"
    ),
    "individual, set 30 missing": Case(
        merchant(individual=True, granted_sets={18}), "individual", (APPID, "个人"), "without domains", "warning"
    ),
    "merchant token refused": Case(fault("/wxa/queryquota", 40014), "merchant_token", ("40014", APPID), "doctor"),
    "platform list empty": Case(
        platform(testing=[], published=[]), "platform_list_empty", ("89020", "published"), "on_platform_list_empty"
    ),
    "not published, list empty": Case(
        platform(testing=[], published=None), "platform_list_empty", ("testing list",), "on_platform_list_empty"
    ),
    "lists differ": Case(
        platform(testing=["example.com", "example.net"]),
        "platform_lists_differ",
        ("testing only: example.net",),
        "publish",
        "warning",
    ),
    "audit quota used up": Case(platform(audit_rest=0), "audit_quota", ("85085", "0 of 100"), "服务商助手"),
    "store unreachable": Case(
        lambda s: setattr(s, "store_url", f"sqlite:///{s.file.parent}"),  # a folder is no database
        "store",
        ("does not answer",),
        "sql_alchemy_conn",
    ),
    "store of another key": Case(
        field("keys", [Fernet.generate_key().decode()]), "store", ("another key",), "encryption_keys"
    ),
    "store without a key": Case(field("keys", []), "store", ("no key",), "fernet_key"),
    "store readable by others": Case(lambda s: s.file.chmod(0o644), "store_file", ("mode 0644", "wxa.db"), "chmod 600"),
    "AES key too short": Case(extra(encoding_aes_key="abc"), "push_keys", ("it has 3",), "43 letters"),
    "previous AES key too long": Case(
        extra(previous_encoding_aes_key="a" * 44), "push_keys", ("previous_encoding_aes_key", "it has 44"), "43 letters"
    ),
    "half of the push keys": Case(extra(push_token=""), "push_keys", ("push_token is empty",), "Token"),
    "no source of tokens": Case(lambda s: vars(s).update(login="", password=""), "connection", ("no source",), "login"),
    "secret without appid": Case(field("login", ""), "connection", ("component_appid",), "correct the Connection"),
    "another refresher of the platform": Case(
        lambda s: another_refreshes(s, s.world.platforms[0]), "two_refreshers", ("the platform token",), "stop it"
    ),
    "another refresher of a merchant": Case(
        lambda s: another_refreshes(s, s.world.mini_programs[0]), "two_refreshers", (APPID,), "stop it"
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_its_fix_nothing_else_is_found_and_no_secret_shown(name: str, set_up: SetUp) -> None:
    case = FAULTS[name]
    case.spoil(set_up)

    report = set_up.report()

    assert [(rule.key, rule.level) for rule, _ in report.findings] == [(case.rule, case.level)]
    _, finding = report.findings[0]
    assert [part for part in case.says if part not in f"{finding.what} {finding.which}"] == []
    assert case.fix in finding.fix
    assert report.exit_code == (case.level == "error")
    chinese = "\n".join(in_language(text, "zh") for text in (finding.what, finding.which, finding.fix))
    assert english_in(re.sub(r"(errmsg|it says) .*", "", chinese)) == []  # words of WeChat's, or of a database
    shown = str(to_json(report))
    secrets = [COMPONENT_APPSECRET, COMPONENT_VERIFY_TICKET, REFRESH_TOKEN, PUSH_TOKEN, ENCODING_AES_KEY, *set_up.keys]
    secrets += [each.value for each in set_up.world.platforms[0].issued + set_up.world.mini_programs[0].issued]
    assert [secret for secret in secrets if secret in shown] == []


def test_every_rule_has_a_fault_that_it_finds() -> None:
    found = {case.rule for case in FAULTS.values()} | {"wrong_host"}
    assert {each.key for each in RULES} - found == set(), "add a Case to FAULTS for each"
    assert found <= {each.key for each in RULES}


# A set-up in which nothing is wrong -----------------------------------------------------------------------------------


def test_a_healthy_set_up_has_no_finding_when_new_and_when_used(set_up: SetUp) -> None:
    new, used = set_up.report(), set_up.report()
    assert (new.findings, used.findings) == ([], [])
    assert (new.exit_code, used.exit_code) == (0, 0)
    assert not_looked_at(new) == {
        "tls": "the host is plain http",
        "two_refreshers": "no token of ours was in the store before that works now",
    }
    assert not_looked_at(used).keys() == {"tls", "component_appid", "component_appsecret"}


@pytest.mark.parametrize("rotation", ["never", "each"])
@pytest.mark.parametrize("overlap", [0, 300])
def test_our_own_renewal_is_no_second_refresher(set_up: SetUp, overlap: int, rotation: str) -> None:
    platform(overlap_seconds=overlap, rotate_refresh_tokens=rotation)(set_up)
    worker = set_up.platform
    worker.client.send(queryquota(APPID))
    sql("update wxa_credential set access_expires_at = access_expires_at - 7000")(set_up)
    worker.client.close()
    assert set_up.report().findings == []


def test_a_token_that_ran_out_is_no_second_refresher(set_up: SetUp) -> None:
    worker = set_up.platform
    worker.client.send(queryquota(APPID))
    worker.client.close()
    sql("update wxa_credential set access_expires_at = access_expires_at - 7190")(set_up)
    for account in (set_up.world.platforms[0], set_up.world.mini_programs[0]):
        account.issued[-1].expires_at = 0
    assert set_up.report().findings == []


def test_a_company_without_set_30_is_no_individual(set_up: SetUp) -> None:
    merchant(granted_sets={18})(set_up)
    assert set_up.report().findings == []


def test_fixed_tokens_alone_are_a_healthy_set_up(set_up: SetUp) -> None:
    set_up.login = set_up.password = ""
    set_up.extra = {
        "authorizer_access_tokens": {APPID: MERCHANT_TOKEN},
        "component_access_token": PLATFORM_TOKEN,
        "timeout": 5,
    }
    set_up.keys = []  # the store is not opened
    report = set_up.report()
    assert report.findings == []
    assert "store" in not_looked_at(report)


def test_a_merchant_who_withdrew_is_looked_at_only_when_named(set_up: SetUp) -> None:
    withdraws(set_up)
    set_up.open_store().mark(COMPONENT_APPID, APPID, "withdrawn")
    assert set_up.report().findings == []
    set_up.appids = [APPID]
    assert rules_that_found(set_up) == ["not_authorised"]


# What looking costs ---------------------------------------------------------------------------------------------------


def test_looking_writes_nothing_and_asks_everything_once(set_up: SetUp) -> None:
    set_up.report()
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
    names = (
        "AES key too short",
        "store readable by others",
        "pushes stopped 5 h ago",
        "lists differ",
        "set 18 missing",
    )
    for name in names:
        FAULTS[name].spoil(set_up)
    assert rules_that_found(set_up) == [FAULTS[name].rule for name in names]


def test_without_a_host_nothing_behind_it_is_looked_at(set_up: SetUp) -> None:
    nobody_listens(set_up)
    reasons = not_looked_at(set_up.report())
    assert {reasons[key] for key in ("wrong_host", "clock", "platform_token", "not_authorised", "audit_quota")} == {
        "the host does not answer"
    }


def test_without_a_ticket_nothing_that_needs_a_token_counts_as_fine(set_up: SetUp) -> None:
    FAULTS["no ticket"].spoil(set_up)
    report = set_up.report()
    assert not {each.key for each in report.fine} & {"ip_allow_list", "component_appsecret", "audit_quota"}


def rules_that_found(set_up: SetUp) -> list[str]:
    return [rule.key for rule, _ in set_up.report().findings]


def not_looked_at(report: Report) -> dict[str, str]:
    return {each.key: reason for each, reason in report.not_looked_at.items()}
