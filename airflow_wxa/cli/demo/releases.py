"""Releases of the demo: six Mini Programs, their expected ends, the emulated WeChat for them, and the six runs."""

from __future__ import annotations

import secrets
import string
import time
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.cli.demo.airflow import ALL_RUNS, FINAL, PATIENCE, connection_of
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, Template, World
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console

    from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance
    from airflow_wxa.sandbox import RunningSandbox

DAG_ID: Final = "wxa_release"
FIRST_PLATFORM: Final = "wx100000000000000f"
SECOND_PLATFORM: Final = "wx200000000000000f"
TEMPLATE_ID: Final = 47
USER_VERSION: Final = "1.4.0"
WANTED: Final = "https://m.example.com"
UNREGISTERED: Final = "https://shop.example.net"

#: Connection → the platform whose credentials it holds, and whose pushes come under its name.
CONNECTIONS: Final[Mapping[str, str]] = {"wxa_default": FIRST_PLATFORM, "wxa_second": SECOND_PLATFORM}
CALLS: Final = ("setwebviewdomain", "commit", "submit_audit", "release")
TASKS: Final = (
    "check_release",
    "check_account",
    "configure_server_domains",
    "configure_domains",
    "register_platform_domains",
    "configure_domains_again",
    "individual_account",
    "commit_code",
    "wait_for_privacy_scan",
    "set_privacy_setting",
    "submit_audit",
    "wait_for_audit",
    "approve_release",
    "release",
    "verify_release",
)
#: Stages that a run must ask for; none of the demo's does.
_NOT_ASKED_FOR: Final = ("check_account", "configure_server_domains", "set_privacy_setting")
_REGISTER: Final = ("register_platform_domains", "configure_domains_again")

LOOK_SECONDS: Final = 0.5
APPROVAL: Final = "approve_release"
#: As Airflow 3.3, and 3.2, call a task that waits for a person; each refuses a state that it does not know.
WAITING: Final = ("deferred",) if version("apache-airflow-core").startswith("3.2.") else ("awaiting_input", "deferred")
#: An answer that comes before the scheduler has noticed that the task went to wait, which nobody gives and Airflow 3.3
#: does not expect, makes it take the task for lost, and repeat it a minute later. By then it has noticed at any rate.
THINKING_SECONDS: Final = 10.0
#: States that are told; a task that waits for its turn, or ended well, is not asked for at all.
EVENTFUL: Final = ("running", *WAITING, "up_for_retry", "failed")


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoRelease:
    """One Mini Program, and how its release must end.

    :param word: the release in one word; it names the run as well.
    :param params: of the run, besides those that all have.
    :param about: peculiarity of the Mini Program at WeChat.
    :param road: ends of the domain tasks, in their order.
    :param errcode: answer to the first domain call.
    :param stopped_at: the task that fails; ``""``: it is released.
    :param next_step: the next step that the failed task names.
    :param effective: the business domains that open for users afterwards.
    """

    word: str
    appid: str
    component_appid: str = FIRST_PLATFORM
    params: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    road: tuple[str, ...] = ("configured",)
    errcode: int = 0
    stopped_at: str = ""
    next_step: str = "released"
    effective: tuple[str, ...] = (WANTED,)

    @property
    def conf(self) -> dict[str, Any]:
        """Conf of the run."""
        shared = {"template_id": TEMPLATE_ID, "user_version": USER_VERSION, "user_desc": f"demo: {self.word}"}
        return {"appid": self.appid, "webviewdomain": [WANTED], **shared, "approval": False, **self.params}

    @property
    def calls(self) -> tuple[str, ...]:
        """Which of :data:`CALLS` WeChat must have heard, in their order."""
        return CALLS[: {"configure_domains": 1, "wait_for_audit": 3}.get(self.stopped_at, len(CALLS))]

    @property
    def must_be(self) -> dict[str, Any]:
        """How it must end, as :class:`~airflow_wxa.cli.demo.report.Row` tells how it ended."""
        stop = TASKS.index(self.stopped_at) if self.stopped_at else len(TASKS)
        states = ["success"] * stop + ["failed"] * bool(self.stopped_at)
        states += ["upstream_failed"] * (len(TASKS) - len(states))
        skipped = {
            *_NOT_ASKED_FOR,
            *(() if self.params.get("approval") else (APPROVAL,)),
            *(() if not self.road or "registered" in self.road else _REGISTER),
            *(() if not self.road or "individual" in self.road else ("individual_account",)),
        }
        task_states = dict(zip(TASKS, states, strict=True)) | dict.fromkeys(skipped, "skipped")
        return {
            "road": list(self.road),
            "outcome": f"stopped at {self.stopped_at}" if self.stopped_at else "released",
            "errcode": self.errcode,
            "next_step": self.next_step,
            "run_state": "failed" if self.stopped_at else "success",
            "task_states": task_states,
            "effective": list(self.effective),
        }


