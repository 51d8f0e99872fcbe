"""The demo on a real Airflow, as a user starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest

from airflow_wxa.cli.demo.airflow import AirflowApi, every_dag
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.releases import CALLS, FIRST_PLATFORM, RELEASES, SECOND_PLATFORM
from airflow_wxa.sandbox import Entry
from tests.canaries import spellings

LIMIT_SECONDS = 180
LEAVE_SECONDS = 30
# Each secret of the demo holds one of these two; the first looks different in a URL. An AES key has no such characters.
CANARY = "canary+secret=of&the%demo/"
AES_CANARY = "canaryAesKeyOfTheDemo"
DEMO_WITH_CANARIES = """
import json, sys
from itertools import count
from pathlib import Path
from rich.console import Console
from airflow_wxa.cli.demo.command import Options, run_demo
from airflow_wxa.cli.demo.releases import demo_world
home, rows, secrets, canary, aes_canary = sys.argv[1:]
numbers = count(10)
world = demo_world(
    lambda: f"{next(numbers)}{canary}{next(numbers)}",
    lambda: f"{next(numbers)}{aes_canary}{next(numbers)}".ljust(43, "A"),
)
options = Options(home=Path(home), json=Path(rows), debug=True)
exit_code = run_demo(options, Console(width=120), world=world)
Path(secrets).write_text(json.dumps(sorted(world.tokens())), "utf-8")
sys.exit(exit_code)
"""


class Demo:
    """What a finished demo left on purpose."""

    def __init__(self, folder: Path) -> None:
        self.home, self.rows, self._secrets = folder / "home", folder / "rows.json", folder / "secrets.json"
        files = [str(self.home), str(self.rows), str(self._secrets)]
        command = [sys.executable, "-c", DEMO_WITH_CANARIES, *files, CANARY, AES_CANARY]
        started = time.monotonic()
        # What another Airflow on this machine has set must change nothing.
        foreign = {"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor", "AIRFLOW_CONN_WXA_DEFAULT": "wxa://nowhere.invalid"}
        finished = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env={**os.environ, **foreign}
        )
        self.seconds = time.monotonic() - started
        self.exit_code = finished.returncode
        self.output = finished.stdout

    @property
    def answer(self) -> Any:
        return json.loads(self.rows.read_text("utf-8"))

    @property
    def journal(self) -> list[Entry]:
        return [Entry(**entry) for entry in self.answer["journal"]]

    @property
    def secrets(self) -> list[str]:
        """Every secret that the world held at the end, issued ones among them."""
        return list(json.loads(self._secrets.read_text("utf-8")))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo"))


@pytest.mark.real_airflow
def test_six_releases_end_as_written_down_within_three_minutes_and_are_shown(demo: Demo) -> None:
    shown = demo.output.decode()
    assert demo.exit_code == 0, shown
    rows = demo.answer["rows"]
    assert [(row["story"], row["differences"]) for row in rows] == [(each.word, []) for each in RELEASES]
    assert demo.seconds < LIMIT_SECONDS
    assert [row for row in rows if row["appid"] not in shown or row["seen"]["run_state"] not in shown] == []
    assert "6 of 6 ended as expected" in shown
    (rejected,) = [row for row in rows if row["story"] == "rejected"]  # read from Airflow
    assert "1: the pages do not match the chosen category" in rejected["error"]


@pytest.mark.real_airflow
def test_domains_come_before_code_audit_and_release(demo: Demo) -> None:
    named = {
        each.word: [entry.path.rpartition("/")[2] for entry in demo.journal if entry.appid == each.appid]
        for each in RELEASES
    }
    called = {word: tuple(dict.fromkeys(name for name in names if name in CALLS)) for word, names in named.items()}
    assert called == {
        "plain": CALLS,
        "unchanged": CALLS,
        "register": CALLS,
        "individual": CALLS,
        "unregistered": CALLS[:1],
        "rejected": CALLS[:3],
    }


@pytest.mark.real_airflow
def test_tickets_come_encrypted_through_the_receiver_in_the_api_server(demo: Demo) -> None:
    pushed = [(each["event"], each["appid"], each["status"], each["answer"]) for each in demo.answer["deliveries"]]
    assert [each for each in pushed if each[2] is not None] == [
        ("component_verify_ticket", FIRST_PLATFORM, 200, "success"),
        ("component_verify_ticket", SECOND_PLATFORM, 200, "success"),
    ]
    said = (demo.home / "api-server.out").read_text("utf-8")
    for conn_id in ("wxa_default", "wxa_second"):
        assert f"/wxa/push/{conn_id}/authorisation" in said


@pytest.mark.real_airflow
def test_no_token_is_asked_for_twice(demo: Demo) -> None:
    asked = Counter(
        (entry.path.rpartition("/")[2], entry.body.get("authorizer_appid", entry.appid))
        for entry in demo.journal
        if entry.path.endswith(("/api_component_token", "/api_authorizer_token"))
    )
    platforms = {("api_component_token", appid): 1 for appid in (FIRST_PLATFORM, SECOND_PLATFORM)}
    assert asked == platforms | {("api_authorizer_token", each.appid): 1 for each in RELEASES}


@pytest.mark.real_airflow
def test_the_ledger_holds_one_audit_and_one_release_of_each_released_mini_program(demo: Demo) -> None:
    taken = Counter(
        (row.appid, row.endpoint)
        for row in read_ledger(demo.home)
        if row.endpoint in ("submit_audit", "release") and row.result == "ok"
    )
    released = {"wx1000000000000001", "wx1000000000000002", "wx2000000000000001", "wx1000000000000003"}
    once = {("wx1000000000000005", "submit_audit"), *product(released, ("submit_audit", "release"))}
    assert taken == dict.fromkeys(once, 1)


@pytest.mark.real_airflow
def test_every_secret_is_a_canary_and_none_is_in_any_file_or_line_at_debug_level(demo: Demo) -> None:
    assert [secret for secret in demo.secrets if CANARY not in secret and AES_CANARY not in secret] == []
    # Of a platform its secret, push token, AES key, ticket and token; of a Mini Program both its tokens and the
    # refresh token before.
    assert len(demo.secrets) == 5 * 2 + 3 * len(RELEASES)
    files = [path for path in demo.home.rglob("*") if path.is_file()] + [demo.rows]
    assert len(files) > 50
    assert {"airflow.db", "wxa.db"} <= {path.name for path in files}
    assert b" [debug " in (demo.home / "scheduler.out").read_bytes()
    wanted = spellings(CANARY) | spellings(AES_CANARY)
    contents = {**{str(path): path.read_bytes() for path in files}, "output": demo.output}
    assert [(path, each) for path, content in contents.items() for each in wanted if each in content] == []


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("canary", [CANARY, AES_CANARY])
def test_a_secret_inside_another_text_is_found_in_every_spelling(canary: str, before: str) -> None:
    text = f"{before}{canary} and more"
    spelt = [
        text.encode(),
        quote(text).encode(),
        quote_plus(text).encode(),
        b64encode(text.encode()),
        urlsafe_b64encode(text.encode()),
        json.dumps(text).encode(),
        json.dumps(text).replace("/", "\\/").encode(),
    ]
    found = [any(spelling in content for spelling in spellings(canary)) for content in spelt]
    assert found == [True] * len(spelt)


def begun(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start a demo whose directory is made in a folder."""
    main = "from airflow_wxa.cli.main import main; raise SystemExit(main())"
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", main, "demo", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


