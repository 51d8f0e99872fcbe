"""Rules of the doctor: a function each, in an order in which each finds the results that it needs.

A new rule is a function here, whose docstring ``python -m tests.reference`` puts into the reference of the CLI, and a
fault that it finds, in ``tests/cli/test_doctor.py``.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from airflow_wxa.cli.doctor.facts import CONN_TYPE, Facts, Merchant, Unknown, known, refusal
from airflow_wxa.cli.opening import TICKET_SECONDS, in_words
from airflow_wxa.errors import WxaApiError, WxaError
from airflow_wxa.steps import PlatformOutcome
from airflow_wxa.texts import Text

Level: TypeAlias = Literal["error", "warning"]  # it fails now, or is in the open; it works, and somebody should know

_SKEW_SECONDS: Final = 300  # half of the ten minutes by which the receiver refuses a push as a replay
_PUSHES_STOPPED_SECONDS: Final = 3 * 3600  # a ticket comes every ten minutes; by then it is no short disturbance
_NAMED: Final = 5  # appids of a long list
_NO_ANSWER: Final = ("dns", "connection", "proxy")
_WRONG_APPID: Final = (INVALID_APPID, COMPONENT_APPID_MISSING, INVALID_COMPONENT)
_WRONG_SECRET: Final = (INVALID_APPSECRET, APPSECRET_MISSING)
_TICKET: Final = (COMPONENT_TICKET_EXPIRED, COMPONENT_TICKET_INVALID)


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

    findings: Sequence[tuple[Rule, Finding]]
    fine: Sequence[Rule]
    not_looked_at: Mapping[Rule, str]

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
    findings: list[tuple[Rule, Finding]] = []
    fine: list[Rule] = []
    not_looked_at: dict[Rule, str] = {}
    for each in RULES:
        before = len(findings)
        reason = None
        try:
            for finding in each.check(facts):
                findings.append((each, finding))  # noqa: PERF401  what came before an exception counts
        except Unknown as unknown:
            reason = unknown.reason
        if len(findings) == before:
            if reason is None:
                fine.append(each)
            else:
                not_looked_at[each] = reason
    return Report(findings, fine, not_looked_at)


# The Connection, and the way to its host ------------------------------------------------------------------------------


@rule()
def conn_type(facts: Facts) -> Iterator[Finding]:
    """Find: the Connection is of another type than ``wxa``; nothing else is looked at then."""
    if facts.conn_type != CONN_TYPE:
        yield Finding.found(
            "found_conn_type",
            conn_type=facts.conn_type or "none",
            conn_type2=CONN_TYPE,
            conn_type3=facts.conn_type or "empty",
        )


@rule()
def connection(facts: Facts) -> Iterator[Finding]:
    """Find: fields that contradict each other or cannot be read; no source of tokens."""
    parts = known(facts.parts)
    if parts.other_refusal is not None:
        yield Finding.of(parts.other_refusal)
        return
    read = facts.connection
    if not isinstance(read, Unknown) and not read.has_platform_token and not read.fixed.appids:
        yield Finding.found("found_connection")


@rule()
def plain_http(facts: Facts) -> Iterator[Finding]:
    """Find: plain http to another machine, also where extra ``allow_http`` permits it."""
    parts = known(facts.parts)
    if parts.is_plain_http:
        permitted = Text("allow_http_permits_it") if parts.allows_http else ""
        yield Finding.found("found_plain_http", host=parts.host, permitted=permitted)


@rule()
def push_keys(facts: Facts) -> Iterator[Finding]:
    """Find: push keys of the wrong length, or half of them."""
    parts = known(facts.parts)
    if parts.push_refusal is not None:
        yield Finding.found("found_push_keys", which="; ".join(parts.push_refusal.problems))
        return
    if not parts.push_fields:
        raise Unknown(Text("unknown_the_connection_has_no_push"))
    if missing := sorted({"push_token", "encoding_aes_key"} - parts.push_fields):
        yield Finding.found("found_push_keys_2", missing=", ".join(missing))


@rule()
def forward_pushes_to(facts: Facts) -> Iterator[Finding]:
    """Find: ``[wxa] forward_pushes_to`` is no address that pushes may be handed on to; none are then."""
    if facts.forward_refusal is not None:
        yield Finding.of(facts.forward_refusal)


@rule("warning")
def shown_secrets(facts: Facts) -> Iterator[Finding]:
    """Find: ``encoding_aes_key`` is not in ``[core] sensitive_var_conn_names``: all who may read Connections see it."""
    if not known(facts.parts).push_fields:
        raise Unknown(Text("unknown_the_connection_has_no_push"))
    if shown := known(facts.parts).shown_secrets:
        yield Finding.found("found_shown_secrets", shown=", ".join(shown))


@rule()
def dns(facts: Facts) -> Iterator[Finding]:
    """Find: the host's name does not resolve."""
    if known(facts.probe).failure == "dns":
        yield Finding.found("found_dns", facts=_host(facts))