_AT_ONCE: Final = {"scan_polls": 0, "audit": AuditPlan(polls=0)}  # one wait of each kind is enough for a demo

RELEASES: Final = (
    DemoRelease(
        word="plain",
        appid="wx1000000000000001",
        params={"approval": True},
        about={"mp_webviewdomain": ["https://old.example.net"]},  # set by its owner; the release drops it
    ),
    DemoRelease(
        word="unchanged",
        appid="wx1000000000000002",
        about={"third_webviewdomain": [WANTED], "effective_webviewdomain": [WANTED], **_AT_ONCE},
        road=("unchanged",),
        errcode=89019,
    ),
    DemoRelease(
        word="register",
        appid="wx2000000000000001",
        component_appid=SECOND_PLATFORM,
        params={"on_platform_list_empty": "register", "platform_domains": ["example.com"], "wxa_conn_id": "wxa_second"},
        about=_AT_ONCE,
        road=("platform_list_empty", "registered", "configured"),
        errcode=89020,
    ),
    DemoRelease(
        word="individual",
        appid="wx1000000000000003",
        about={"individual": True, **_AT_ONCE},
        road=("individual",),
        errcode=89231,
        effective=(),
    ),
    DemoRelease(
        word="unregistered",
        appid="wx1000000000000004",
        params={"webviewdomain": [WANTED, UNREGISTERED]},
        about={"mp_webviewdomain": [UNREGISTERED]},
        road=(),
        errcode=89021,
        stopped_at="configure_domains",
        next_step=Text("register_hosts_or_correct"),
        effective=(UNREGISTERED,),
    ),
    DemoRelease(
        word="rejected",
        appid="wx1000000000000005",
        about={
            "scan_polls": 0,
            "audit": AuditPlan(polls=1, result="rejected", reason="1: the pages do not match the chosen category"),
        },
        stopped_at="wait_for_audit",
        next_step=Text("audit_ended_rejected").of("next_step"),
        effective=(),
    ),
)


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


def _new_aes_key() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(43))


def demo_world(new_secret: Callable[[], str] = _new_secret, new_aes_key: Callable[[], str] = _new_aes_key) -> World:
    """Return the world in which every release can end as it must.

    No account has a fixed token: a platform gets its ticket by a push and its token for the ticket, a Mini Program's
    token costs its refresh token, which is another one afterwards.

    :param new_secret: makes each platform's secret and push token, each first refresh token, and the unpredictable
        part of every ticket and token that is issued.
    :param new_aes_key: makes each platform's encoding_aes_key, 43 letters and digits.
    """

    def platform(component_appid: str, *registered: str) -> Platform:
        return Platform(
            component_appid=component_appid,
            component_appsecret=new_secret(),
            push_token=new_secret(),
            encoding_aes_key=new_aes_key(),
            rotate_refresh_tokens="each",
            refresh_grace_seconds=0,
            testing=list(registered),
            published=list(registered),
        )

    return World(
        platforms=[platform(FIRST_PLATFORM, "example.com"), platform(SECOND_PLATFORM)],
        mini_programs=[
            MiniProgram(
                appid=each.appid,
                component_appid=each.component_appid,
                nick_name=each.word,
                refresh_token=new_secret(),
                **deepcopy(dict(each.about)),
            )
            for each in RELEASES
        ],
        templates=[Template(template_id=TEMPLATE_ID)],
        generate=new_secret,
    )


