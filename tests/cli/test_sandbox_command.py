import json
import shlex
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests
from rich.console import Console

from airflow_wxa.cli.main import main
from airflow_wxa.cli.sandbox import introduce
from airflow_wxa.sandbox import RunningSandbox, World, default_world, serve

VARIABLE = "export AIRFLOW_CONN_WXA_"


def introduced(running: RunningSandbox, source: Path | None = None) -> str:
    sink = StringIO()
    introduce(running, console=Console(file=sink, width=80), source=source)
    return sink.getvalue()


def pasted(shown: str, name: str = "DEFAULT") -> Any:
    (quoted,) = [line.partition("=")[2] for line in shown.splitlines() if line.startswith(f"{VARIABLE}{name}=")]
    (value,) = shlex.split(quoted)
    return json.loads(value)


def test_what_is_printed_reaches_every_mini_program_and_is_enough_for_a_release() -> None:
    with serve(default_world()) as running:
        shown = introduced(running)
        values = pasted(shown)
        assert values["conn_type"] == "wxa"
        for token in values["extra"]["authorizer_access_tokens"].values():
            answer = requests.post(
                f"{values['host']}/wxa/getversioninfo", params={"access_token": token}, json={}, timeout=5
            )
            assert answer.json()["errcode"] in (0, 61003)
        assert [entry.appid for entry in running.journal] == list(values["extra"]["authorizer_access_tokens"])
        assert len(running.journal) == 5
    roads = ("sandbox-token-3 individual", "sandbox-token-4 company empty", "sandbox-token-6 withdrew", "rejected")
    others = (f"{running.url}/_sandbox/journal", "sandbox-token-1", "sandbox-platform-token", "Templates: 47")
    assert [part for part in (*roads, *others) if part not in " ".join(shown.split())] == []
    assert list(pasted(shown, "SECOND")["extra"]["authorizer_access_tokens"]) == ["wx1000000000000004"]
    (command,) = [line for line in shown.splitlines() if line.startswith("airflow dags trigger wxa_release --conf ")]
    conf = json.loads(shlex.split(command)[-1])
    assert conf["template_id"] == 47
    assert conf["appid"] in values["extra"]["authorizer_access_tokens"]


def test_tokens_of_a_world_that_somebody_brought_are_not_shown(wxa_world: World, tmp_path: Path) -> None:
    without = World.from_json(default_world().to_json())
    for world, said in ((wxa_world, "world.json"), (without, "holdsnotokens")):
        with serve(world) as running:
            shown = introduced(running, tmp_path / "world.json")
        assert said in "".join(shown.split())
        assert [token for token in (*world.tokens(), VARIABLE) if token in shown] == []


def test_it_serves_until_ctrl_c() -> None:
    command = [sys.executable, "-c", "from airflow_wxa.cli.main import main; raise SystemExit(main())"]
    words = ["sandbox", "--port", "0"]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = ""
        while VARIABLE not in shown:
            shown += process.stdout.readline()
        assert requests.get(f"{pasted(shown)['host']}/_sandbox/journal", timeout=5).json() == []
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_a_world_that_cannot_be_read_or_a_port_in_use_makes_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, content in enumerate(("{", '{"platform": []}', "[]", None)):
        file = tmp_path / f"{number}.json"
        if content is not None:
            file.write_text(content, "utf-8")
        assert main(["sandbox", "--port", "0", "--world", str(file)]) == 1
        assert f"the world of {file} cannot be read: " in capsys.readouterr().err
    with serve(default_world()) as running:
        assert main(["sandbox", "--port", running.url.rpartition(":")[2]]) == 1
    shown = capsys.readouterr().err
    assert [part for part in ("in use", "--port") if part not in shown] == []