@rule()
def unreachable(facts: Facts) -> Iterator[Finding]:
    """Find: the host, or the proxy before it, takes no connection."""
    probe = known(facts.probe)
    if probe.failure == "dns":
        raise Unknown(Text("unknown_the_host_name_cannot_be"))
    if probe.failure in _NO_ANSWER:
        proxy = Text("extra_proxy_is_set") if known(facts.connection).egress.proxy else ""
        here = _host(facts).startswith("http://") and not known(facts.parts).is_plain_http  # loopback
        key = "found_nothing_answers_here" if here else "found_unreachable"
        yield Finding.found(key, host=_host(facts), said=probe.said, proxy=proxy)


@rule()
def tls(facts: Facts) -> Iterator[Finding]:
    """Find: no TLS, or a certificate that is not trusted."""
    probe = known(facts.probe)
    if probe.failure in _NO_ANSWER:
        raise Unknown(Text("unknown_the_host_does_not_answer"))
    if probe.failure == "tls":
        yield Finding.found("found_tls", facts=_host(facts), said=probe.said)
    elif _host(facts).startswith("http://"):
        raise Unknown(Text("unknown_the_host_is_plain_http"))


@rule()
def wrong_host(facts: Facts) -> Iterator[Finding]:
    """Find: no URL, or somebody else than WeChat's API answers."""
    parts = known(facts.parts)
    if parts.host_refusal is not None:
        yield Finding.found("found_wrong_host", which="; ".join(parts.host_refusal.problems))
    elif not facts.answer.is_wechats:
        yield Finding.found("found_wrong_host_2", facts=_host(facts), said=facts.answer.said)


@rule()
def clock(facts: Facts) -> Iterator[Finding]:
    """Find: this machine's clock is five minutes off or more, by the answer's ``Date``."""
    skew = facts.answer.skew
    if skew is None:
        raise Unknown(Text("unknown_the_host_answer_has_no"))
    if abs(skew) >= _SKEW_SECONDS:
        yield Finding.found(
            "found_clock",
            skew=in_words(abs(skew)),
            value=Text("ahead") if skew > 0 else Text("behind"),
            facts=_host(facts),
        )


def _host(facts: Facts) -> str:
    return known(facts.connection).egress.host


# The store, and the ticket in it --------------------------------------------------------------------------------------


@rule()
def store(facts: Facts) -> Iterator[Finding]:
    """Find: the store does not answer, or our keys do not open it."""
    opened = known(facts.store)
    if isinstance(opened, WxaError):
        yield Finding.of(opened)


@rule()
def store_file(facts: Facts) -> Iterator[Finding]:
    """Find: others may read the SQLite file."""
    if isinstance(facts.store, WxaError):
        raise Unknown(Text("unknown_the_store_cannot_be_read"))
    file = known(facts.store).file
    if file is None:
        raise Unknown(Text("unknown_the_store_is_a_database"))
    for path in (file.with_name(f"{file.name}{suffix}") for suffix in ("", "-wal", "-shm")):
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding.found("found_store_file", path=path, mode=f"{mode:04o}")


@rule()
def no_ticket(facts: Facts) -> Iterator[Finding]:
    """Find: no ticket has arrived yet, or WeChat does not know it (61006)."""
    row = known(facts.rows).get(THE_PLATFORM)
    if row is None or row.renewal is None:
        yield Finding.found("found_no_ticket", component_appid=known(facts.connection).component_appid)
    elif error := _ticket_refusal(facts, COMPONENT_TICKET_INVALID):
        yield Finding.of(error)


@rule()
def old_ticket(facts: Facts) -> Iterator[Finding]:
    """Find: the newest ticket is older than twelve hours (61005)."""
    age = _ticket_age(facts)
    if age >= TICKET_SECONDS or _ticket_refusal(facts, COMPONENT_TICKET_EXPIRED):
        yield Finding.found(
            "found_old_ticket", component_appid=known(facts.connection).component_appid, age=in_words(age)
        )