@pytest.mark.real_airflow
@pytest.mark.parametrize(
    ("signum", "moment"),
    [
        (signal.SIGINT, "scheduler starting"),
        (signal.SIGINT, "commit_code running"),
        (signal.SIGTERM, "commit_code running"),
    ],
)
def test_an_interrupted_demo_leaves_no_process_and_no_directory(
    tmp_path: Path, signum: signal.Signals, moment: str
) -> None:
    with begun(tmp_path) as process:
        assert process.stdout is not None
        assert any(moment in line for line in process.stdout)
        (home,) = tmp_path.iterdir()
        assert _processes_in(home) != []
        process.send_signal(signum)
        process.communicate(timeout=LEAVE_SECONDS)
    assert process.returncode == 128 + signum
    assert _processes_in(home) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real_airflow
def test_a_kept_demo_can_be_looked_at_until_ctrl_c(tmp_path: Path) -> None:
    with begun(tmp_path, "--keep") as process:
        assert process.stdout is not None
        shown = ""
        for line in process.stdout:
            shown += line
            if "Ctrl-C ends both" in line:
                break
        told = re.search(r"Airflow +(http\S+)/ +user (\w+), password (\S+)", shown)
        assert told, shown
        api = AirflowApi.login(told[1], {"username": told[2], "password": told[3]})
        states = api.run_states("wxa_release")
        asked = {task.task_id: task.state for task in api.task_instances("wxa_release", "plain")}
        known = [api.knows(name.removesuffix(".py")) for name in every_dag()]
        api.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LEAVE_SECONDS)
    assert {each.word: states[each.word] for each in RELEASES} == {
        "plain": "running",
        "unchanged": "success",
        "register": "success",
        "individual": "success",
        "unregistered": "failed",
        "rejected": "failed",
    }
    assert asked["approve_release"] in {"awaiting_input", "deferred"}  # Airflow 3.3, and 3.2
    assert all(known)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def _processes_in(home: Path) -> list[psutil.Process]:
    """Return the processes that work in a directory; one that was removed since has ``(deleted)`` behind its name."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(home) in process.cwd():
                found.append(process)
        except psutil.Error:
            continue
    return found
