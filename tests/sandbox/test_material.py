from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat

MATERIAL = "/cgi-bin/material/get_material"


@pytest.mark.parametrize("media_id", ["a", "b"])
def test_a_screenshot_of_a_rejected_sheet_is_a_jpeg(wechat: Wechat, media_id: str) -> None:
    wechat.submitted(result="rejected", screenshot="a|b")
    assert wechat.post(MATERIAL, {"media_id": media_id}).startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("body", [{}, {"media_id": ""}, {"media_id": "c"}, {"media_id": []}, {"media_id": None}])
def test_an_unknown_media_id_is_answered_40007(wechat: Wechat, body: Any) -> None:
    wechat.submitted(result="rejected", screenshot="a|b|")
    assert wechat.post(MATERIAL, body)["errcode"] == 40007


def test_a_sheet_that_was_not_rejected_has_no_screenshots(wechat: Wechat) -> None:
    wechat.submitted(result="approved", screenshot="a")
    assert wechat.post(MATERIAL, {"media_id": "a"})["errcode"] == 40007