@rule("warning")
def ticket_pushes(facts: Facts) -> Iterator[Finding]:
    """Find: no ticket for three hours: pushes have stopped."""
    age = _ticket_age(facts)
    if _PUSHES_STOPPED_SECONDS <= age < TICKET_SECONDS:
        yield Finding.found(
            "found_ticket_pushes",
            component_appid=known(facts.connection).component_appid,
            age=in_words(age),
            ticket_seconds=in_words(TICKET_SECONDS - age),
        )


def _ticket_refusal(facts: Facts, errcode: int) -> WxaApiError | None:
    """Return what WeChat said of the ticket, if it could be asked; the age shows in the store alone."""
    return None if isinstance(facts.platform_list, Unknown) else refusal(facts.platform_errors, errcode)


def _ticket_age(facts: Facts) -> float:
    row = known(facts.rows).get(THE_PLATFORM)
    if row is None or row.renewal_age is None:
        raise Unknown(Text("unknown_there_is_no_ticket"))
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
    known(facts.store)
    yield from _credential(
        facts,
        refusal(facts.platform_errors, *_WRONG_APPID),
        "found_component_appid",
    )


@rule()
def component_appsecret(facts: Facts) -> Iterator[Finding]:
    """Find: WeChat refuses the secret (40125, 40001)."""
    known(facts.store)
    yield from _credential(
        facts,
        _secret_refusal(facts),
        "found_component_appsecret",
    )


@rule()
def platform_token(facts: Facts) -> Iterator[Finding]:
    """Find: the platform token is refused, or cannot be fetched for another reason."""
    for error in facts.platform_errors:
        told = (*_WRONG_APPID, *_WRONG_SECRET, *_TICKET, CLIENT_IP_NOT_REGISTERED_COMPONENT)
        if refusal([error], *told) or _secret_refusal(facts):
            raise Unknown(Text("unknown_no_platform_token_could_be"))
        yield Finding.of(error)


@rule()
def platform_list_empty(facts: Facts) -> Iterator[Finding]:
    """Find: the platform has registered no business domain (89020)."""
    listed = _platform_list(facts)
    registered = listed.testing if listed.published is None else listed.published
    if registered is None:
        raise Unknown(Text("unknown_wechat_does_not_tell_the"))
    if not registered:
        yield Finding.found(
            "found_platform_list_empty",
            which="the published list is empty" if listed.published is not None else "the testing list is empty",
        )


@rule("warning")
def platform_lists_differ(facts: Facts) -> Iterator[Finding]:
    """Find: testing and published list differ."""
    listed = _platform_list(facts)
    if listed.published is None or listed.testing is None:
        raise Unknown(Text("unknown_the_platform_is_not_published"))
    testing, published = set(listed.testing), set(listed.published)
    if testing != published:
        sides = (("testing", testing - published), ("published", published - testing))
        yield Finding.found(
            "found_platform_lists_differ",
            which="; ".join(f"{name} only: {', '.join(sorted(hosts))}" for name, hosts in sides if hosts),
        )


def _platform_list(facts: Facts) -> PlatformOutcome:
    if isinstance(facts.platform_list, WxaError):
        raise Unknown(Text("unknown_the_platform_token_does_not"))
    return known(facts.platform_list)


def _secret_refusal(facts: Facts) -> WxaApiError | None:
    error = refusal(facts.platform_errors, *_WRONG_SECRET, INVALID_CREDENTIAL)
    # 40001 is of a token everywhere, and of the secret where no token is sent.
    if error is not None and error.errcode == INVALID_CREDENTIAL and error.endpoint != "api_component_token":
        return None
    return error


def _credential(facts: Facts, error: WxaApiError | None, key: str) -> Iterator[Finding]:
    """Yield the refusal of login or password, or make sure that both were proved.

    :raises Unknown: no platform token was asked for, or something before them was refused.
    """
    if error:
        yield Finding.found(
            key,
            component_appid=known(facts.connection).component_appid,
            errcode=error.errcode,
        )
    elif refusal(facts.platform_errors, *_TICKET):
        return  # the ticket is looked at after them
    elif facts.platform_errors:
        raise Unknown(Text("unknown_no_platform_token_could_be"))
    elif not facts.fetched:
        row = known(facts.rows).get(THE_PLATFORM)
        left = in_words(row.seconds_left) if row is not None else "while"
        raise Unknown(Text("unknown_the_stored_platform_token_is", left=left))


