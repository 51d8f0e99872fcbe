"""Code on its way through WeChat: a version of ours and its fingerprint, the trial and the online version, the calls.

The fingerprint makes every step safe to repeat: WeChat hands the description back, so whoever reads it knows whose
version it is. ``<user_desc> [wxa:1a2b3c4d]`` is what ``commit`` sends.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from airflow_wxa.api.call import Call, Reply, body_schema, of_merchant
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import WxaSpecError, problem, problem_at, shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.audit import AuditSheet

_MARK: Final = re.compile(r"\[wxa:([0-9a-f]{8})\]")
_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?", re.ASCII)
_MARK_BEGINS: Final = "[wxa:"
_USER_VERSION: Final = body_schema("commit")["properties"]["user_version"]


_LATEST: Final = 2**32  # epoch seconds, of the year 2106


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The version that a release is about: its content, and how it is recognised.

    :param appid: the Mini Program.
    :param template_id: digits; number and text mean the same.
    :param user_version: any text that WeChat takes as a version's name.
    :param ext_json: the whole ext_json without ``extAppid``, which is added.
    """

    appid: str
    template_id: str
    user_version: str
    ext_json: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        appid: str,
        template_id: int | str | None,
        user_version: str | None,
        ext_json: Mapping[str, Any] | None = None,
        adopt_trial: Mapping[str, Any] | None = None,
    ) -> CodeVersion:
        """Check and normalise the parts.

        :param adopt_trial: in place of ``template_id`` and ``ext_json``: ``user_version`` and ``user_desc`` of a trial
            version that another tool uploaded, see :class:`AdoptedVersion`.
        :raises WxaSpecError: every part that cannot be right.
        """
        if adopt_trial is not None:
            problems = _adoption_problems(template_id, user_version, ext_json, adopt_trial)
            if problems:
                raise WxaSpecError(Text("trial_cannot_be_adopted"), problems, appid=appid)
            return AdoptedVersion(appid, "", adopt_trial["user_version"], user_desc=adopt_trial["user_desc"].strip())
        ext_json = ext_json if ext_json is not None else {}
        problems = version_problems(appid, template_id, user_version, ext_json)
        if problems:
            raise WxaSpecError(
                Text("version_is_refused"), problems, source=Call.to("commit", appid).endpoint.source, appid=appid
            )
        return CodeVersion(appid, str(int(template_id or 0)), str(user_version), dict(ext_json))

    @property
    def sent_ext_json(self) -> str:
        """Return ext_json as it is sent: canonical JSON with ``extAppid``."""
        whole = dict(self.ext_json) | {"extAppid": self.appid}
        return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def fingerprint(self) -> str:
        """Return eight hex digits over ``template_id``, ``user_version`` and the ext_json that is sent."""
        parts = json.dumps([self.template_id, self.user_version, self.sent_ext_json], ensure_ascii=False)
        return hashlib.sha256(parts.encode()).hexdigest()[:8]

    @property
    def mark(self) -> str:
        """Return the fingerprint as it stands in a description."""
        return f"[wxa:{self.fingerprint}]"

    def described(self, user_desc: str) -> str:
        """Return the description that ``commit`` sends."""
        return f"{user_desc} {self.mark}".lstrip()

    def is_ours(self, user_version: str, description: str, *, noted: bool = False) -> bool:
        """Tell whether what WeChat has on trial, in audit or online is this version.

        It is when the last mark of the description is ours, and so is ``user_version``. ``""``: WeChat left it out.

        :param noted: whether something else than the description, which is left out, says that it is.
        """
        unsaid, same = user_version == "", user_version.strip() == self.user_version.strip()
        if not description.strip():
            return noted and (unsaid or same)
        is_marked = _MARK.findall(description)[-1:] == [self.fingerprint]
        return is_marked and (unsaid or same or _is_same_number(user_version, self.user_version))

    def is_trial(self, trial: TrialVersion | None) -> bool:
        """Tell whether a trial version is this version."""
        return trial is not None and self.is_ours(trial.version, trial.description)

    def is_sheet(self, sheet: AuditSheet | None, noted_auditid: str = "") -> bool:
        """Tell whether an audit sheet is of this version.

        :param noted_auditid: answer to our own submission: a sheet without description is known by it.
        """
        noted = sheet is not None and sheet.auditid == noted_auditid != ""
        return sheet is not None and self.is_ours(sheet.user_version, sheet.user_desc, noted=noted)

    def is_online(self, online: OnlineVersion | None, *, since: int = 0) -> bool:
        """Tell whether an online version is this version.

        :param since: epoch seconds: one without description and ``user_version`` is ours if it went online at this
            time or later; 0: never. Both came back empty once.

        Source: https://developers.weixin.qq.com/community/develop/doc/00064898180538e0c771f4b5c6b800
        """
        noted = online is not None and (online.version != "" or online.time >= since > 0)
        return online is not None and self.is_ours(online.version, online.description, noted=noted)

    def is_cut_off(self, user_version: str, description: str, sent: str = "") -> bool:
        """Tell whether a description seems to be ours, cut off by WeChat: it ends within our mark.

        :param sent: the description as it was sent, if that is known; then it may also end before the mark.
        """
        left = description.rstrip(" .…")
        within_mark = any(left.endswith(self.mark[:length]) for length in range(2, len(self.mark)))
        before_mark = left != "" and sent.startswith(left)
        return user_version in ("", self.user_version) and (within_mark or before_mark)


