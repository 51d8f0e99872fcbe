"""The whole emulated WeChat: platforms, their template libraries, their merchants; to and from JSON."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import TypeAdapter

from airflow_wxa.sandbox import values
from airflow_wxa.sandbox.journal import Redactor
from airflow_wxa.sandbox.loose import Lag, Looseness, Stale
from airflow_wxa.sandbox.platforms import Draft, Issued, Platform, Template
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.values import STRICT, Json, PushEvent, SortedSet, secret

T = TypeVar("T")
# What the sample of the `authorized` event leaves between its making and its end.
CODE_SECONDS = 3600
#: Access tokens of an account that are kept, dead ones included.
KEPT = 8
AnyAccount = Platform | MiniProgram
BasicinfoMethod = Literal["any", "POST", "GET"]
MayBeLeftOut = Literal["exp_desc", "user_desc", "release_desc", "release_version"]


def _random() -> str:
    return secrets.token_urlsafe(48)


@dataclass(kw_only=True)
class World:
    """Everything the sandbox remembers, changed by calls and by tests alike."""

    __pydantic_config__: ClassVar = STRICT
    platforms: list[Platform] = field(default_factory=list)
    mini_programs: list[MiniProgram] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)  #: held by every platform's library
    #: whether ``action=get`` of setwebviewdomain already answers 89020 and 89231, or only writes do; WeChat's pages
    #: leave it open
    get_refuses: bool = True
    get_lists: bool = True  #: whether ``action=get`` answers ``webviewdomain``; clients read it, no page promises it
    webviewdomain_limit: int = 300  #: origins of one Mini Program before 89029 (WeChat's texts say 100, 200 and 300)
    platform_domain_limit: int = 300  #: hosts of one platform list before 65316
    expired_tokens: SortedSet[str] = secret(default_factory=set)  #: tokens that answer 42001, tickets 61005
    next_auditid: int = 400000001  #: number of the next audit sheet; they count up
    #: answer to a platform token after its time, 42001 or 42006
    platform_expired_errcode: Literal[42001, 42006] = 42001
    #: how getaccountbasicinfo is called: the current page says POST, older clients use GET
    basicinfo_method: BasicinfoMethod = "any"
    #: fields of getversioninfo and get_latest_auditstatus that the answers lack: ``exp_desc``, ``user_desc``,
    #: ``release_desc``, ``release_version``. The last came back empty once
    #: (https://developers.weixin.qq.com/community/develop/doc/00064898180538e0c771f4b5c6b800), the rest are promised
    #: by no page.
    leaves_out: SortedSet[MayBeLeftOut] = field(default_factory=set)
    push_audit_events: bool = False  #: whether an audit that ends or is delayed is pushed to the platform's message URL
    #: how the world strays from WeChat's pages; a Mini Program may have a looseness of its own
    loose: Looseness = field(default_factory=Looseness)
    #: path to the seconds an answer takes, ``*`` for every other path
    latency: dict[str, float] = field(default_factory=dict)
    journal_keeps: int = 100_000  #: calls that the journal keeps, the newest; its counts are of all calls
    seconds_ahead: float = 0  #: added to the clock, see :meth:`advance`
    #: epoch seconds of every timestamp; not part of the JSON
    clock: Callable[[], float] = field(default=time.time, repr=False, compare=False)
    #: the unpredictable part of each issued token, ticket and code; not part of the JSON
    generate: Callable[[], str] = field(default=_random, repr=False, compare=False)

    def __post_init__(self) -> None:
        appids = [account.appid for account in self.accounts()]
        doubled = sorted(appid for appid, times in Counter(appids).items() if times > 1)
        known = {platform.component_appid for platform in self.platforms}
        orphans = [each.appid for each in self.mini_programs if each.component_appid not in known]
        if doubled or orphans:
            raise ValueError(f"appids used twice: {doubled}; Mini Programs without a platform: {orphans}")
        self.outbox: list[tuple[PushEvent, str]] = []  # event and appid
        self._owners: dict[str, AnyAccount] = {}
        self._coded: dict[str, MiniProgram] = {}
        self._places: dict[str, int] = {}
        self._known: Redactor | None = None
        self._stale: dict[tuple[str, Lag], Stale] = {}
        self.commits_under_way = 0
        self.refused: dict[str, dict[str, Any]] = {}

    def accounts(self) -> list[AnyAccount]:
        """Return every platform and every Mini Program."""
        return [*self.platforms, *self.mini_programs]

    def time(self) -> float:
        """Return the time in epoch seconds: the clock's, and the seconds that the world was advanced by."""
        return self.clock() + self.seconds_ahead

    def now(self) -> int:
        """Return the time in whole epoch seconds, as WeChat stamps it."""
        return int(self.time())

    def advance(self, seconds: float) -> None:
        """Let time pass: tickets, codes and tokens grow older."""
        self.seconds_ahead += seconds

    def platform(self, component_appid: str) -> Platform:
        """Return a platform; a KeyError says that there is none of this appid."""
        for platform in self.platforms:
            if platform.component_appid == component_appid:
                return platform
        raise KeyError(component_appid)

    def mini_program(self, appid: str) -> MiniProgram:
        """Return a Mini Program; a KeyError says that there is none of this appid."""
        place = self._places.get(appid, -1)
        # Tests change the list as they like, so a place counts only when the Mini Program still stands there.
        if not 0 <= place < len(self.mini_programs) or self.mini_programs[place].appid != appid:
            self._places = {each.appid: place for place, each in enumerate(self.mini_programs)}
            place = self._places[appid]
        return self.mini_programs[place]

    def _contains(self, account: AnyAccount) -> bool:
        if isinstance(account, Platform):
            return any(account is each for each in self.platforms)
        try:
            return self.mini_program(account.appid) is account
        except KeyError:
            return False

    def platform_of(self, account: AnyAccount) -> Platform:
        """Return the platform that acts: the account itself, or the one a Mini Program authorised."""
        return account if isinstance(account, Platform) else self.platform(account.component_appid)

    def owner(self, token: str) -> AnyAccount | None:
        """Return whose access token this is, dead issued ones included; None for an unknown or replaced one."""
        if not token:
            return None
        found = self._owners.get(token)
        if found is None or not found.holds(token) or not self._contains(found):
            # Tests may set a new token at any time, so the index is rebuilt when it does not answer.
            self._owners = {each: account for account in self.accounts() for each in account.access_tokens()}
            self.known.add_all(self._owners)
            found = self._owners.get(token)
        return found

    def account_with_code(self, code: str) -> MiniProgram | None:
        """Return whose authorization code this is; None for an unknown or used one."""
        found = self._coded.pop(code, None)
        if found is None or found.code != code:
            found = next((each for each in self.mini_programs if code and each.code == code), None)
        return found

    def authorise(self, appid: str) -> str:
        """Let a merchant authorise its platform, and return the code, which replaces an earlier one."""
        account = self.mini_program(appid)
        if not account.authorised:
            account.issued = []
        account.authorised, account.auth_time = True, self.now()
        account.code, account.code_expires_at = self.new_secret("queryauthcode@@@"), self.time() + CODE_SECONDS
        self._coded[account.code] = account
        return account.code

    def withdraw(self, appid: str) -> None:
        """Let a merchant withdraw: refresh tokens and code are gone, its access tokens answer 61003."""
        account = self.mini_program(appid)
        account.authorised = False
        account.refresh_token = account.code = ""
        account.replaced_refresh_tokens = {}

    def new_ticket(self, component_appid: str) -> str:
        """Make a component_verify_ticket without pushing it; earlier ones go on working for their 12 hours."""
        ticket = self.new_secret("ticket@@@")
        self.platform(component_appid).tickets[ticket] = self.time()
        return ticket

    def new_access_token(self, account: AnyAccount) -> str:
        """Issue an access token and start the end of the earlier ones."""
        platform, now = self.platform_of(account), self.time()
        token = Issued(value=self.new_secret("61_"), expires_at=now + platform.expires_in)
        for each in account.issued:
            if each.usable_until is None:
                each.usable_until = now + platform.overlap_seconds
        # A few dead ones stay, so that the journal can still say whose they were.
        usable = [each for each in account.issued[:-KEPT] if each.errcode_at(now) is None]
        account.issued = [*usable, *account.issued[-KEPT:], token]
        self._owners[token.value] = account
        return token.value

    def new_draft(self, component_appid: str = "", user_version: str = "1.0.0", user_desc: str = "") -> Draft:
        """Upload a draft to a platform, the first one by default, as a developer does, and return it."""
        platform = self.platform(component_appid) if component_appid else self.platforms[0]
        number = max((each.draft_id for each in platform.drafts), default=0) + 1
        draft = Draft(draft_id=number, create_time=self.now(), user_version=user_version, user_desc=user_desc)
        platform.drafts.append(draft)
        return draft

    def new_secret(self, prefix: str) -> str:
        """Return a fresh token, ticket or code, which nothing will show."""
        secret = prefix + self.generate()
        self.known.add(secret)
        return secret

    @property
    def known(self) -> Redactor:
        """Secrets that nothing may show: those that this world was built with, and all that it issued."""
        if self._known is None:
            self._known = Redactor()
            self._known.add_all(self.tokens())
        self._known.add_all(self.expired_tokens)
        return self._known

    def tokens(self) -> set[str]:
        """Return every secret this world holds now, expired ones included."""
        current = {secret for account in self.accounts() for secret in account.secrets()}
        return (current | self.expired_tokens) - {""}

    def template(self, platform: Platform, template_id: int) -> Template | None:
        """Return a template of a platform's library; None when it does not hold it."""
        library = (*platform.templates, *self.templates)
        return next((each for each in library if each.template_id == template_id), None)

    def looseness(self, account: AnyAccount | None) -> Looseness:
        """Return how answers to an account stray from WeChat's pages."""
        own = account.loose if isinstance(account, MiniProgram) else None
        return own or self.loose

    def read(self, account: AnyAccount, kind: Lag, state: T) -> T:
        """Return what a read shows of an account: its state, or the one from before the last write."""
        stale = self._stale.get((account.appid, kind))
        if stale is None:
            return state
        stale.reads -= 1
        if stale.reads == 0:
            del self._stale[account.appid, kind]
        shown: T = stale.state
        return shown

    @contextmanager
    def writing(self, account: AnyAccount) -> Iterator[None]:
        """Let the coming reads lag behind what the block changes, as far as the looseness says."""
        lag = self.looseness(account).lag
        before = account.readable() if lag else {}
        yield
        after = account.readable() if lag else {}
        for kind, reads in lag.items():
            if reads > 0 and kind in before and before[kind] != after[kind]:
                self._stale[account.appid, kind] = Stale(before[kind], reads)

    def told(self, account: MiniProgram, slot: Mapping[str, Any]) -> dict[str, Any]:
        """Return what answers tell of a version or a sheet: without what is left out, descriptions cut off."""
        longest = self.looseness(account).longest_desc
        return {
            name: value[:longest] if name.endswith("_desc") else value
            for name, value in slot.items()
            if name not in self.leaves_out
        }

    def take_auditid(self) -> int:
        """Return the next audit sheet's number."""
        self.next_auditid += 1
        return self.next_auditid - 1

    def become(self, other: Self) -> None:
        """Take over the state of another world in place; the clock and the generator stay."""
        for each in fields(self):
            if each.name not in FUNCTIONS:
                setattr(self, each.name, getattr(other, each.name))
        self._owners, self._coded, self._places, self._stale = {}, {}, {}, {}
        self.outbox.clear()
        self.known.add_all(self.tokens())

    def to_json(self, *, tokens: bool = False) -> Json:
        """Return the state as JSON values, which :meth:`from_json` reads.

        :param tokens: include tokens, for seeding another sandbox; never set where someone may look.
        """
        left_out = dict.fromkeys(FUNCTIONS, True) if tokens else _hidden()
        plain: Json = _adapter().dump_python(self, mode="json", exclude=left_out)
        return plain

    @classmethod
    def from_json(cls, data: Json) -> "World":
        """Build a world from JSON values.

        :raises ValueError: every wrong, missing or unknown field.
        """
        if functions := [name for name in FUNCTIONS if name in data]:
            raise ValueError(f"{functions[0]} is no JSON value")
        return values.read(_adapter(), data)


FUNCTIONS = ("clock", "generate")


@cache
def _adapter() -> TypeAdapter[World]:
    return TypeAdapter(World)


@cache
def _hidden() -> dict[str, Any]:
    """Return what is left out of a state that someone may look at."""
    hidden: dict[Any, dict[str, Any]] = {
        cls: {each.name: True for each in fields(cls) if each.metadata.get("secret")}
        for cls in (World, Platform, MiniProgram)
    }
    lists = {"platforms": {"__all__": hidden[Platform]}, "mini_programs": {"__all__": hidden[MiniProgram]}}
    return {**dict.fromkeys(FUNCTIONS, True), **hidden[World], **lists}
