"""How a world strays from WeChat's pages, as the real one was seen to do; the default strays nowhere.

Three things are loose, and each is set alone:

* **answers**: answers that a client in the wild has to read (:data:`LooseAnswer`). The facts of an answer stay the
  same, only their spelling changes; the fields that an answer would lose are set by ``World.leaves_out``.
* **lag**: reads right after a write that show the state from before it, as from a replica. Writes see the true state.
* **endpoints that contradict each other**, and refusals that no page promises.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, get_args

from airflow_wxa.sandbox.values import STRICT, SortedSet

Lag = Literal[
    "domains",  # setwebviewdomain with action get
    "effective_domains",  # get_effective_webviewdomain
    "platform_list",  # modify_wxa_jump_domain with action get
    "platform_check",  # what setwebviewdomain is checked against
    "trial_version",  # exp_info of getversioninfo
    "audit_sheet",  # get_auditstatus and get_latest_auditstatus
    "online_version",  # release_info of getversioninfo
]

LooseAnswer = Literal[
    "no_errcode",  # success has no errcode
    "text_errcode",  # "errcode": "0", and "errcode": "85012"
    "null",  # what is empty is null
    "empty_objects",  # an empty list is {}
    "text_numbers",  # "auditid": "400000001"
    "number_texts",  # a text of digits is a number: "user_version": 14
    "extra_fields",  # fields that no page names
    "schemes",  # the platform list has https://
    "slashes",  # domains end in a slash
    "upper_case",  # domains are in capitals
    "stray_entries",  # lists of domains hold an entry that means no host
    "unnamed_status",  # what is in audit has a status that no page names
    "empty_release",  # release_version and release_desc are empty, release_time is there
    "control_characters",  # raw control characters inside texts
    "bad_byte",  # a byte that is no UTF-8
    "bom",  # the answer begins with a byte order mark
    "duplicate_keys",  # every field comes twice, null first
]

Unfilled = Literal["name", "avatar", "introduction", "category"]

UNNAMED_STATUS = 5
STRAY_ENTRY = "-"
#: Texts that people wrote, where control characters and broken bytes are found.
FREE_TEXTS = frozenset({"errmsg", "reason", "nick_name", "nickname", "principal_name", "signature"})
BOM = b"\xef\xbb\xbf"
BAD = "\ue000"
"""Stands for a byte that no text can hold, until the answer is bytes."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_PLATFORM_LIST = re.compile(r"(testing|published)_wxa_(jump_h5|server)_domain")
_ORIGINS = re.compile(r"(mp_|third_|direct_|effective_)?webviewdomain")
_ESCAPED_CONTROL = re.compile(r"\\(?:u00([01][0-9a-f])|(.))")
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(kw_only=True, slots=True)
class Looseness:
    """Settings of a loose world."""

    __pydantic_config__: ClassVar = STRICT
    answers: SortedSet[LooseAnswer] = field(default_factory=set)  #: how answers are spelt
    lag: dict[Lag, int] = field(default_factory=dict)  #: how many reads behind each write show the state from before it
    #: how many questions for a new audit sheet are answered 85012 and 85058
    #: (https://developers.weixin.qq.com/community/personal/oCJUsw84V3TNHyqtviFpXVETsm78/follow)
    unseen_after_submit: int = 0
    status_beside_85012: bool = False  #: whether an answer 85012 carries ``status`` 2 as well
    #: whether ``undocodeaudit`` with nothing in audit answers 0, as in 2020
    #: (https://developers.weixin.qq.com/community/develop/doc/000c8ebf61849811d82a795fa51c00)
    undo_of_nothing: bool = False
    #: commits under way in all the world beyond which the next is answered 9402202; None for any number. Calls are
    #: under way for ``World.latency``.
    commits_at_once: int | None = None
    needs_ugc_declare: bool = False  #: whether ``submit_audit`` without ``ugc_declare`` is answered 85094
    #: whether ``submit_audit`` without a privacy guide is answered 85086, as was seen once
    needs_privacy_guide: bool = False
    #: fields that the merchant has not filled in: 86002, for the category 85008
    unfilled: SortedSet[Unfilled] = field(default_factory=set)
    #: characters of ``exp_desc``, ``user_desc`` and ``release_desc`` that answers keep; None for all
    longest_desc: int | None = None

    @classmethod
    def everything(cls, *, lag: int = 1, **changes: Any) -> Self:
        """Return a looseness that a careful client gets along with: all spellings, lag, endpoints that contradict.

        :param lag: reads behind each write.
        """
        settings: dict[str, Any] = {
            # Nothing can be told from a release without a version.
            "answers": set(get_args(LooseAnswer)) - {"empty_release"},
            # What a check sees late cannot be told from what is wrong, so it is asked for alone.
            "lag": {kind: lag for kind in get_args(Lag) if kind != "platform_check"},
            "unseen_after_submit": lag,
            "status_beside_85012": True,
            "undo_of_nothing": True,
        }
        return cls(**{**settings, **changes})


