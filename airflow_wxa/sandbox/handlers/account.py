"""Account facts: who owns a Mini Program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

BASIC_INFO_SET = 30
MINI_PROGRAM = 3
INDIVIDUAL, ENTERPRISE = 0, 1


def accepted_methods(world: World) -> tuple[str, ...]:
    """Return how getaccountbasicinfo may be called in this world."""
    return ("POST", "GET") if world.basicinfo_method == "any" else (world.basicinfo_method,)


def getaccountbasicinfo(world: World, account: MiniProgram, body: Body) -> Answer:  # noqa: ARG001
    """Answer what kind of owner it is: the one certain way to know an individual beforehand."""
    return {
        "errcode": 0,
        "errmsg": "ok",
        "appid": account.appid,
        "account_type": MINI_PROGRAM,
        "principal_type": INDIVIDUAL if account.individual else ENTERPRISE,
        "principal_name": account.owner_name,
        "realname_status": 1,
        "wx_verify_info": {
            "qualification_verify": account.verified,
            "naming_verify": account.verified,
        },
        "signature_info": {"signature": "", "modify_used_count": 0, "modify_quota": 5},
        "head_image_info": {"head_image_url": "", "modify_used_count": 0, "modify_quota": 5},
        "nickname": account.nick_name or account.appid,
    }
