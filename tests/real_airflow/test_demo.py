"""The demo on a real Airflow, as a user starts it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote, quote_plus

import psutil
import pytest

from airflow_wxa.cli.demo.airflow import AirflowApi, every_dag
from airflow_wxa.cli.demo.releases import CONNECTIONS, RELEASES
from tests.canaries import spellings
from tests.real_airflow.airflows import WAITING

LIMIT_SECONDS = 180
LEAVE_SECONDS = 30
# Each secret of the demo holds one of these two; the first looks different in a URL. An AES key has no such characters.
CANARY = "canary+secret=of&the%demo/"
AES_CANARY = "canaryAesKeyOfTheDemo"
DEMO_WITH_CANARIES = """
import json, sys
from itertools import count
from itertools import takewhile
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


@pytest.mark.real_airflow
def test_six_releases_end_as_written_down_within_three_minutes_and_no_secret_is_in_any_file_or_line(
    tmp_path: Path,
) -> None:
    home, rows, secrets = (tmp_path / name for name in ("home", "rows.json", "secrets.json"))
    command = [sys.executable, "-c", DEMO_WITH_CANARIES, str(home), str(rows), str(secrets), CANARY, AES_CANARY]
    # What another Airflow on this machine has set must change nothing.
    foreign = {"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor", "AIRFLOW_CONN_WXA_DEFAULT": "wxa://nowhere.invalid"}
    began = time.monotonic()
    demo = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env={**os.environ, **foreign}
    )
    shown = demo.stdout.decode()
    assert demo.returncode == 0, shown
    assert time.monotonic() - began < LIMIT_SECONDS
    told = json.loads(rows.read_text("utf-8"))
    assert [(row["story"], row["differences"]) for row in told["rows"]] == [(each.word, []) for each in RELEASES]
    assert [told[f"{about}_problems"] for about in ("ticket", "order", "ledger")] == [[], [], []]
    assert [each for each in told["rows"] if each["appid"] not in shown or each["seen"]["run_state"] not in shown] == []
    assert "6 of 6 ended as expected" in shown
    assert "1: the pages do not match the chosen category" in told["rows"][-1]["error"]  # read from Airflow
    said = (home / "api-server.out").read_text("utf-8")
    assert [each for each in CONNECTIONS if f"/wxa/push/{each}/authorisation" not in said] == []

    held = json.loads(secrets.read_text("utf-8"))  # issued ones among them
    assert [secret for secret in held if CANARY not in secret and AES_CANARY not in secret] == []
    # Of a platform its secret, push token, AES key, ticket and token; of a Mini Program both its tokens and the
    # refresh token before.
    assert len(held) == 5 * 2 + 3 * len(RELEASES)
    files = [path for path in home.rglob("*") if path.is_file()] + [rows]
    assert len(files) > 50
    assert {"airflow.db", "wxa.db"} <= {path.name for path in files}
    assert b" [debug " in (home / "scheduler.out").read_bytes()
    wanted = spellings(CANARY) | spellings(AES_CANARY)
    contents = {**{str(path): path.read_bytes() for path in files}, "output": demo.stdout}
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
        shown = "".join(takewhile(lambda line: "Ctrl-C ends both" not in line, process.stdout))
        told = re.search(r"Airflow +(http\S+)/ +user (\w+), password (\S+)", shown)
        assert told, shown
        api = AirflowApi.login(told[1], {"username": told[2], "password": told[3]})
        states = api.run_states("wxa_release")
        asked = {task.task_id: task.state for task in api.task_instances("wxa_release", "plain")}
        known = [api.knows(name.removesuffix(".py")) for name in every_dag()]
        api.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LEAVE_SECONDS)
    assert states == {each.word: each.must_be["run_state"] for each in RELEASES} | {"plain": "running"}
    assert asked["approve_release"] in WAITING
    assert all(known)
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def _processes_in(home: Path) -> list[psutil.Process]:
    """Return the processes that work in a directory; one that was removed since has ``(deleted)`` behind its name."""
    return [each for each in psutil.process_iter(["cwd"]) if str(home) in (each.info["cwd"] or "")]
