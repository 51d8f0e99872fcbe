"""Six Mini Programs, what each of them is asked to release, and how each must end: written down by hand.

Nothing here is computed from the sandbox. The states are those of the table in the design of ``wxa_release``: whoever
changes the DAG, the steps or the sandbox finds out here whether a release still ends as it should.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DAG_ID: Final = "wxa_release"
FIRST_PLATFORM: Final = "wx100000000000000f"
SECOND_PLATFORM: Final = "wx200000000000000f"
TEMPLATE_ID: Final = 47
USER_VERSION: Final = "1.4.0"
WANTED: Final = "https://m.example.com"
UNREGISTERED: Final = "https://shop.example.net"
REASON: Final = "1: the pages do not match the chosen category"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a run ended, or must end.

    :param road: what the domain tasks came to, in their order.
    :param outcome: ``released``, or at which task it stopped.
    :param errcode: what the first domain call was answered; ``None`` when nothing says so.
    :param next_step: for whom watches; of an ending that is written down, words that must stand in it.
    :param run_state: Airflow's word.
    :param task_states: task id → Airflow's word, all tasks of the run.
    :param effective: the business domains that open for users afterwards, sorted.
    """

    road: tuple[str, ...]
    outcome: str
    errcode: int | None
    next_step: str
    run_state: str
    task_states: Mapping[str, str]
    effective: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """One Mini Program, and what becomes of it.

    :param word: the story in one word; it names the run as well.
    :param params: of the run, besides those that all have.
    :param calls: which of the four calls that change something WeChat must have heard, in their first order.
    :param noted: which audits and releases that WeChat took must stand in the ledger, each once.
    :param component_appid: the platform that the Mini Program has authorised.
    """

    word: str
    appid: str
    params: Mapping[str, Any]
    calls: tuple[str, ...]
    noted: tuple[str, ...]
    component_appid: str = FIRST_PLATFORM
    must_end: Ending = field(repr=False)

    @property
    def conf(self) -> dict[str, Any]:
        """What the run is triggered with."""
        shared = {
            "appid": self.appid,
            "webviewdomain": [WANTED],
            "template_id": TEMPLATE_ID,
            "user_version": USER_VERSION,
            "user_desc": f"demo: {self.word}",
            "approval": False,
        }
        return {**shared, **self.params}


SET, COMMIT, SUBMIT, RELEASE = CALLS = ("setwebviewdomain", "commit", "submit_audit", "release")

# Task states, as pieces of a run.
_ASKED = {"check_release": "success", "configure_domains": "success"}
_NO_DETOUR = {
    "register_platform_domains": "skipped",
    "configure_domains_again": "skipped",
    "individual_account": "skipped",
}
_SUBMITTED = {"commit_code": "success", "wait_for_privacy_scan": "success", "submit_audit": "success"}
_AUDITED = {**_SUBMITTED, "wait_for_audit": "success"}
_ONLINE = {"release": "success", "verify_release": "success"}
_NOT_ASKED = {"approve_release": "skipped"}

STORIES: Final = (
    Story(
        word="plain",
        appid="wx1000000000000001",
        params={"approval": True},
        calls=CALLS,
        noted=(SUBMIT, RELEASE),
        must_end=Ending(
            road=("configured",),
            outcome="released",
            errcode=0,
            next_step="released",
            run_state="success",
            task_states={**_ASKED, **_NO_DETOUR, **_AUDITED, "approve_release": "success", **_ONLINE},
            effective=(WANTED,),
        ),
    ),
    Story(
        word="unchanged",
        appid="wx1000000000000002",
        params={},
        calls=CALLS,
        noted=(SUBMIT, RELEASE),
        must_end=Ending(
            road=("unchanged",),
            outcome="released",
            errcode=89019,
            next_step="released",
            run_state="success",
            task_states={**_ASKED, **_NO_DETOUR, **_AUDITED, **_NOT_ASKED, **_ONLINE},
            effective=(WANTED,),
        ),
    ),
    Story(
        word="register",
        appid="wx2000000000000001",
        component_appid=SECOND_PLATFORM,
        params={
            "on_platform_list_empty": "register",
            "platform_domains": ["example.com"],
            "wxa_conn_id": "wxa_second",
        },
        calls=CALLS,
        noted=(SUBMIT, RELEASE),
        must_end=Ending(
            road=("platform_list_empty", "registered", "configured"),
            outcome="released",
            errcode=89020,
            next_step="released",
            run_state="success",
            task_states={
                **_ASKED,
                "register_platform_domains": "success",
                "configure_domains_again": "success",
                "individual_account": "skipped",
                **_AUDITED,
                **_NOT_ASKED,
                **_ONLINE,
            },
            effective=(WANTED,),
        ),
    ),
    Story(
        word="individual",
        appid="wx1000000000000003",
        params={},
        calls=CALLS,
        noted=(SUBMIT, RELEASE),
        must_end=Ending(
            road=("individual",),
            outcome="released",
            errcode=89231,
            next_step="released",
            run_state="success",
            task_states={
                **_ASKED,
                "register_platform_domains": "skipped",
                "configure_domains_again": "skipped",
                "individual_account": "success",
                **_AUDITED,
                **_NOT_ASKED,
                **_ONLINE,
            },
            effective=(),
        ),
    ),
    Story(
        word="unregistered",
        appid="wx1000000000000004",
        params={"webviewdomain": [WANTED, UNREGISTERED]},
        calls=(SET,),
        noted=(),
        must_end=Ending(
            road=(),
            outcome="stopped at configure_domains",
            errcode=89021,
            next_step="register them",
            run_state="failed",
            task_states={
                "check_release": "success",
                "configure_domains": "failed",
                "register_platform_domains": "upstream_failed",
                "configure_domains_again": "upstream_failed",
                "individual_account": "upstream_failed",
                "commit_code": "upstream_failed",
                "wait_for_privacy_scan": "upstream_failed",
                "submit_audit": "upstream_failed",
                "wait_for_audit": "upstream_failed",
                "approve_release": "upstream_failed",
                "release": "upstream_failed",
                "verify_release": "upstream_failed",
            },
            effective=(UNREGISTERED,),
        ),
    ),
    Story(
        word="rejected",
        appid="wx1000000000000005",
        params={},
        calls=(SET, COMMIT, SUBMIT),
        noted=(SUBMIT,),
        must_end=Ending(
            road=("configured",),
            outcome="stopped at wait_for_audit",
            errcode=0,
            next_step="fix the Mini Program",
            run_state="failed",
            task_states={
                **_ASKED,
                **_NO_DETOUR,
                **_SUBMITTED,
                "wait_for_audit": "failed",
                "approve_release": "upstream_failed",
                "release": "upstream_failed",
                "verify_release": "upstream_failed",
            },
            effective=(),
        ),
    ),
)
