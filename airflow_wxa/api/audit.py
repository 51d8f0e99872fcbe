"""The audit sheet (审核单): its status as a name, its answers, and the calls."""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.answers import integer_in
from airflow_wxa.api.call import Call, Reply, body_schema, of_merchant
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import shown

if TYPE_CHECKING:
    from collections.abc import Mapping


_log = logging.getLogger(__name__)
_WITHDRAWALS_A_DAY: Final = 5  # from midnight, Beijing's
_WITHDRAWALS_A_MONTH: Final = 10


class AuditStatus(IntEnum):
    """WeChat's numbers; 0 is success, so never test its truth."""

    APPROVED = 0  # 审核成功
    REJECTED = 1  # 审核被拒绝
    AUDITING = 2  # 审核中
    WITHDRAWN = 3  # 已撤回
    DELAYED = 4  # 审核延后: not final, approved or rejected follows

    @property
    def is_open(self) -> bool:
        """Tell whether the review still runs: only one sheet a Mini Program may (85009)."""
        return self in {AuditStatus.AUDITING, AuditStatus.DELAYED}


@dataclass(frozen=True, slots=True)
class AuditSheet:
    """A sheet as WeChat tells it.

    :param auditid: as text; a number or a string on the wire.
    :param user_version: ``""`` from ``get_auditstatus``, which does not tell it; so is ``user_desc``.
    :param reason: why it was rejected or delayed, ``<br>`` as line breaks.
    :param screenshot: media ids.
    :param submit_audit_time: epoch seconds; 0 where WeChat does not tell.
    """

    auditid: str
    status: AuditStatus
    user_version: str = ""
    user_desc: str = ""
    reason: str = ""
    screenshot: tuple[str, ...] = ()
    submit_audit_time: int = 0

    @property
    def is_live(self) -> bool:
        """Tell whether the sheet still leads somewhere: in audit, delayed or approved."""
        return self.status.is_open or self.status is AuditStatus.APPROVED


def read_sheet(reply: Reply, auditid: str = "") -> AuditSheet:
    """Read the reply of :func:`get_auditstatus` or :func:`get_latest_auditstatus`.

    :param auditid: the sheet asked for, for answers that do not repeat it.
    """
    answer = reply.answer
    # get_latest_auditstatus is documented with ``screenshot`` in its table and ``ScreenShot`` in its sample.
    screenshot = answer.get("screenshot") or answer.get("ScreenShot") or ""
    return AuditSheet(
        auditid=str(answer.get("auditid") or auditid),
        status=_status_in(answer["status"]),
        user_version=answer.get("user_version") or "",
        user_desc=answer.get("user_desc") or "",
        reason=reason_lines(answer.get("reason") or ""),
        screenshot=tuple(media for media in screenshot.split("|") if media),
        submit_audit_time=answer.get("submit_audit_time") or 0,
    )


def _status_in(said: int | str) -> AuditStatus:
    """Return the status that WeChat's number names; one that no page names is taken for a review that goes on."""
    number = integer_in(said)
    if number in set(AuditStatus):
        return AuditStatus(number)
    _log.warning("an audit status that none of WeChat's pages names is read as 2 (auditing): status %s", shown(said))
    return AuditStatus.AUDITING


def reason_lines(reason: str) -> str:
    """Return WeChat's reason with its ``<br>`` as line breaks, without empty lines."""
    broken = re.sub(r"<br\s*/?>", "\n", reason, flags=re.IGNORECASE)
    return "\n".join(line.strip() for line in broken.splitlines() if line.strip())


#: Further fields of a submission: that of one param, ``audit_form``.
AUDIT_FORM: Final = tuple(
    name for name in body_schema("submit_audit")["properties"] if name not in {"version_desc", "privacy_api_not_use"}
)


def submit_audit(
    appid: str, *, version_desc: str = "", privacy_api_not_use: bool = False, form: Mapping[str, Any] | None = None
) -> Call:
    """Ask WeChat to review the committed code (提交审核). Not idempotent: after a lost answer read the latest sheet.

    Without ``item_list`` WeChat takes the Mini Program's own categories.

    :param version_desc: changes, in words that the reviewer reads; test accounts go here.
    :param privacy_api_not_use: declare that privacy interfaces that the scan found are not used.
    :param form: further fields by WeChat's names, see :data:`AUDIT_FORM`.
    :return: a call whose reply holds ``auditid``.
    """
    body: dict[str, Any] = {**(form or {}), "privacy_api_not_use": privacy_api_not_use}
    if version_desc:
        body["version_desc"] = version_desc
    return Call.to("submit_audit", appid, body)


def get_auditstatus(appid: str, auditid: str) -> Call:
    """Read one sheet: ``status``, and ``reason`` and ``screenshot`` where it was rejected or delayed."""
    return Call.to("get_auditstatus", appid, {"auditid": int(auditid) if auditid.isdecimal() else auditid})


#: Read the latest sheet; 85058 and 85012 mean that there is none.
get_latest_auditstatus: Final = of_merchant("get_latest_auditstatus")
#: Withdraw the sheet in audit (撤回审核): 5 a day from midnight and 10 a month for each Mini Program; 87013 beyond.
undocodeaudit: Final = of_merchant("undocodeaudit")
#: Read the categories that a submission may name: ``category_list``.
get_category: Final = of_merchant("get_category")
#: Read what is left of the platform's monthly budget of submissions, by any merchant's token: ``rest`` of ``limit``.
queryquota: Final = of_merchant("queryquota")


def withdrawals_left(today: int, this_month: int) -> int:
    """Return how many withdrawals of a Mini Program are left after so many; 0 or less: WeChat answers 87013."""
    return min(_WITHDRAWALS_A_DAY - today, _WITHDRAWALS_A_MONTH - this_month)


def get_material(appid: str, media_id: str) -> Call:
    """Read a screenshot that the reviewer made: the reply's ``image`` is its bytes. 40007: no such material.

    :param media_id: one of :attr:`AuditSheet.screenshot`.
    """
    return Call.to("get_material", appid, {"media_id": media_id})


@dataclass(frozen=True, slots=True)
class Media:
    """A file to upload.

    :param name: its name without folders; its ending tells the type.
    """

    name: str
    content: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """Such as ``image/jpeg`` or ``video/mp4``."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    def form(self) -> tuple[bytes, str]:
        """Return the form that holds it, and the form's media type."""
        boundary = hashlib.sha256(self.content).hexdigest()  # of the content, which therefore cannot hold it
        name = re.sub(r"[^0-9A-Za-z._-]", "_", self.name)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="{name}"\r\n'
        head += f"Content-Type: {self.media_type}\r\n\r\n"
        form = head.encode() + self.content + f"\r\n--{boundary}--\r\n".encode()
        return form, f"multipart/form-data; boundary={boundary}"


def uploadmedia(appid: str, media: Media) -> Call:
    """Upload a picture or a video; the reply holds ``mediaid``.

    The ledger keeps name and size, not the content.
    """
    said = {"name": media.name, "media_type": media.media_type, "bytes": len(media.content)}
    return Call(CATALOGUE["uploadmedia"], appid, said, form=media.form())