def connections(sandbox: RunningSandbox) -> dict[str, str]:
    """Return the environment variables of the Connections to a sandbox of :func:`demo_world`."""
    platforms = {conn_id: sandbox.world.platform(appid) for conn_id, appid in CONNECTIONS.items()}
    return {
        f"AIRFLOW_CONN_{conn_id.upper()}": connection_of(
            sandbox.url,
            each.component_appid,
            each.component_appsecret,
            push_token=each.push_token,
            encoding_aes_key=each.encoding_aes_key,
        )
        for conn_id, each in platforms.items()
    }


@contextmanager
def telling(console: Console) -> Iterator[Callable[[str], None]]:
    """Give what prints a line with the seconds since now; on a terminal something moves below the lines."""
    began = time.monotonic()

    def tell(text: str) -> None:
        said = as_set(text) if isinstance(text, Text) else text  # else: names of runs and tasks
        took = f"{time.monotonic() - began:6.1f} s  {said}"
        console.print(took, markup=False, highlight=False, soft_wrap=True)

    with console.status(phrase("demo_is_releasing")):
        yield tell


def release(
    api: AirflowApi,
    releases: Sequence[DemoRelease],
    tell: Callable[[str], object],
    *,
    approves: bool = True,
    patience: float = PATIENCE,
    check: Callable[[], object] = bool,
    has_parked: Callable[[str, str], bool] = lambda *_: False,
) -> Iterator[tuple[DemoRelease, str]]:
    """Start all runs, watch until the last has ended, and yield each with the state of its run, as soon as it ends.

    :param tell: called with a line when a run comes to another task, or its task into another state.
    :param approves: whether an approval is given; else a run that waits for one counts as ended.
    :param patience: seconds after which runs that still go on are left as they are.
    :param check: called at each look; raises where nothing more can come.
    :param has_parked: tells of a run and a task that waits for an answer whether the scheduler has noticed.
    """
    deadline = time.monotonic() + patience
    for each in releases:
        api.trigger(DAG_ID, each.word, each.conf)
    states: dict[str, str] = {}
    told: dict[str, tuple[str, str]] = {}
    asked_at: dict[str, float] = {}
    watched = list(releases)
    while watched and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        check()
        states = api.run_states(DAG_ID)
        tasks = in_order(api.task_instances(DAG_ID, ALL_RUNS, EVENTFUL))
        for each in tuple(watched):
            of_run = [task for task in tasks if task.run_id == each.word]
            current = current_task(of_run)
            if current is not None and told.get(each.word) != (current.task_id, current.state):
                told[each.word] = (current.task_id, current.state)
                tell(f"{each.word}: {current.task_id} {current.state}")
            is_asked = any(task.task_id == APPROVAL and task.state in WAITING for task in of_run)
            if is_asked and approves:
                waited = time.monotonic() - asked_at.setdefault(each.word, time.monotonic())
                if waited >= THINKING_SECONDS or has_parked(each.word, APPROVAL):
                    api.approve(DAG_ID, each.word, APPROVAL)
            if states.get(each.word) in FINAL or (is_asked and not approves):
                watched.remove(each)
                yield each, states[each.word]
    yield from ((each, states.get(each.word, "")) for each in watched)


def in_order(tasks: Sequence[TaskInstance]) -> list[TaskInstance]:
    """Return tasks in the DAG's order; one that it does not know stands at the end."""
    places = {task_id: place for place, task_id in enumerate(TASKS)}
    return sorted(tasks, key=lambda task: places.get(task.task_id, len(places)))


def current_task(tasks: Sequence[TaskInstance]) -> TaskInstance | None:
    """Return the task that a run is at: of these, in order, one under way, else failed, else the last."""
    begun = [task for task in tasks if task.state not in {"", "upstream_failed", "skipped"}]
    under_way = [task for task in begun if task.state not in FINAL]
    failed = [task for task in begun if task.state == "failed"]
    return next(iter(under_way or failed or begun[-1:]), None)
