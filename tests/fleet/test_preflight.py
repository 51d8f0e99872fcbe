"""Accounts are looked at before anything is spent on them, once a day, and a look that is refused stops nothing."""

import pytest

from airflow_wxa.fleet import pace
from airflow_wxa.sandbox.exchange import Fault
from tests.fleet.fleets import NO_DOMAINS, appid
from tests.fleet.walking import Fleet, Walks

LOOKS = ("/wxa/icp/get_icp_entrance_info", "/wxa/get_category", "/wxa/getillegalrecords")


def looked_at(fleet: Fleet) -> list[str]:
    return sorted(str(each.appid) for each in fleet.sandbox.journal if each.path == LOOKS[0])


def test_whose_owner_has_something_to_do_is_blocked_before_anything_is_spent(fleet: Walks) -> None:
    here = fleet(6)
    programs = here.world.mini_programs
    programs[1].filing_status = 1024
    programs[2].categories = []
    programs[3].privacy_keys = ["Location"]
    programs[4].illegal_records = [{"illegal_reason": "induces sharing", "create_time": here.world.now()}]  # type: ignore[typeddict-item]
    programs[4].granted_sets |= {76}
    run = here.release()
    assert run.xcoms["fleet_result"] == {"released": 3, "blocked": 3}, run.errors
    said = {app.appid: app for app in here.apps}
    for number, word in ((1, "备案"), (2, "服务类目"), (3, "用户隐私保护指引")):
        assert word in said[appid(number)].what
        assert "hand this to the merchant" in said[appid(number)].next_step
        assert said[appid(number)].stage == "plan_release"
    assert "induces sharing" in str((said[appid(4)].plan or {})["why"])
    spent = {each.appid for each in here.sandbox.journal if each.path in ("/wxa/commit", "/wxa/submit_audit")}
    assert spent == {appid(number) for number in (0, 4, 5)}


def test_an_account_is_looked_at_once_a_day_and_again_where_something_was_to_do(fleet: Walks) -> None:
    here = fleet(3)
    here.world.mini_programs[1].filing_status = 1024
    here.release()
    assert looked_at(here) == [appid(0), appid(1), appid(2)]
    here.world.mini_programs[1].filing_status = 6
    run = here.release(release={"user_version": "1.5.0", **NO_DOMAINS})
    assert run.xcoms["fleet_result"] == {"released": 3}, run.errors
    assert looked_at(here) == [appid(0), appid(1), appid(1), appid(2)]


@pytest.mark.parametrize("errcodes", [(48001, 45009, -1), (45011,)])
def test_a_look_that_is_refused_stops_nothing(
    fleet: Walks, errcodes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, held_until = fleet(4), pace._held_until  # 45011: until the minute is over
    monkeypatch.setattr(pace, "_held_until", lambda code, now: now + 0.5 if code == 45011 else held_until(code, now))
    for number, errcode in enumerate(errcodes):
        for path in LOOKS if errcode != 48001 else LOOKS[::2]:  # without get_category nothing can be submitted
            here.sandbox.add_fault(
                Fault(path=path, kind="errcode_before", errcode=errcode, appid=appid(number), times=None)
            )
    run = here.release(shard_size=4)
    assert run.xcoms["fleet_result"] == {"released": 4}, run.errors
    asked = [(each.appid, each.errcode) for each in here.sandbox.journal if each.path in LOOKS]
    assert {(appid(number), errcode) for number, errcode in enumerate(errcodes)} <= set(asked)
