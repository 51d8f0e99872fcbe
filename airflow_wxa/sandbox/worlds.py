"""Worlds to start with: a small one to try, a fleet made from a seed; and the facts that a person needs of one."""

import json
import random
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from airflow_wxa.sandbox.exchange import Fault, FaultKind
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.platforms import Draft, Platform, Template
from airflow_wxa.sandbox.state import AuditPlan, MiniProgram
from airflow_wxa.sandbox.world import World

# Tokens of these worlds are made up and open nothing but a sandbox, so they may be printed.
PLATFORM_APPID = "wx10000000000000aa"
EMPTY_PLATFORM_APPID = "wx10000000000000bb"
TEMPLATE_ID = 47

#: Name → peculiarity of the Mini Programs of the default world: one for each road of a release.
_ROADS: dict[str, dict[str, Any]] = {
    "Tea House 茶馆": {},
    "Book Shop 书店": {"third_webviewdomain": ["https://m.example.com"]},  # 89019
    "Street Stall 小摊": {"individual": True},  # 89231
    "Bakery 面包店": {"component_appid": EMPTY_PLATFORM_APPID},  # 89020
    "Toy Shop 玩具店": {"audit": AuditPlan(result="rejected")},
    "Florist 花店": {"authorised": False},  # 61003
}

Kind = Literal["ordinary", "individual", "unauthorised", "rejected", "lost_answer"]
LOST: tuple[FaultKind, ...] = ("drop_before", "drop_after", "html_502", "truncated", "empty")
WRITES = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")