@dataclass(frozen=True, slots=True)
class AdoptedVersion(CodeVersion):
    """A trial version that another tool uploaded, and that somebody says is theirs.

    It carries no fingerprint: it is known by version and description, both as WeChat shows them, and its sheet by the
    ``auditid`` besides. Other code that is uploaded under the same two names is not told apart.

    :param user_desc: the whole description.
    """

    user_desc: str = ""

    @property
    def fingerprint(self) -> str:
        """Return eight hex digits over version and description, for the ledger; WeChat never sees them."""
        parts = json.dumps(["adopted", self.user_version, self.user_desc], ensure_ascii=False)
        return hashlib.sha256(parts.encode()).hexdigest()[:8]

    @property
    def mark(self) -> str:
        """Return the description, by which it is known."""
        return repr(self.user_desc)

    def is_ours(self, user_version: str, description: str, *, noted: bool = False) -> bool:
        """Tell whether version and description are these; one that WeChat left out has to be noted elsewhere."""
        is_same = user_version.strip() == self.user_version.strip() or (noted and user_version == "")
        return is_same and (description.strip() == self.user_desc or (noted and not description.strip()))

    def is_sheet(self, sheet: AuditSheet | None, noted_auditid: str = "") -> bool:
        """Tell whether an audit sheet is of this version: the noted one, or one in audit; there is only one of these.

        An older sheet that was approved under the same names may be of other code.
        """
        if sheet is None or not (sheet.status.is_open or sheet.auditid == noted_auditid != ""):
            return False
        return self.is_ours(sheet.user_version, sheet.user_desc, noted=sheet.auditid == noted_auditid != "")

    def is_cut_off(self, user_version: str, description: str, sent: str = "") -> bool:  # noqa: ARG002  (as above)
        """Return false: the description is told as WeChat shows it."""
        return False


def _adoption_problems(template_id: Any, user_version: Any, ext_json: Any, adopt_trial: Any) -> list[str]:
    """Return everything by which a trial version cannot be adopted so; empty when it can."""
    beside = {"template_id": template_id, "ext_json": ext_json}
    problems: list[str] = [
        problem(name, value, Text("adopted_beside")) for name, value in beside.items() if value not in (None, "", {})
    ]
    if not isinstance(adopt_trial, dict):
        return [*problems, f"adopt_trial = {shown(repr(adopt_trial))}: must be an object of user_version and user_desc"]
    unknown = sorted(str(name) for name in adopt_trial.keys() - {"user_version", "user_desc"})
    problems += [problem_at(f"adopt_trial.{name}", Text("adopted_field_is_unknown")) for name in unknown]
    for name in ("user_version", "user_desc"):
        value = adopt_trial.get(name)
        if not is_text(value) or not value.strip():
            problems.append(f"adopt_trial.{name} = {shown(repr(value))}: must be a text, not empty")
        elif name == "user_version" and len(value) > _USER_VERSION["maxLength"]:
            problems.append(f"adopt_trial.{name} = {shown(repr(value))}: must be {_USER_VERSION['description']}")
        elif name == "user_desc" and _MARK_BEGINS in value:
            problems.append(problem("adopt_trial.user_desc", value, Text("adopted_version_is_ours", mark=_MARK_BEGINS)))
    if user_version not in (None, "", adopt_trial.get("user_version")):
        problems.append(problem("user_version", user_version, Text("adopted_version_differs")))
    return problems


def _is_same_number(one: str, other: str) -> bool:
    """Tell whether both are one number: WeChat's 1.4 may be what is left of the text 1.40."""
    return _NUMBER.fullmatch(one) is not None and _NUMBER.fullmatch(other) is not None and float(one) == float(other)


