from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.sandbox import World

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat


@pytest.mark.parametrize("name", ["exp_desc", "user_desc", "release_desc", "release_version"])
def test_a_field_that_the_world_leaves_out_is_missing_from_its_answer_and_no_other(wechat: Wechat, name: str) -> None:
    wechat.submitted()
    wechat.release()
    versions, sheet = "/wxa/getversioninfo", "/wxa/get_latest_auditstatus"

    def told() -> set[str]:
        info = wechat.post(versions, {})
        return {*info["exp_info"], *info["release_info"], *wechat.get(sheet)}

    everything = told()
    wechat.world.leaves_out = {name}
    assert told() == everything - {name}


def test_what_is_left_out_survives_json() -> None:
    assert World.from_json(World(leaves_out={"user_desc"}).to_json()).leaves_out == {"user_desc"}
