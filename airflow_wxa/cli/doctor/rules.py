"""Rules of the doctor: a function each, in an order in which each finds the results that it needs.

A new rule is a function here, whose docstring ``python -m docs.generate`` puts into the reference of the CLI, and a
fault that it finds, in ``tests/cli/test_doctor.py``.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from airflow_wxa.api.authorisation import RELEASE_PERMISSION_SET, read_granted
from airflow_wxa.api.call import Reply
from airflow_wxa.api.errcodes import (
    ACCOUNT_NOT_AUTHORIZED,
    APPSECRET_MISSING,
    CLIENT_IP_NOT_REGISTERED_COMPONENT,
    COMPONENT_APPID_MISSING,
    COMPONENT_TICKET_EXPIRED,
    COMPONENT_TICKET_INVALID,
    INVALID_APPID,
    INVALID_APPSECRET,
    INVALID_COMPONENT,
    INVALID_CREDENTIAL,
    PERMISSION_SET_NOT_GRANTED,
    REFRESH_TOKEN_INVALID,
)
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.cli.doctor.facts import CONN_TYPE, Facts, Merchant, Unknown, or_none, refusal
from airflow_wxa.cli.opening import TICKET_SECONDS, in_words
from airflow_wxa.errors import WxaApiError, WxaError
from airflow_wxa.texts import Text

Level: TypeAlias = Literal["error", "warning"]  # it fails now, or is in the open; it works, and somebody should know

_SKEW_SECONDS: Final = 300  # half of the ten minutes by which the receiver refuses a push as a replay
_PUSHES_STOPPED_SECONDS: Final = 3 * 3600  # a ticket comes every ten minutes; by then it is no short disturbance
_NAMED: Final = 5  # appids of a long list
_NO_ANSWER: Final = ("dns", "connection", "proxy")
_WRONG_APPID: Final = (INVALID_APPID, COMPONENT_APPID_MISSING, INVALID_COMPONENT)
_WRONG_SECRET: Final = (INVALID_APPSECRET, APPSECRET_MISSING)
_TICKET: Final = (COMPONENT_TICKET_EXPIRED, COMPONENT_TICKET_INVALID)
_TOLD_OF_MERCHANTS: Final = (
    ACCOUNT_NOT_AUTHORIZED,
    REFRESH_TOKEN_INVALID,
    PERMISSION_SET_NOT_GRANTED,
    CLIENT_IP_NOT_REGISTERED_COMPONENT,
)  # by other rules


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding of a rule.

    :param what: the problem, in a sentence.
    :param which: the values: host, appid, errcode.
    :param fix: the next step.
    """

    what: str
    which: str
    fix: str

    @classmethod
    def found(cls, key: str, **values: object) -> Finding:
        """Return a finding of the catalogue: ``what``, ``which``, ``next_step``."""
        what = Text(key, **values)
        return cls(what, what.of("which"), what.of("next_step"))

    @classmethod
    def of(cls, error: WxaError) -> Finding:
        """Return an error as its own text puts it."""
        values = ({"appid": error.appid} if error.appid else {}) | error.values
        problems = list(getattr(error, "problems", ()))
        which = ", ".join(f"{name} {value}" for name, value in values.items())
        what = Text("what_with_a_reason", what=error.what, reason=problems) if problems else error.what
        return cls(what, which, error.next_step)