@dataclass(slots=True)
class Stale:
    """A state from before a write, and how many reads still show it."""

    state: Any
    reads: int


def respelt(answer: dict[str, Any], how: Collection[LooseAnswer]) -> dict[str, Any]:
    """Return an answer with the same facts, spelt as the real WeChat may."""
    spelt = {name: _value(name, value, how) for name, value in answer.items()}
    if "errcode" in answer:
        spelt["errcode"] = str(answer["errcode"]) if "text_errcode" in how else answer["errcode"]
    if "no_errcode" in how and not answer.get("errcode"):
        spelt = {name: value for name, value in spelt.items() if name not in ("errcode", "errmsg")}
    if "empty_release" in how and spelt.get("release_info"):
        spelt["release_info"].update(release_version="", release_desc="")
    if "extra_fields" in how:
        spelt["extra"] = {"trace": [1.5, None, {"signature": ""}]}
    return spelt


def _value(name: str, value: Any, how: Collection[LooseAnswer]) -> Any:
    if isinstance(value, dict):
        return {each: _value(each, item, how) for each, item in value.items()}
    if _ORIGINS.fullmatch(name) and isinstance(value, list):
        value = _domains(value, how)
    elif _PLATFORM_LIST.fullmatch(name) and isinstance(value, str):
        value = ";".join(_domains([each for each in value.split(";") if each], how, bare=True))
    if value in ("", []):
        return {} if value == [] and "empty_objects" in how else None if "null" in how and name != "errmsg" else value
    if isinstance(value, list):
        return [_value("", item, how) for item in value]
    return _text(name, value, how) if isinstance(value, str) else _number(value, how)


def _number(value: Any, how: Collection[LooseAnswer]) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(int(value)) if is_number and "text_numbers" in how else value


def _text(name: str, value: str, how: Collection[LooseAnswer]) -> Any:
    if "number_texts" in how and value.isascii() and value.isdigit() and str(int(value)) == value:
        return int(value)
    if name in FREE_TEXTS:
        value += "\n\x01" if "control_characters" in how else ""
        value += BAD if "bad_byte" in how else ""
    return value


def _domains(entries: list[str], how: Collection[LooseAnswer], *, bare: bool = False) -> list[str]:
    scheme = "https://" if bare and "schemes" in how else ""
    slash = "/" if "slashes" in how else ""
    spelt = [f"{scheme}{each.removesuffix('/') + slash if slash else each}" for each in entries]
    if "upper_case" in how:
        spelt = [each.upper() for each in spelt]
    return [*spelt, STRAY_ENTRY] if spelt and "stray_entries" in how else spelt


def encoded(answer: Any, how: Collection[LooseAnswer] = ()) -> bytes:
    """Return an answer as it goes over the wire: raw UTF-8, as loose as asked for."""
    text = _ENCODER.encode(answer)
    if "duplicate_keys" in how and isinstance(answer, dict) and answer:
        first = _ENCODER.encode(dict.fromkeys(answer))
        text = f"{first[:-1]},{text[1:]}"
    if "control_characters" in how:
        text = _ESCAPED_CONTROL.sub(_raw_control, text)
    # A lone surrogate that a caller smuggled in becomes a question mark.
    raw = text.encode(errors="replace").replace(BAD.encode(), b"\xff")
    return BOM + raw if "bom" in how else raw


def _raw_control(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _CONTROLS.get(escape[2], escape[0])