def default_world() -> World:
    """Return two platforms, one with ``example.com`` on its list and one with none, and a Mini Program on each road."""
    platforms = [
        Platform(
            component_appid=component_appid,
            component_access_token=f"sandbox-platform-token{number}",
            testing=list(hosts),
            published=list(hosts),
            drafts=[Draft(draft_id=12, user_version="1.1.0", user_desc="draft of the developers")],
        )
        for component_appid, number, hosts in ((PLATFORM_APPID, "", ["example.com"]), (EMPTY_PLATFORM_APPID, "-2", []))
    ]
    mini_programs = [
        MiniProgram(
            appid=f"wx100000000000000{number}",
            nick_name=name,
            authorizer_access_token=f"sandbox-token-{number}",
            **{"component_appid": PLATFORM_APPID, **peculiar},
        )
        for number, (name, peculiar) in enumerate(_ROADS.items(), 1)
    ]
    return World(platforms=platforms, mini_programs=mini_programs, templates=[Template(template_id=TEMPLATE_ID)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """Many Mini Programs of one platform, each of one kind."""

    world: World
    faults: list[Fault]  #: answers that will be lost; for :meth:`RunningSandbox.add_fault`
    kinds: dict[str, Kind]  #: appid to its kind, in the order of the world

    def of_kind(self, kind: Kind) -> list[str]:
        """Return the appids of one kind."""
        return [appid for appid, each in self.kinds.items() if each == kind]


def seeded_fleet(
    size: int,
    *,
    seed: int = 0,
    shares: Mapping[Kind, float] | None = None,
    audit_polls: int = 1,
    loose: Looseness | None = None,
    cold: bool = False,
) -> Fleet:
    """Make a fleet; the same seed makes the same one.

    :param shares: part of the fleet that is of a kind; the rest is ordinary. A lost answer is one write whose answer
        is lost, before or after its work.
    :param audit_polls: questions that each audit takes.
    :param cold: no tokens but those that the platform's secret and ticket lead to.
    """
    rng = random.Random(seed)  # noqa: S311  a seed is the purpose
    appids = [f"wx{number:016x}" for number in range(1, size + 1)]
    kinds = _placed(appids, shares or {}, rng)
    platform = Platform(
        component_appid=PLATFORM_APPID,
        component_access_token="" if cold else "sandbox-platform-token",
        component_appsecret="sandbox-appsecret",
        component_verify_ticket="sandbox-ticket",
        testing=["example.com"],
        published=["example.com"],
        audit_limit=max(100, 2 * size),
    )
    mini_programs = [_member(appid, kind, cold=cold, audit_polls=audit_polls) for appid, kind in kinds.items()]
    faults = [
        Fault(path=rng.choice(WRITES), kind=rng.choice(LOST), appid=appid)
        for appid, kind in kinds.items()
        if kind == "lost_answer"
    ]
    world = World(
        platforms=[platform],
        mini_programs=mini_programs,
        templates=[Template(template_id=TEMPLATE_ID)],
        loose=loose or Looseness(),
    )
    return Fleet(world=world, faults=faults, kinds=kinds)


def _placed(appids: list[str], shares: Mapping[Kind, float], rng: random.Random) -> dict[str, Kind]:
    shuffled = rng.sample(appids, len(appids))
    placed: dict[str, Kind] = {}
    for kind, share in shares.items():
        count = round(share * len(appids))
        placed |= dict.fromkeys(shuffled[:count], kind)
        shuffled = shuffled[count:]
    return {appid: placed.get(appid, "ordinary") for appid in appids}


def _member(appid: str, kind: Kind, *, cold: bool, audit_polls: int) -> MiniProgram:
    account = MiniProgram(
        appid=appid,
        component_appid=PLATFORM_APPID,
        authorizer_access_token="" if cold else f"sandbox-token-{appid}",
        refresh_token=f"refreshtoken@@@{appid}",
        individual=kind == "individual",
        audit=AuditPlan(polls=audit_polls, result="rejected" if kind == "rejected" else "approved"),
    )
    account.authorised = kind != "unauthorised"
    return account


def connection_of(world: World, url: str, component_appid: str = "") -> str:
    """Return the Connection of a platform, the first by default, of a world that is served at a URL, as JSON."""
    platform = world.platform(component_appid) if component_appid else world.platforms[0]
    tokens = {
        each.appid: each.fixed_token
        for each in world.mini_programs
        if each.fixed_token and each.component_appid == platform.component_appid
    }
    extra: dict[str, Any] = {"authorizer_access_tokens": tokens, "component_access_token": platform.fixed_token}
    if not ip_address(urlsplit(url).hostname or "").is_loopback:
        extra["allow_http"] = True
    return json.dumps({"conn_type": "wxa", "host": url, "extra": extra})


@dataclass(frozen=True, kw_only=True, slots=True)
class Introduction:
    """Facts that a person needs of a running sandbox, tokens included."""

    platform_token: str = field(repr=False)
    tokens: dict[str, str] = field(repr=False)  #: appid to fixed token, of every Mini Program that has one
    connection: str = field(repr=False)  #: of the first platform, see :func:`connection_of`
    conf: dict[str, Any]  #: params with which ``wxa_release`` releases the first Mini Program

    @property
    def command(self) -> str:
        """A command that starts a release of the first Mini Program, ready to paste."""
        return f"airflow dags trigger wxa_release --conf {shlex.quote(json.dumps(self.conf))}"

    @classmethod
    def of(cls, world: World, url: str) -> Self:
        """Introduce a world that is served at a URL, by its first platform."""
        platform = world.platforms[0]
        tokens = {each.appid: each.fixed_token for each in world.mini_programs if each.fixed_token}
        templates = [each.template_id for each in (*platform.templates, *world.templates)]
        conf: dict[str, Any] = {
            "appid": next((each.appid for each in world.mini_programs), ""),
            "webviewdomain": [f"https://m.{host}" for host in platform.registered[:1]],
            "template_id": next(iter(templates), TEMPLATE_ID),
            "user_version": "1.0.0",
        }
        return cls(
            platform_token=platform.fixed_token,
            tokens=tokens,
            connection=connection_of(world, url),
            conf=conf,
        )