def is_text(value: Any) -> TypeGuard[str]:
    """Tell whether ``value`` is a text that can be sent: UTF-8 has no form for half a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def user_desc_problems(user_desc: Any) -> list[str]:
    """Return what is wrong with a description of one's own; empty when nothing is.

    A description copied from WeChat ends in the mark of the version that it was made for.
    """
    if not is_text(user_desc):
        return [f"user_desc = {shown(repr(user_desc))}: must be a text"]
    if _MARK_BEGINS in user_desc:
        return [problem("user_desc", user_desc, Text("description_holds_a_mark", mark=_MARK_BEGINS))]
    return []


def version_problems(appid: Any, template_id: Any, user_version: Any, ext_json: Any) -> list[str]:
    """Return everything by which these cannot be the parts of a version; empty when they can."""
    problems = []
    digits = str(template_id) if not isinstance(template_id, bool) else ""
    if not (isinstance(template_id, int | str) and re.fullmatch(r"[0-9]{1,18}", digits)):
        problems.append(f"template_id = {shown(repr(template_id))}: must be a number or digits, from gettemplatelist")
    if not is_text(user_version) or not 1 <= len(user_version) <= _USER_VERSION["maxLength"]:
        problems.append(f"user_version = {shown(repr(user_version))}: must be {_USER_VERSION['description']}")
    if not isinstance(ext_json, dict):
        problems.append(f"ext_json = {shown(repr(ext_json))}: must be an object; free data goes under its key ext")
        return problems
    if ext_json.get("extAppid", appid) != appid:
        differs = Text("ext_appid_differs", appid=shown(repr(appid)))
        problems.append(problem("ext_json.extAppid", ext_json["extAppid"], differs))
    try:
        json.dumps(ext_json, allow_nan=False, ensure_ascii=False, sort_keys=True).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problems.append(problem("ext_json", ext_json, Text("value_is_no_json", why=shown(str(error)))))
    return problems


@dataclass(frozen=True, slots=True)
class TrialVersion:
    """``exp_info``: the version that testers open (体验版).

    :param time: epoch seconds; 0 when WeChat left it out.
    """

    version: str
    description: str
    time: int = 0


@dataclass(frozen=True, slots=True)
class OnlineVersion:
    """``release_info``: the version that everyone opens (线上版).

    :param version: ``""`` at times although something is online: then the time tells.
    :param time: epoch seconds; 0 when WeChat left it out.
    """

    version: str
    description: str
    time: int


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """Answer of ``getversioninfo``; each half is absent on a fresh account."""

    trial: TrialVersion | None
    online: OnlineVersion | None


def read_version_info(reply: Reply) -> VersionInfo:
    """Read the reply of :func:`getversioninfo`."""
    exp, online = reply.answer.get("exp_info"), reply.answer.get("release_info")
    trial = TrialVersion(exp.get("exp_version", ""), exp.get("exp_desc", ""), exp.get("exp_time", 0)) if exp else None
    if not online:
        return VersionInfo(trial, None)
    at = online.get("release_time", 0)
    at = at if 0 < at < _LATEST else 0  # what cannot be epoch seconds, milliseconds for one, counts as not told
    return VersionInfo(trial, OnlineVersion(online.get("release_version", ""), online.get("release_desc", ""), at))


#: Read the trial and the online version.
getversioninfo: Final = of_merchant("getversioninfo")
#: Read the page paths of the committed code: ``page_list``.
get_page: Final = of_merchant("get_page")
#: Read the result of the privacy scan: ``without_auth_list`` and ``without_conf_list``, names such as
#: ``wx.getLocation``; 61039 while it runs.
get_code_privacy_info: Final = of_merchant("get_code_privacy_info")
#: Publish the last **approved** audit, not the last commit. 85052: it is online already.
release: Final = of_merchant("release")


def commit(version: CodeVersion, user_desc: str) -> Call:
    r"""Upload code from a template: creates or overwrites the trial version and starts a privacy scan.

    ``ext_json`` is a string holding JSON inside the JSON body; an object is 85048.
    """
    body = {
        "template_id": int(version.template_id),
        "ext_json": version.sent_ext_json,
        "user_version": version.user_version,
        "user_desc": version.described(user_desc),
    }
    return Call.to("commit", version.appid, body)


def get_qrcode(appid: str, path: str = "") -> Call:
    """Read the QR code of the trial version: the reply's ``image`` is a JPEG that testers and admins can use.

    :param path: the page that it opens, with its query, such as ``page/index?action=1``; ``""``: the first one.
    """
    return Call(CATALOGUE["get_qrcode"], appid, query={"path": path} if path else {})