@rule()
def authorizer_list(facts: Facts) -> Iterator[Finding]:
    """Find: ``api_get_authorizer_list`` does not answer: a lost refresh token cannot be found again."""
    answer = known(facts.authorizer_list)
    if isinstance(answer, WxaError):
        yield Finding.found("found_authorizer_list", which=Finding.of(answer).which, next_step=answer.next_step)


# Merchants ------------------------------------------------------------------------------------------------------------


@rule()
def not_authorised(facts: Facts) -> Iterator[Finding]:
    """Find: the merchant has not authorised the platform, or has withdrawn (61003)."""
    for merchant in known(facts.merchants):
        if refusal(merchant.errors, ACCOUNT_NOT_AUTHORIZED):
            yield Finding.found(
                "found_not_authorised", appid=merchant.appid, account_not_authorized=ACCOUNT_NOT_AUTHORIZED
            )


@rule()
def refresh_token(facts: Facts) -> Iterator[Finding]:
    """Find: a refresh token is refused and WeChat's list tells no other (61023)."""
    merchants = known(facts.merchants)
    for merchant in merchants:
        if refusal(merchant.errors, REFRESH_TOKEN_INVALID):
            yield Finding.found(
                "found_refresh_token_2", appid=merchant.appid, refresh_token_invalid=REFRESH_TOKEN_INVALID
            )
    asked = {merchant.appid for merchant in merchants}
    rows = {} if isinstance(facts.rows, Unknown) else facts.rows
    if others := [appid for appid, row in rows.items() if row.state == "refused" and appid not in asked]:
        rest = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield Finding.found("found_refresh_token", count=len(others), which=", ".join(others[:_NAMED]) + rest)


@rule()
def permission_set_18(facts: Facts) -> Iterator[Finding]:
    """Find: the merchant did not grant development and data (61007)."""
    for merchant in known(facts.merchants):
        granted = _granted(merchant)
        if refusal(merchant.errors, PERMISSION_SET_NOT_GRANTED) or (
            granted is not None and RELEASE_PERMISSION_SET not in granted
        ):
            shown = "none" if granted == () else ", ".join(map(str, granted or ())) or "unknown"
            yield Finding.found("found_permission_set_18", appid=merchant.appid, shown=shown)


@rule("warning")
def individual(facts: Facts) -> Iterator[Finding]:
    """Find: an individual's account: no business domains (89231)."""
    told = {merchant.appid: _how_individual(merchant) for merchant in known(facts.merchants)}
    if all(how is None for how in told.values()):
        raise Unknown(Text("unknown_wechat_does_not_tell_us"))
    for appid, how in told.items():
        if how:
            yield Finding.found("found_individual", appid=appid, how=how)


@rule()
def merchant_token(facts: Facts) -> Iterator[Finding]:
    """Find: a merchant's token is refused for another reason."""
    told = (
        ACCOUNT_NOT_AUTHORIZED,
        REFRESH_TOKEN_INVALID,
        PERMISSION_SET_NOT_GRANTED,
        CLIENT_IP_NOT_REGISTERED_COMPONENT,
    )
    for merchant in known(facts.merchants):
        for error in merchant.errors:
            if not refusal([error], *told):
                yield Finding.of(error)


@rule()
def audit_quota(facts: Facts) -> Iterator[Finding]:
    """Find: no submission is left this month (85085)."""
    answers = [each.quota.answer for each in known(facts.merchants) if isinstance(each.quota, Reply)]
    answers = [answer for answer in answers if "rest" in answer]
    if not answers:
        raise Unknown(Text("unknown_no_merchant_token_works"))
    if answers[0]["rest"] <= 0:
        yield Finding.found("found_audit_quota", value=answers[0].get("limit", "unknown"))


@rule()
def two_refreshers(facts: Facts) -> Iterator[Finding]:
    """Find: a token of ours died early: another program fetches tokens."""
    rows = known(facts.rows)
    asked = [THE_PLATFORM] if isinstance(facts.platform_list, PlatformOutcome) else []
    if not isinstance(facts.merchants, Unknown):
        asked += [merchant.appid for merchant in facts.merchants if not merchant.errors]
    if not any((row := rows.get(appid)) and row.access_token for appid in asked):
        raise Unknown(Text("unknown_no_token_of_ours_was"))
    for death in facts.early_deaths:
        if death.appid in asked:
            yield Finding.found(
                "found_two_refreshers",
                value=Text("of_appid", appid=death.appid) if death.appid else Text("the_platform_token"),
                age=in_words(death.age),
                seconds_left=in_words(death.seconds_left),
            )


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
