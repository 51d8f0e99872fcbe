"""``airflow-wxa demo``: an emulated WeChat, a real Airflow, six releases, and nothing left behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from sqlalchemy import URL
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from airflow_wxa.cli.demo.airflow import (
    PATIENCE,
    AirflowStartError,
    OutOfTimeError,
    ThrowawayAirflow,
    every_dag,
)
from airflow_wxa.cli.demo.fleet import played_fleet, show_fleet
from airflow_wxa.cli.demo.processes import Interrupted, interruptible, uninterrupted
from airflow_wxa.cli.demo.releases import (
    CONNECTIONS,
    DAG_ID,
    RELEASES,
    connections,
    current_task,
    demo_world,
    in_order,
    release,
    telling,
)
from airflow_wxa.cli.demo.report import OUT_OF_TIME, Report, read_row, show
from airflow_wxa.cli.terminal import Terminal
from airflow_wxa.sandbox import serve
from airflow_wxa.sandbox.pushes import TICKET
from airflow_wxa.store import Ledger
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, language, phrase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from airflow_wxa import store
    from airflow_wxa.sandbox import Push, RunningSandbox, World

#: Seconds between two looks; WeChat's sensors look once a minute, an emulated one need not be waited for.
#: And the Connections that pushes may come for.
SETTINGS: Final = {
    "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "0.2",
    "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "0.2",
    "AIRFLOW__WXA__PUSH_CONN_IDS": ",".join(CONNECTIONS),
}
FILE_WIDTH: Final = 120
REFUSED: Final = 2
SIGNAL_EXIT: Final = 128
#: Where the plugin mounts the receiver. Written down once more, because importing the plugin imports Airflow, which
#: would make a home for itself on this machine.
PUSH_PREFIX: Final = "/wxa/push"
ATTEMPTS: Final = 5


class PushRefusedError(Exception):
    """The push receiver did not answer ``success`` to a ticket; the text says its answer, and the log to look at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Choices of the command line; see its help."""

    json: Path | None = None
    home: Path | None = None
    debug: bool = False
    port: int = 0
    keep: bool = False
    fleet: int = 0
    patience: int = PATIENCE

    @property
    def problems(self) -> list[Text]:
        """Problems that would be noticed only after minutes, or would touch files of others."""
        problems: dict[Text, bool] = {
            Text("no_file_can_be_written_there", option="--json", path=self.json): self.json is not None
            and (self.json.is_dir() or not self.json.absolute().parent.is_dir()),
            Text("one_of_options", one="--json", other="--keep"): self.json is not None and self.keep,
            Text("one_of_options", one="--fleet", other="--json"): self.json is not None and bool(self.fleet),
            Text("home_must_be_empty", path=self.home): self.home is not None
            and self.home.exists()
            and not (self.home.is_dir() and _is_empty(self.home)),
        }
        return [problem for problem, is_so in problems.items() if is_so]


def run(arguments: argparse.Namespace) -> int:
    """Run the demo as the command line says.

    :return: 0 when everything ended as it must, or was kept until Ctrl-C; 1 when not, 2 for options that cannot be, 3
        when the time was over first, 128 and the signal's number when it was interrupted.
    """
    options = Options(**{each.name: getattr(arguments, each.name) for each in fields(Options)})
    return run_demo(options, _console())


def run_demo(options: Options, console: Terminal, *, world: World | None = None) -> int:
    """Run the demo; see :func:`run`.

    :param world: of :func:`~airflow_wxa.cli.demo.releases.demo_world`; default: one with random secrets.
    """
    if options.problems:
        console.print(*map(as_set, options.problems), sep="\n", style="red", markup=False)
        return REFUSED
    try:
        with interruptible(), home_of(options) as home:
            if options.fleet:
                return release_fleet(options, home, console)
            if options.keep:
                return keep(options, home, console, world or demo_world())
            report = play(options, home, console, world or demo_world())
    except Interrupted as interrupted:
        console.print(phrase("demo_is_interrupted", signal=interrupted), style="yellow")
        return SIGNAL_EXIT + interrupted.signum
    except OSError as error:
        console.print(f"{error.filename}: {error.strerror}", style="red", markup=False)
        return 1
    except (AirflowStartError, PushRefusedError) as error:
        console.print(as_set(*error.args), style="red", markup=False, highlight=False, soft_wrap=True)
        return OUT_OF_TIME if isinstance(error, OutOfTimeError) else 1
    if options.json is not None:
        options.json.write_text(json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    show(report, console)
    kept = phrase("demo_home_goes") if options.home is None else phrase("demo_home_stays", home=options.home)
    console.print(kept, markup=False)
    return report.exit_code


@contextmanager
def started(
    options: Options, home: Path, world: World, tell: Callable[[str], object], **more: Any
) -> Iterator[tuple[ThrowawayAirflow, RunningSandbox]]:
    """Start everything in ``home``, with a ticket pushed to each platform's address, and end it after the block.

    :param more: further arguments of :class:`~airflow_wxa.cli.demo.airflow.ThrowawayAirflow`.
    :raises AirflowStartError: Airflow did not come up.
    :raises PushRefusedError: the push receiver in it refused a ticket.
    """
    with serve(world) as sandbox:
        environment = connections(sandbox) | SETTINGS | {"AIRFLOW__WXA__LANGUAGE": language()}
        airflow = ThrowawayAirflow(home, environment, port=options.port, debug=options.debug, tell=tell, **more)
        tell(Text("demo_is_starting", wechat=sandbox.url, airflow=airflow.url))
        with airflow.running(DAG_ID, patience=options.patience):
            push_tickets(sandbox, airflow.url, tell)
            yield airflow, sandbox


def play(options: Options, home: Path, console: Terminal, world: World) -> Report:
    """Release, and read what came of it; see :func:`started`."""
    began = time.monotonic()
    with telling(console) as tell, started(options, home, world, tell) as (airflow, sandbox):
        rows = {}
        patience, check, has_parked = options.patience, airflow.check_lives, airflow.has_parked
        ended = release(airflow.api, RELEASES, tell, patience=patience, check=check, has_parked=has_parked)
        for each, state in ended:
            effective = sandbox.world.mini_program(each.appid).effective_webviewdomain
            rows[each.word] = read_row(airflow.api, each, run_state=state, effective=effective)
    report = Report(
        rows=[rows[each.word] for each in RELEASES],
        journal=list(sandbox.journal),
        deliveries=list(sandbox.deliveries),
        ledger=read_ledger(home),
        seconds=time.monotonic() - began,
        patience=options.patience,
    )
    (home / "sandbox-journal.json").write_text(
        json.dumps([entry.to_json() for entry in report.journal], ensure_ascii=False, indent=1), "utf-8"
    )
    return report


def release_fleet(options: Options, home: Path, console: Terminal) -> int:
    """Release a fleet, and show what became of it; see :func:`run`."""
    account = _new_account() if options.keep else None
    more: dict[str, Any] = {"port": options.port, "debug": options.debug, "account": account}
    with telling(console) as tell, played_fleet(options.fleet, home, tell, options.patience, **more) as played:
        airflow, report = played
        show_fleet(report, console)
        if account is not None:
            console.print(phrase("demo_airflow_is_up", url=airflow.url, **account), markup=False)
            serve_until_interrupted(airflow)
    return report.exit_code


def serve_until_interrupted(airflow: ThrowawayAirflow) -> None:
    """Leave Airflow up until Ctrl-C, or until a component of it fails."""
    with suppress(Interrupted):
        while True:
            airflow.check_lives()
            time.sleep(1)


def keep(options: Options, home: Path, console: Terminal, world: World) -> int:
    """Leave one release at its approval, and serve until Ctrl-C; see :func:`started`."""
    account = _new_account()
    with ExitStack() as stack:
        with telling(console) as tell:
            up = started(options, home, world, tell, dags=every_dag(), account=account)
            airflow, sandbox = stack.enter_context(up)
            watch = release(
                airflow.api, RELEASES, tell, approves=False, patience=options.patience, check=airflow.check_lives
            )
            list(watch)
        console.print(_kept(airflow, account, sandbox), markup=False, highlight=False, soft_wrap=True)
        serve_until_interrupted(airflow)
    console.print(phrase("demo_has_ended"))
    return 0


def _new_account() -> dict[str, str]:
    return {"username": "admin", "password": secrets.token_urlsafe(9)}


def _kept(airflow: ThrowawayAirflow, account: Mapping[str, str], sandbox: RunningSandbox) -> str:
    """Return what a person needs who looks around."""
    runs = []
    for each in RELEASES:
        task = current_task(in_order(airflow.api.task_instances(DAG_ID, each.word)))
        stands = f"{task.task_id} {task.state}" if task else phrase("not_begun")
        errcode = f" ({each.errcode})" if each.stopped_at and each.errcode else ""
        runs.append(f"  {each.word:13} {stands + errcode:33} {airflow.url}/dags/{DAG_ID}/runs/{each.word}")
    return phrase(
        "demo_is_kept",
        airflow=airflow.url,
        **account,
        wechat=sandbox.url,
        runs="\n".join(runs),
        dags=", ".join(name.removesuffix(".py") for name in airflow.dags),
        dag_id=DAG_ID,
        conf=json.dumps(RELEASES[1].conf | {"user_version": "1.5.0", "user_desc": "by hand", "approval": True}),
    )


def push_tickets(sandbox: RunningSandbox, airflow_url: str, tell: Callable[[str], object]) -> None:
    """Let WeChat push a ticket, signed and encrypted, to each platform's address in Airflow's API server.

    :raises PushRefusedError: another answer than HTTP 200 ``success``, or none: no run could get a token.
    """
    for conn_id, component_appid in CONNECTIONS.items():
        platform = sandbox.world.platform(component_appid)
        platform.push_url = f"{airflow_url}{PUSH_PREFIX}/{conn_id}/authorisation"
        try:
            answer = _sent(sandbox, sandbox.compose(TICKET, component_appid))
            said = Text("receiver_answered", said=f"{answer.status_code} {answer.text}".rstrip())
        except httpx.TransportError as error:
            said = Text("receiver_did_not_answer", error=type(error).__name__)
        if said.values.get("said") != "200 success":
            raise PushRefusedError(Text("ticket_was_not_taken", said=said, url=platform.push_url))
        tell(Text("ticket_is_pushed", platform=component_appid, url=platform.push_url))


# The first push lets the API server build the receiver and make the store: a busy machine may need longer for it than
# WeChat waits for an answer. WeChat pushes once more then, and so is done here.
@retry(
    retry=retry_if_exception_type(httpx.TransportError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_fixed(1),
    reraise=True,
)
def _sent(sandbox: RunningSandbox, push: Push) -> httpx.Response:
    return sandbox.send(push)


def read_ledger(home: Path) -> list[store.Entry]:
    """Return the ledger in the store of an AIRFLOW_HOME; empty when there is none."""
    file = home / "wxa.db"
    return (
        Ledger(URL.create("sqlite", database=str(file)).render_as_string()).entries(most=None) if file.is_file() else []
    )


@contextmanager
def home_of(options: Options) -> Iterator[Path]:
    """Give the AIRFLOW_HOME: the one that was asked for, which stays, or one that goes."""
    if options.home is not None:
        options.home.mkdir(parents=True, exist_ok=True)
        yield options.home.resolve()
        return
    home = Path(tempfile.mkdtemp(prefix="wxa-demo-"))
    try:
        yield home
    finally:
        with uninterrupted():
            shutil.rmtree(home)


def _console() -> Terminal:
    """Return the terminal; a file or a pipe gets lines that hold the table, unless COLUMNS says otherwise."""
    console = Terminal()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    return console


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None
