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
    def of(cls, error: WxaError) -> Finding:
        """Return an error as its own text puts it."""
        values = ({"appid": error.appid} if error.appid else {}) | error.values
        problems = "; ".join(getattr(error, "problems", ()))
        which = ", ".join(f"{name} {value}" for name, value in values.items())
        return cls(f"{error.what}: {problems}" if problems else error.what, which, error.next_step)


Check: TypeAlias = Callable[[Facts], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked at.

    :param key: name for machines.
    :param name: name for people.
    :param check: yields what is wrong; raises :class:`~airflow_wxa.cli.doctor.facts.Unknown` when it cannot tell.
    """

    key: str
    name: str
    level: Level
    check: Check


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


def rule(name: str, level: Level = "error") -> Callable[[Check], Check]:
    """Put a function behind the rules that stand above it; its name is the key."""

    def listed(check: Check) -> Check:
        RULES.append(Rule(check.__name__, name, level, check))
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


@rule("type of the Connection")
def conn_type(facts: Facts) -> Iterator[Finding]:
    """Find: the Connection is of another type than ``wxa``; nothing else is looked at then."""
    if facts.conn_type != CONN_TYPE:
        yield Finding(
            f"the Connection is of type {facts.conn_type or 'none'}, not {CONN_TYPE}",
            f"conn_type {facts.conn_type or 'empty'}",
            "choose WeChat Mini Program platform as its type (Admin → Connections; conn_type wxa), or name another "
            "Connection with --wxa-conn-id",
        )


@rule("Connection")
def connection(facts: Facts) -> Iterator[Finding]:
    """Find: fields that contradict each other or cannot be read; no source of tokens."""
    parts = known(facts.parts)
    if parts.other_refusal is not None:
        yield Finding.of(parts.other_refusal)
        return
    read = facts.connection
    if not isinstance(read, Unknown) and not read.has_platform_token and not read.fixed.appids:
        yield Finding(
            "the Connection names no source of tokens",
            "login, password, token_url and authorizer_access_tokens are empty",
            "fill in login and password (component_appid, component_appsecret); to try a few Mini Programs, extra "
            "authorizer_access_tokens (appid → token)",
        )


@rule("plain http")
def plain_http(facts: Facts) -> Iterator[Finding]:
    """Find: plain http to another machine, also where extra ``allow_http`` permits it."""
    parts = known(facts.parts)
    if parts.is_plain_http:
        permitted = "; extra allow_http permits it" if parts.allows_http else ""
        yield Finding(
            "tokens would travel readable over the network",
            f"host {parts.host}{permitted}",
            "write https:// in the Connection's host and take allow_http out; plain http is for loopback only",
        )


@rule("push keys")
def push_keys(facts: Facts) -> Iterator[Finding]:
    """Find: push keys of the wrong length, or half of them."""
    parts = known(facts.parts)
    if parts.push_refusal is not None:
        yield Finding(
            "a key of the push receiver cannot be right",
            "; ".join(parts.push_refusal.problems),
            "copy 消息加解密Key (43 letters and digits) and 消息校验Token from the platform's page on "
            "open.weixin.qq.com into extra encoding_aes_key and push_token",
        )
        return
    if not parts.push_fields:
        raise Unknown("the Connection has no push keys")
    if missing := sorted({"push_token", "encoding_aes_key"} - parts.push_fields):
        yield Finding(
            "the push receiver refuses every push: half of its keys is missing",
            f"extra {', '.join(missing)} is empty",
            "copy 消息校验Token and 消息加解密Key from the platform's page on open.weixin.qq.com",
        )


@rule("pushes handed on")
def forward_pushes_to(facts: Facts) -> Iterator[Finding]:
    """Find: ``[wxa] forward_pushes_to`` is no address that pushes may be handed on to; none are then."""
    if facts.forward_refusal is not None:
        yield Finding.of(facts.forward_refusal)


@rule("hidden keys", "warning")
def shown_secrets(facts: Facts) -> Iterator[Finding]:
    """Find: ``encoding_aes_key`` is not in ``[core] sensitive_var_conn_names``: all who may read Connections see it."""
    if not known(facts.parts).push_fields:
        raise Unknown("the Connection has no push keys")
    if shown := known(facts.parts).shown_secrets:
        yield Finding(
            "Airflow shows a key of the push receiver to everybody who may read Connections",
            f"extra {', '.join(shown)}",
            "add encoding_aes_key to [core] sensitive_var_conn_names "
            "(AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES=encoding_aes_key) on every machine of Airflow",
        )


@rule("DNS")
def dns(facts: Facts) -> Iterator[Finding]:
    """Find: the host's name does not resolve."""
    if known(facts.probe).failure == "dns":
        yield Finding(
            "the host's name cannot be resolved",
            f"host {_host(facts)}",
            "look for a typing error in the Connection's host; else let this machine reach a name server, or set "
            "extra proxy",
        )


@rule("connection to the host")
def unreachable(facts: Facts) -> Iterator[Finding]:
    """Find: the host, or the proxy before it, takes no connection."""
    probe = known(facts.probe)
    if probe.failure == "dns":
        raise Unknown("the host's name cannot be resolved")
    if probe.failure in _NO_ANSWER:
        proxy = ", extra proxy is set" if known(facts.connection).egress.proxy else ""
        here = _host(facts).startswith("http://") and not known(facts.parts).is_plain_http  # loopback
        yield Finding(
            "nothing answers on this machine at the Connection's host" if here else "the host cannot be reached",
            f"host {_host(facts)}: {probe.said}{proxy}",
            "start the sandbox again (airflow-wxa sandbox), or correct the Connection's host and its port"
            if here
            else "open the firewall from every worker, the triggerer and this machine to the host, or correct extra "
            "proxy, HTTPS_PROXY and NO_PROXY",
        )


@rule("TLS")
def tls(facts: Facts) -> Iterator[Finding]:
    """Find: no TLS, or a certificate that is not trusted."""
    probe = known(facts.probe)
    if probe.failure in _NO_ANSWER:
        raise Unknown("the host does not answer")
    if probe.failure == "tls":
        yield Finding(
            "no TLS connection to the host",
            f"host {_host(facts)}: {probe.said}",
            "correct host and port; behind a proxy that opens TLS, name its certificates in extra ca_bundle; for the "
            "sandbox write http://",
        )
    elif _host(facts).startswith("http://"):
        raise Unknown("the host is plain http")


@rule("host")
def wrong_host(facts: Facts) -> Iterator[Finding]:
    """Find: no URL, or somebody else than WeChat's API answers."""
    parts = known(facts.parts)
    if parts.host_refusal is not None:
        yield Finding(
            "the host is no address of an API",
            "; ".join(parts.host_refusal.problems),
            "empty the Connection's host, which means https://api.weixin.qq.com, or write scheme, host and port",
        )
    elif not facts.answer.is_wechats:
        yield Finding(
            "the host answers, but not as WeChat's API does",
            f"host {_host(facts)}: {facts.answer.said}",
            "empty the Connection's host, which means https://api.weixin.qq.com; if it is right, look at the proxy "
            "that answers in its place",
        )


@rule("clock")
def clock(facts: Facts) -> Iterator[Finding]:
    """Find: this machine's clock is five minutes off or more, by the answer's ``Date``."""
    skew = facts.answer.skew
    if skew is None:
        raise Unknown("the host's answer has no Date")
    if abs(skew) >= _SKEW_SECONDS:
        yield Finding(
            f"this machine's clock is {in_words(abs(skew))} {'ahead' if skew > 0 else 'behind'}",
            f"compared with the Date of {_host(facts)}",
            "switch time synchronisation on (timedatectl set-ntp true, or chrony) on every machine of Airflow",
        )


def _host(facts: Facts) -> str:
    return known(facts.connection).egress.host


# The store, and the ticket in it --------------------------------------------------------------------------------------


@rule("store")
def store(facts: Facts) -> Iterator[Finding]:
    """Find: the store does not answer, or our keys do not open it."""
    opened = known(facts.store)
    if isinstance(opened, WxaError):
        yield Finding.of(opened)


@rule("store file")
def store_file(facts: Facts) -> Iterator[Finding]:
    """Find: others may read the SQLite file."""
    if isinstance(facts.store, WxaError):
        raise Unknown("the store cannot be read")
    file = known(facts.store).file
    if file is None:
        raise Unknown("the store is a database server")
    for path in (file.with_name(f"{file.name}{suffix}") for suffix in ("", "-wal", "-shm")):
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding(
                "others on this machine may open the store's file",
                f"{path}, mode {mode:04o}",
                f"chmod 600 {path}; if others may have copied it, rotate the keys (airflow-wxa docs credentials)",
            )


@rule("ticket")
def no_ticket(facts: Facts) -> Iterator[Finding]:
    """Find: no ticket has arrived yet, or WeChat does not know it (61006)."""
    row = known(facts.rows).get(THE_PLATFORM)
    if row is None or row.renewal is None:
        yield Finding(
            "no component_verify_ticket has arrived yet",
            f"component_appid {known(facts.connection).component_appid}",
            "point the authorisation event URL (授权事件接收URL) at the push receiver, then airflow wxa ticket "
            "--restart; or take one over with airflow wxa ticket --import",
        )
    elif error := _ticket_refusal(facts, COMPONENT_TICKET_INVALID):
        yield Finding.of(error)


@rule("age of the ticket")
def old_ticket(facts: Facts) -> Iterator[Finding]:
    """Find: the newest ticket is older than twelve hours (61005)."""
    age = _ticket_age(facts)
    if age >= TICKET_SECONDS or _ticket_refusal(facts, COMPONENT_TICKET_EXPIRED):
        yield Finding(
            "the newest component_verify_ticket has run out",
            f"component_appid {known(facts.connection).component_appid}, it came {in_words(age)} ago and lives 12 h",
            "let the authorisation event URL (授权事件接收URL) reach the push receiver and answer success, then "
            "airflow wxa ticket --restart; or take one over with airflow wxa ticket --import",
        )


@rule("pushes of tickets", "warning")
def ticket_pushes(facts: Facts) -> Iterator[Finding]:
    """Find: no ticket for three hours: pushes have stopped."""
    age = _ticket_age(facts)
    if _PUSHES_STOPPED_SECONDS <= age < TICKET_SECONDS:
        yield Finding(
            "no component_verify_ticket has come for hours; WeChat pushes one about every ten minutes",
            f"component_appid {known(facts.connection).component_appid}, the newest came {in_words(age)} ago and is "
            f"good for {in_words(TICKET_SECONDS - age)} more",
            "look whether pushes reach the receiver, then airflow wxa ticket --restart",
        )


def _ticket_refusal(facts: Facts, errcode: int) -> WxaApiError | None:
    """Return what WeChat said of the ticket, if it could be asked; the age shows in the store alone."""
    return None if isinstance(facts.platform_list, Unknown) else refusal(facts.platform_errors, errcode)


def _ticket_age(facts: Facts) -> float:
    row = known(facts.rows).get(THE_PLATFORM)
    if row is None or row.renewal_age is None:
        raise Unknown("there is no ticket")
    return row.renewal_age


# The platform ---------------------------------------------------------------------------------------------------------


@rule("IP allow list")
def ip_allow_list(facts: Facts) -> Iterator[Finding]:
    """Find: this machine's address is not on the platform's list (61004)."""
    if error := refusal(facts.errors, CLIENT_IP_NOT_REGISTERED_COMPONENT):
        yield Finding(
            "WeChat does not take calls from this machine's address (61004)",
            Finding.of(error).which,
            "add the egress IP of every worker, of the triggerer and of this machine to the IP allow list (IP白名单) "
            "on the platform's page of open.weixin.qq.com, or send calls through one fixed address (extra proxy)",
        )


@rule("component_appid")
def component_appid(facts: Facts) -> Iterator[Finding]:
    """Find: WeChat knows no such platform (40013)."""
    known(facts.store)
    yield from _credential(
        facts,
        refusal(facts.platform_errors, *_WRONG_APPID),
        "WeChat knows no platform of this component_appid",
        "copy the AppID of the platform's page on open.weixin.qq.com into the Connection's login; it is not the "
        "appid of a Mini Program",
    )


@rule("component_appsecret")
def component_appsecret(facts: Facts) -> Iterator[Finding]:
    """Find: WeChat refuses the secret (40125, 40001)."""
    known(facts.store)
    yield from _credential(
        facts,
        _secret_refusal(facts),
        "WeChat refuses the component_appsecret",
        "copy AppSecret of the platform's page on open.weixin.qq.com into the Connection's password; if it was "
        "reset there, every program that uses it needs the new one",
    )


@rule("platform token")
def platform_token(facts: Facts) -> Iterator[Finding]:
    """Find: the platform token is refused, or cannot be fetched for another reason."""
    for error in facts.platform_errors:
        told = (*_WRONG_APPID, *_WRONG_SECRET, *_TICKET, CLIENT_IP_NOT_REGISTERED_COMPONENT)
        if refusal([error], *told) or _secret_refusal(facts):
            raise Unknown("no platform token could be fetched")
        yield Finding.of(error)


@rule("platform list")
def platform_list_empty(facts: Facts) -> Iterator[Finding]:
    """Find: the platform has registered no business domain (89020)."""
    listed = _platform_list(facts)
    registered = listed.testing if listed.published is None else listed.published
    if registered is None:
        raise Unknown("WeChat does not tell the lists")
    if not registered:
        yield Finding(
            "the platform has registered no business domain: every release that sets one ends with 89020",
            "the published list is empty" if listed.published is not None else "the testing list is empty",
            "register the hosts: wxa_release with on_platform_list_empty=register, or "
            "WxaModifyPlatformDomainOperator; serve the verification file on each host first",
        )


@rule("testing and published list", "warning")
def platform_lists_differ(facts: Facts) -> Iterator[Finding]:
    """Find: testing and published list differ."""
    listed = _platform_list(facts)
    if listed.published is None or listed.testing is None:
        raise Unknown("the platform is not published, or WeChat tells one list only")
    testing, published = set(listed.testing), set(listed.published)
    if testing != published:
        sides = (("testing", testing - published), ("published", published - testing))
        yield Finding(
            "the testing and the published list of business domains differ",
            "; ".join(f"{name} only: {', '.join(sorted(hosts))}" for name, hosts in sides if hosts),
            "publish the platform anew on open.weixin.qq.com, or write both together with "
            "WxaModifyPlatformDomainOperator",
        )


def _platform_list(facts: Facts) -> PlatformOutcome:
    if isinstance(facts.platform_list, WxaError):
        raise Unknown("the platform token does not work")
    return known(facts.platform_list)


def _secret_refusal(facts: Facts) -> WxaApiError | None:
    error = refusal(facts.platform_errors, *_WRONG_SECRET, INVALID_CREDENTIAL)
    # 40001 is of a token everywhere, and of the secret where no token is sent.
    if error is not None and error.errcode == INVALID_CREDENTIAL and error.endpoint != "api_component_token":
        return None
    return error


def _credential(facts: Facts, error: WxaApiError | None, what: str, fix: str) -> Iterator[Finding]:
    """Yield the refusal of login or password, or make sure that both were proved.

    :raises Unknown: no platform token was asked for, or something before them was refused.
    """
    if error:
        yield Finding(what, f"login {known(facts.connection).component_appid}, errcode {error.errcode}", fix)
    elif refusal(facts.platform_errors, *_TICKET):
        return  # the ticket is looked at after them
    elif facts.platform_errors:
        raise Unknown("no platform token could be fetched, for another reason")
    elif not facts.fetched:
        row = known(facts.rows).get(THE_PLATFORM)
        left = in_words(row.seconds_left) if row is not None else "while"
        raise Unknown(f"the stored platform token is good for another {left}")


@rule("list of merchants")
def authorizer_list(facts: Facts) -> Iterator[Finding]:
    """Find: ``api_get_authorizer_list`` does not answer: a lost refresh token cannot be found again."""
    answer = known(facts.authorizer_list)
    if isinstance(answer, WxaError):
        yield Finding(
            "WeChat does not tell the list of merchants: a refresh token that gets lost cannot be found again",
            Finding.of(answer).which,
            f"{answer.next_step}; until it answers, a refused merchant has to authorise again (airflow wxa authorise)",
        )


# Merchants ------------------------------------------------------------------------------------------------------------


@rule("authorisation")
def not_authorised(facts: Facts) -> Iterator[Finding]:
    """Find: the merchant has not authorised the platform, or has withdrawn (61003)."""
    for merchant in known(facts.merchants):
        if refusal(merchant.errors, ACCOUNT_NOT_AUTHORIZED):
            yield Finding(
                "the merchant has not authorised the platform, or has withdrawn",
                f"appid {merchant.appid}, errcode {ACCOUNT_NOT_AUTHORIZED}",
                f"let the merchant open the link that airflow wxa authorise --appid {merchant.appid} --redirect-uri … "
                "prints; if it was to be another platform's, correct the Connection",
            )


@rule("refresh token")
def refresh_token(facts: Facts) -> Iterator[Finding]:
    """Find: a refresh token is refused and WeChat's list tells no other (61023)."""
    merchants = known(facts.merchants)
    for merchant in merchants:
        if refusal(merchant.errors, REFRESH_TOKEN_INVALID):
            yield Finding(
                "WeChat refuses the merchant's refresh token, and its list tells no other",
                f"appid {merchant.appid}, errcode {REFRESH_TOKEN_INVALID}",
                f"let the merchant authorise again: airflow wxa authorise --appid {merchant.appid} --redirect-uri … "
                "prints the link",
            )
    asked = {merchant.appid for merchant in merchants}
    rows = {} if isinstance(facts.rows, Unknown) else facts.rows
    if others := [appid for appid, row in rows.items() if row.state == "refused" and appid not in asked]:
        rest = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield Finding(
            f"{len(others)} merchants are marked in the store: their refresh tokens were refused",
            ", ".join(others[:_NAMED]) + rest,
            "airflow wxa accounts --import-list takes over what WeChat tells now; whoever stays refused must authorise "
            "again (airflow wxa authorise)",
        )


@rule("permission set 18")
def permission_set_18(facts: Facts) -> Iterator[Finding]:
    """Find: the merchant did not grant development and data (61007)."""
    for merchant in known(facts.merchants):
        granted = _granted(merchant)
        if refusal(merchant.errors, PERMISSION_SET_NOT_GRANTED) or (
            granted is not None and RELEASE_PERMISSION_SET not in granted
        ):
            shown = "none" if granted == () else ", ".join(map(str, granted or ())) or "unknown"
            yield Finding(
                "the merchant has not granted permission set 18 (development and data)",
                f"appid {merchant.appid}, granted: {shown}",
                f"let the merchant authorise again and tick set 18 (开发管理与数据分析): airflow wxa authorise --appid "
                f"{merchant.appid} --redirect-uri … prints the link",
            )


@rule("individual's account", "warning")
def individual(facts: Facts) -> Iterator[Finding]:
    """Find: an individual's account: no business domains (89231)."""
    told = {merchant.appid: _how_individual(merchant) for merchant in known(facts.merchants)}
    if all(how is None for how in told.values()):
        raise Unknown("WeChat does not tell us whose account it is")
    for appid, how in told.items():
        if how:
            yield Finding(
                "the Mini Program belongs to an individual: it can have no business domains (89231)",
                f"appid {appid}, {how}",
                "release it without domains (on_individual=release_without_domains), or let the merchant move it to a "
                "company",
            )


@rule("merchant token")
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


@rule("audit quota")
def audit_quota(facts: Facts) -> Iterator[Finding]:
    """Find: no submission is left this month (85085)."""
    answers = [each.quota.answer for each in known(facts.merchants) if isinstance(each.quota, Reply)]
    answers = [answer for answer in answers if "rest" in answer]
    if not answers:
        raise Unknown("no merchant's token works")
    if answers[0]["rest"] <= 0:
        yield Finding(
            "the platform's audit quota is used up: submit_audit is refused with 85085",
            f"0 of {answers[0].get('limit', 'unknown')} submissions left this month, for all merchants together",
            "apply for temporary quota in the Mini Program 服务商助手, or wait for the next month",
        )


@rule("two refreshers")
def two_refreshers(facts: Facts) -> Iterator[Finding]:
    """Find: a token of ours died early: another program fetches tokens."""
    rows = known(facts.rows)
    asked = [THE_PLATFORM] if isinstance(facts.platform_list, PlatformOutcome) else []
    if not isinstance(facts.merchants, Unknown):
        asked += [merchant.appid for merchant in facts.merchants if not merchant.errors]
    if not any((row := rows.get(appid)) and row.access_token for appid in asked):
        raise Unknown("no token of ours was in the store before that works now")
    for death in facts.early_deaths:
        if death.appid in asked:
            yield Finding(
                "a token of ours died early: another program fetches tokens for the same account",
                f"{f'appid {death.appid}' if death.appid else 'the platform token'}, fetched "
                f"{in_words(death.age)} ago, good for {in_words(death.seconds_left)} more",
                "find the other program (an older system, a second Airflow with a store of its own) and stop it, or "
                "let it take its tokens from one place with us (airflow-wxa docs credentials)",
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
