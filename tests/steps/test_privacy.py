"""The privacy guide: written when it differs, as raw UTF-8, and read back."""

from typing import Any

import pytest

from airflow_wxa.api.privacy import setprivacysetting
from airflow_wxa.errors import WxaBusyError, WxaInputError, WxaSpecError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import apply_for_privacy_interface, set_privacy_setting
from tests.steps.conftest import Ending, Script, done, stops

OWNER = {"contact_email": "ops@example.com", "notice_method": "弹窗", "store_region": "新加坡"}
GUIDE: dict[str, Any] = {
    "owner_setting": OWNER,
    "setting_list": [{"privacy_key": "Location", "privacy_text": "展示附近门店"}],
}
TOLD = {**GUIDE, "code_exist": 1, "privacy_list": ["Location"], "errcode": 0}


EMPTY = {"code_exist": 1, "privacy_list": ["Location"], "setting_list": [], "owner_setting": {}}
OTHER = {**TOLD, "owner_setting": {**OWNER, "contact_email": "x@y.cn"}}
#: The guide that WeChat shows, look by look, what it says to the write; and how that ends.
GUIDES: list[tuple[list[Any], Any, Ending]] = [
    ([EMPTY, TOLD], [{}], done("written")),
    ([TOLD], (), done("unchanged")),
    ([{"privacy_list": ["Location", "Album", "Camera"]}], (), stops(WxaInputError, "without text Album, Camera")),
    ([{}], [61039], stops(WxaBusyError)),  # a scan that runs is waited for
    ([{}, OTHER], [{}], stops(WxaStateError, "read back is another one")),
]


@pytest.mark.parametrize(("looks", "said", "ending"), GUIDES)
def test_a_guide_is_written_once_or_said_why_not(script: Script, looks: Any, said: Any, ending: Ending) -> None:
    ending(lambda: script.play(set_privacy_setting(APPID, GUIDE), getprivacysetting=looks, setprivacysetting=said))
    assert script.bodies("setprivacysetting") == [GUIDE] * len(said)


def test_texts_travel_as_they_are() -> None:
    content = setprivacysetting(APPID, GUIDE).content()
    assert content is not None
    assert "展示附近门店".encode() in content
    assert b"\\u" not in content


#: Guides that WeChat would refuse.
WRONG = [
    {},
    {"owner_setting": {"notice_method": "popup"}, "setting_list": []},
    {"owner_setting": {"contact_email": "a@b.cn"}, "setting_list": []},
    {"owner_setting": OWNER},
    {**GUIDE, "privacy_ver": 1},
    {**GUIDE, "privacy_ver": 3},
    {**GUIDE, "setting_list": [{"privacy_key": "Location"}]},
    {**GUIDE, "setting_list": None},
    {**GUIDE, "setting_list": ["Location"]},
    {**GUIDE, "owner_setting": "ops"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_wechat_would_refuse_is_not_sent(script: Script, wrong: dict[str, Any]) -> None:
    with pytest.raises(WxaSpecError, match="setprivacysetting not sent"):
        script.play(set_privacy_setting(APPID, wrong))
    assert script.calls == []
    setprivacysetting(APPID, {"owner_setting": OWNER, "privacy_ver": 1}).content()


@pytest.mark.parametrize(("answer", "outcome"), [({"audit_id": 7}, "applied"), (61031, "under_review")])
def test_applying_twice_is_under_review(script: Script, answer: Any, outcome: str) -> None:
    application = {"api_name": "wx.getLocation", "content": "门店"}
    said = script.play(apply_for_privacy_interface(APPID, application), apply_privacy_interface=[answer])
    assert (said["outcome"], said["api_name"]) == (outcome, "wx.getLocation")