Check: TypeAlias = Callable[[Facts], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked at.

    :param key: name for machines.
    :param check: yields what is wrong; raises :class:`~airflow_wxa.cli.doctor.facts.Unknown` when it cannot tell.
    """

    key: str
    level: Level
    check: Check

    @property
    def name(self) -> Text:
        """Its name for people."""
        return Text(f"rule_{self.key}")


@dataclass(frozen=True, slots=True)
class Report:
    """Results of all rules, in the order of the rules.

    :param fine: rules that looked and found nothing.
    :param not_looked_at: rules that could not look, and why.
    """

    findings: list[tuple[Rule, Finding]]
    fine: list[Rule]
    not_looked_at: dict[Rule, str]

    @property
    def exit_code(self) -> int:
        """0 when nothing of level error was found."""
        return int(any(rule.level == "error" for rule, _ in self.findings))


RULES: Final[list[Rule]] = []


def rule(level: Level = "error") -> Callable[[Check], Check]:
    """Put a function behind the rules above it; its name is the key, and the text ``rule_<key>`` its name."""

    def listed(check: Check) -> Check:
        RULES.append(Rule(check.__name__, level, check))
        return check

    return listed


def judge(facts: Facts) -> Report:
    """Let every rule look; findings of a rule before it got stuck count all the same."""
    report = Report([], [], {})
    for each in RULES:
        before = len(report.findings)
        try:
            for finding in each.check(facts):
                report.findings.append((each, finding))
        except Unknown as unknown:
            if len(report.findings) == before:
                report.not_looked_at[each] = unknown.reason
        else:
            if len(report.findings) == before:
                report.fine.append(each)
    return report


# The Connection, and the way to its host ------------------------------------------------------------------------------


@rule()
def conn_type(facts: Facts) -> Iterator[Finding]:
    """Find: the Connection is of another type than ``wxa``; nothing else is looked at then."""
    if (its := facts.given.conn_type) != CONN_TYPE:
        yield Finding.found("found_conn_type", conn_type=its or Text("none"), wanted=CONN_TYPE)


@rule()
def connection(facts: Facts) -> Iterator[Finding]:
    """Find: fields that contradict each other or cannot be read; no source of tokens."""
    if facts.other_refusal is not None:
        yield Finding.of(facts.other_refusal)
    elif not facts.connection.has_platform_token and not facts.connection.fixed.appids:
        yield Finding.found("found_connection")


@rule()
def plain_http(facts: Facts) -> Iterator[Finding]:
    """Find: plain http to another machine, also where extra ``allow_http`` permits it."""
    if facts.is_plain_http:
        permitted = Text("allow_http_permits_it") if facts.extra.get("allow_http") is True else ""
        yield Finding.found("found_plain_http", host=facts.given.host, permitted=permitted)


@rule()
def push_keys(facts: Facts) -> Iterator[Finding]:
    """Find: push keys of the wrong length, or half of them."""
    if facts.push_refusal is not None:
        yield Finding.found("found_push_keys", which=facts.push_refusal.problems)
    elif missing := sorted({"push_token", "encoding_aes_key"} - facts.push_fields):
        yield Finding.found("found_push_keys_2", missing=", ".join(missing))


@rule()
def forward_pushes_to(facts: Facts) -> Iterator[Finding]:
    """Find: ``[wxa] forward_pushes_to`` is no address that pushes may be handed on to; none are then."""
    if facts.forward_refusal is not None:
        yield Finding.of(facts.forward_refusal)


@rule("warning")
def shown_secrets(facts: Facts) -> Iterator[Finding]:
    """Find: ``encoding_aes_key`` is not in ``[core] sensitive_var_conn_names``: all who may read Connections see it."""
    if shown := facts.shown_secrets:
        yield Finding.found("found_shown_secrets", shown=", ".join(shown))


@rule()
def dns(facts: Facts) -> Iterator[Finding]:
    """Find: the host's name does not resolve."""
    if facts.probe.failure == "dns":
        yield Finding.found("found_dns", host=facts.connection.egress.host)


@rule()
def unreachable(facts: Facts) -> Iterator[Finding]:
    """Find: the host, or the proxy before it, takes no connection."""
    probe, egress = facts.probe, facts.connection.egress
    if probe.failure == "dns":
        raise Unknown("unknown_the_host_name_cannot_be")
    if probe.failure in _NO_ANSWER:
        is_here = egress.host.startswith("http://") and not facts.is_plain_http  # loopback
        key = "found_nothing_answers_here" if is_here else "found_unreachable"
        proxy = Text("extra_proxy_is_set") if egress.proxy else ""
        yield Finding.found(key, host=egress.host, said=probe.said, proxy=proxy)


@rule()
def tls(facts: Facts) -> Iterator[Finding]:
    """Find: no TLS, or a certificate that is not trusted."""
    probe, host = facts.probe, facts.connection.egress.host
    if probe.failure in _NO_ANSWER:
        raise Unknown("unknown_the_host_does_not_answer")
    if probe.failure == "tls":
        yield Finding.found("found_tls", host=host, said=probe.said)
    elif host.startswith("http://"):
        raise Unknown("unknown_the_host_is_plain_http")


@rule()
def wrong_host(facts: Facts) -> Iterator[Finding]:
    """Find: no URL, or somebody else than WeChat's API answers."""
    if facts.host_refusal is not None:
        yield Finding.found("found_wrong_host", which=facts.host_refusal.problems)
    elif not facts.answer.is_wechats:
        yield Finding.found("found_wrong_host_2", host=facts.connection.egress.host, said=facts.answer.said)


@rule()
def clock(facts: Facts) -> Iterator[Finding]:
    """Find: this machine's clock is five minutes off or more, by the answer's ``Date``."""
    skew = facts.answer.skew
    if skew is None:
        raise Unknown("unknown_the_host_answer_has_no")
    if abs(skew) >= _SKEW_SECONDS:
        way, host = Text("ahead" if skew > 0 else "behind"), facts.connection.egress.host
        yield Finding.found("found_clock", skew=in_words(abs(skew)), way=way, host=host)


# The store, and the ticket in it --------------------------------------------------------------------------------------


@rule()
def store(facts: Facts) -> Iterator[Finding]:
    """Find: the store does not answer, or our keys do not open it."""
    if isinstance(facts.stored, WxaError):
        yield Finding.of(facts.stored)


@rule()
def store_file(facts: Facts) -> Iterator[Finding]:
    """Find: others may read the SQLite file."""
    file = facts.store.file
    if file is None:
        raise Unknown("unknown_the_store_is_a_database")
    for path in (file.with_name(f"{file.name}{suffix}") for suffix in ("", "-wal", "-shm")):
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding.found("found_store_file", path=path, mode=f"{mode:04o}")


@rule()
def no_ticket(facts: Facts) -> Iterator[Finding]:
    """Find: no ticket has arrived yet, or WeChat does not know it (61006)."""
    row = facts.rows.get(THE_PLATFORM)
    if row is None or row.renewal is None:
        yield Finding.found("found_no_ticket", component_appid=facts.connection.component_appid)
    elif error := _ticket_refusal(facts, COMPONENT_TICKET_INVALID):
        yield Finding.of(error)


@rule()
def old_ticket(facts: Facts) -> Iterator[Finding]:
    """Find: the newest ticket is older than twelve hours (61005)."""
    age = _ticket_age(facts)
    if age >= TICKET_SECONDS or _ticket_refusal(facts, COMPONENT_TICKET_EXPIRED):
        yield Finding.found("found_old_ticket", component_appid=facts.connection.component_appid, age=in_words(age))


@rule("warning")
def ticket_pushes(facts: Facts) -> Iterator[Finding]:
    """Find: no ticket for three hours: pushes have stopped."""
    age = _ticket_age(facts)
    if _PUSHES_STOPPED_SECONDS <= age < TICKET_SECONDS:
        named, left = facts.connection.component_appid, in_words(TICKET_SECONDS - age)
        yield Finding.found("found_ticket_pushes", component_appid=named, age=in_words(age), left=left)


def _ticket_refusal(facts: Facts, errcode: int) -> WxaApiError | None:
    """Return what WeChat said of the ticket, if it could be asked; the age shows in the store alone."""
    return refusal(or_none(lambda: facts.platform_errors) or (), errcode)


def _ticket_age(facts: Facts) -> float:
    row = facts.rows.get(THE_PLATFORM)
    if row is None or row.renewal_age is None:
        raise Unknown("unknown_there_is_no_ticket")
    return row.renewal_age


# The platform ---------------------------------------------------------------------------------------------------------


@rule()
def ip_allow_list(facts: Facts) -> Iterator[Finding]:
    """Find: this machine's address is not on the platform's list (61004)."""
    if error := refusal(facts.errors, CLIENT_IP_NOT_REGISTERED_COMPONENT):
        yield Finding.found("found_ip_allow_list", which=Finding.of(error).which)


@rule()
def component_appid(facts: Facts) -> Iterator[Finding]:
    """Find: WeChat knows no such platform (40013)."""
    yield from _credential(facts, lambda: refusal(facts.platform_errors, *_WRONG_APPID), "found_component_appid")


@rule()
def component_appsecret(facts: Facts) -> Iterator[Finding]:
    """Find: WeChat refuses the secret (40125, 40001)."""
    yield from _credential(facts, lambda: _secret_refusal(facts), "found_component_appsecret")


@rule()
def platform_token(facts: Facts) -> Iterator[Finding]:
    """Find: the platform token is refused, or cannot be fetched for another reason."""
    for error in facts.platform_errors:
        told = (*_WRONG_APPID, *_WRONG_SECRET, *_TICKET, CLIENT_IP_NOT_REGISTERED_COMPONENT)
        if refusal([error], *told) or _secret_refusal(facts):
            raise Unknown("unknown_no_platform_token_could_be")
        yield Finding.of(error)


@rule()
def platform_list_empty(facts: Facts) -> Iterator[Finding]:
    """Find: the platform has registered no business domain (89020)."""
    listed = facts.domains
    registered = listed.testing if listed.published is None else listed.published
    if registered is None:
        raise Unknown("unknown_wechat_does_not_tell_the")
    if not registered:
        which = Text("testing_list_is_empty" if listed.published is None else "published_list_is_empty")
        yield Finding.found("found_platform_list_empty", which=which)


@rule("warning")
def platform_lists_differ(facts: Facts) -> Iterator[Finding]:
    """Find: testing and published list differ."""
    listed = facts.domains
    if listed.published is None or listed.testing is None:
        raise Unknown("unknown_the_platform_is_not_published")
    testing, published = set(listed.testing), set(listed.published)
    sides = {"on_testing_list_only": testing - published, "on_published_list_only": published - testing}
    if which := [Text(key, hosts=", ".join(sorted(hosts))) for key, hosts in sides.items() if hosts]:
        yield Finding.found("found_platform_lists_differ", which=which)


def _secret_refusal(facts: Facts) -> WxaApiError | None:
    error = refusal(facts.platform_errors, *_WRONG_SECRET, INVALID_CREDENTIAL)
    # 40001 is of a token everywhere, and of the secret where no token is sent.
    if error is not None and error.errcode == INVALID_CREDENTIAL and error.endpoint != "api_component_token":
        return None
    return error


def _credential(facts: Facts, refused: Callable[[], WxaApiError | None], key: str) -> Iterator[Finding]:
    """Yield the refusal of login or password, or make sure that both were proved.

    :raises Unknown: no platform token was asked for, or something before them was refused.
    """
    row = facts.rows.get(THE_PLATFORM) if not isinstance(facts.stored, WxaError) else None
    if error := refused():
        yield Finding.found(key, component_appid=facts.connection.component_appid, errcode=error.errcode)
    elif refusal(facts.platform_errors, *_TICKET):
        return  # the ticket is looked at after them
    elif facts.platform_errors:
        raise Unknown("unknown_no_platform_token_could_be")
    elif not facts.fetched:
        left = in_words(row.seconds_left) if row is not None else Text("a_while")
        raise Unknown("unknown_the_stored_platform_token_is", left=left)


@rule()
def authorizer_list(facts: Facts) -> Iterator[Finding]:
    """Find: ``api_get_authorizer_list`` does not answer: a lost refresh token cannot be found again."""
    if isinstance(answer := facts.authorizer_list, WxaError):
        yield Finding.found("found_authorizer_list", which=Finding.of(answer).which, next_step=answer.next_step)


# Merchants ------------------------------------------------------------------------------------------------------------


@rule()
def not_authorised(facts: Facts) -> Iterator[Finding]:
    """Find: the merchant has not authorised the platform, or has withdrawn (61003)."""
    yield from _refused(facts, ACCOUNT_NOT_AUTHORIZED, "found_not_authorised")


@rule()
def refresh_token(facts: Facts) -> Iterator[Finding]:
    """Find: a refresh token is refused and WeChat's list tells no other (61023)."""
    yield from _refused(facts, REFRESH_TOKEN_INVALID, "found_refresh_token_2")
    asked = {merchant.appid for merchant in facts.merchants}
    rows = or_none(lambda: facts.rows) or {}
    if others := [appid for appid, row in rows.items() if row.state == "refused" and appid not in asked]:
        more = Text("and_so_many_more", count=len(others) - _NAMED) if len(others) > _NAMED else ""
        yield Finding.found("found_refresh_token", count=len(others), which=", ".join(others[:_NAMED]), more=more)


def _refused(facts: Facts, errcode: int, key: str) -> Iterator[Finding]:
    """Yield a finding for each merchant that met an errcode."""
    for merchant in facts.merchants:
        if refusal(merchant.errors, errcode):
            yield Finding.found(key, appid=merchant.appid, errcode=errcode)


@rule()
def permission_set_18(facts: Facts) -> Iterator[Finding]:
    """Find: the merchant did not grant development and data (61007)."""
    for merchant in facts.merchants:
        granted = _granted(merchant)
        if refusal(merchant.errors, PERMISSION_SET_NOT_GRANTED) or (
            granted is not None and RELEASE_PERMISSION_SET not in granted
        ):
            shown = ", ".join(map(str, granted or ())) or Text("not_known" if granted is None else "none")
            yield Finding.found("found_permission_set_18", appid=merchant.appid, shown=shown)


@rule("warning")
def individual(facts: Facts) -> Iterator[Finding]:
    """Find: an individual's account: no business domains (89231)."""
    told = {merchant.appid: _how_individual(merchant) for merchant in facts.merchants}
    if all(how is None for how in told.values()):
        raise Unknown("unknown_wechat_does_not_tell_us")
    for appid, how in told.items():
        if how:
            yield Finding.found("found_individual", appid=appid, how=how)


@rule()
def merchant_token(facts: Facts) -> Iterator[Finding]:
    """Find: a merchant's token is refused for another reason."""
    for merchant in facts.merchants:
        for error in merchant.errors:
            if not refusal([error], *_TOLD_OF_MERCHANTS):
                yield Finding.of(error)


@rule()
def audit_quota(facts: Facts) -> Iterator[Finding]:
    """Find: no submission is left this month (85085)."""
    replies = [each.quota.answer for each in facts.merchants if isinstance(each.quota, Reply)]
    answer = next((each for each in replies if "rest" in each), None)
    if answer is None:
        raise Unknown("unknown_no_merchant_token_works")
    if answer["rest"] <= 0:
        yield Finding.found("found_audit_quota", limit=answer.get("limit", Text("not_known")))


@rule()
def two_refreshers(facts: Facts) -> Iterator[Finding]:
    """Find: a token of ours died early: another program fetches tokens."""
    rows = facts.rows
    asked = [THE_PLATFORM] if or_none(lambda: facts.domains) else []
    asked += [merchant.appid for merchant in or_none(lambda: facts.merchants) or () if not merchant.errors]
    if not any((row := rows.get(appid)) and row.access_token for appid in asked):
        raise Unknown("unknown_no_token_of_ours_was")
    for death in facts.early_deaths:
        if death.appid in asked:
            whose = Text("of_appid", appid=death.appid) if death.appid else Text("the_platform_token")
            age, left = in_words(death.age), in_words(death.seconds_left)
            yield Finding.found("found_two_refreshers", whose=whose, age=age, left=left)


def _granted(merchant: Merchant) -> tuple[int, ...] | None:
    """Return what is granted; ``None`` when it is not known: WeChat leaves the part out at times."""
    info: Any = merchant.info.answer.get("authorization_info") if isinstance(merchant.info, Reply) else None
    return read_granted(info) if info and "func_info" in info else None


def _how_individual(merchant: Merchant) -> str | None:
    """Return the sign that an individual owns it; ``""``: a company does; ``None``: not known."""
    if isinstance(merchant.account, Reply) and "principal_type" in merchant.account.answer:
        return "principal_type 0" if merchant.account.answer["principal_type"] == 0 else ""
    if not isinstance(merchant.info, Reply):
        return None
    info = merchant.info.answer.get("authorizer_info", {})
    unverified = info.get("verify_type_info", {}).get("id") == -1
    return "principal_name 个人, not verified" if unverified and info.get("principal_name") == "个人" else ""
