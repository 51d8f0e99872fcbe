"""The privacy guide: written when it differs, and read back; and applications for privacy interfaces."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api import privacy
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import WxaInputError, WxaStateError
from airflow_wxa.steps.lag import Watched, recall
from airflow_wxa.steps.outcome import PrivacySettingOutcome, Step
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping


_ENDPOINT: Final = CATALOGUE["setprivacysetting"]


def read_privacy_setting(appid: str, privacy_ver: int = privacy.DEVELOPMENT) -> Step[dict[str, Any]]:
    """Read a privacy guide; returns WeChat's fields."""
    answer = dict((yield privacy.getprivacysetting(appid, privacy_ver)).answer)
    return {name: value for name, value in answer.items() if name not in {"errcode", "errmsg"}}


def set_privacy_setting(appid: str, privacy_setting: Mapping[str, Any]) -> Step[PrivacySettingOutcome]:
    """Write a privacy guide unless it is so already; it must name everything that the committed code collects.

    :param privacy_setting: the body of ``setprivacysetting``.
    :raises WxaSpecError: it breaks WeChat's rules; every field is named, nothing is sent.
    :raises WxaInputError: the code collects what ``setting_list`` says nothing of: each key is named, nothing is sent.
    :raises WxaStateError: accepted, but the guide read back is another one.
    :raises WxaBusyError: 61039, the code is being scanned; or the guide read back is that from before.
    """
    call = privacy.setprivacysetting(appid, privacy_setting)
    call.content()  # a guide that WeChat cannot take is refused before the first look
    version = privacy_setting.get("privacy_ver", privacy.DEVELOPMENT)
    before = yield from read_privacy_setting(appid, version)
    if version == privacy.DEVELOPMENT:
        _check_keys(appid, {**before, "setting_list": privacy_setting.get("setting_list", [])})
    if _says(before, privacy_setting):
        return PrivacySettingOutcome("unchanged", appid, version)
    noted = _guide(before)
    seen = (yield from recall(appid)).with_write(_ENDPOINT.name, noted)
    yield call.knowing(noted)
    read = partial(read_privacy_setting, appid, version)
    guide = Watched(_ENDPOINT.name, appid, read, lambda guide: _says(guide, privacy_setting), _guide)
    after = yield from guide.settled(seen)
    # What WeChat does not tell says nothing against it.
    if after.get("owner_setting") and not _says(after, privacy_setting):
        raise WxaStateError(
            Text("privacy_guide_differs"), values={"read back": _guide(after)}, **_ENDPOINT.named(appid)
        )
    return PrivacySettingOutcome("written", appid, version)


def apply_for_privacy_interface(appid: str, application: Mapping[str, Any]) -> Step[dict[str, Any]]:
    """Apply for a privacy interface; one that is under review already (61031) is an outcome as well."""
    reply = yield privacy.apply_privacy_interface(appid, application)
    return {
        "outcome": "under_review" if reply.errcode else "applied",
        "appid": appid,
        "api_name": application.get("api_name", ""),
        "audit_id": reply.answer.get("audit_id", ""),
    }


def _check_keys(appid: str, guide: Mapping[str, Any]) -> None:
    if silent := privacy.keys_without_text(guide):
        raise WxaInputError(
            Text("privacy_guide_is_incomplete"),
            errcode=0,
            values={"without text": ", ".join(silent)},
            **_ENDPOINT.named(appid),
        )


def _says(guide: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether a guide has every field that is wanted, and the very list."""
    owner, settings = _guide(guide).values()
    asked = _guide(wanted)
    has_owner = all(str(owner.get(name, "")) == str(value) for name, value in asked["owner_setting"].items())
    return has_owner and ("setting_list" not in wanted or asked["setting_list"] == settings)


def _guide(guide: Mapping[str, Any]) -> dict[str, Any]:
    """Return what counts of a guide, in one form."""
    settings = {each.get("privacy_key", ""): each.get("privacy_text", "") for each in guide.get("setting_list", ())}
    return {
        "owner_setting": dict(guide.get("owner_setting") or {}),
        "setting_list": dict(sorted((key, text) for key, text in settings.items() if text)),
    }
