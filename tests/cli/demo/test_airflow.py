from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import airflow_wxa
from airflow_wxa.cli.demo import airflow as launcher
from airflow_wxa.cli.demo.airflow import AirflowStartError, OutOfTimeError, ThrowawayAirflow, every_dag
from tests.cli.demo.conftest import living

IS_COMMAND = "__name__ == '__main__'"  # and not imported for others to be forked
FOREIGN = {
    "AIRFLOW_HOME": "/elsewhere",
    "AIRFLOW_CONFIG": "/elsewhere/airflow.cfg",
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__FERNET_KEY": "theirs",
    "AIRFLOW__SECRETS__BACKEND": "somebody.elses.Backend",
    "AIRFLOW_CONN_WXA_DEFAULT": "wxa://real.example.com",
    "AIRFLOW_VAR_COLOUR": "red",
    "_AIRFLOW_PROCESS_CONTEXT": "server",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_nothing_of_another_airflow_leaks_into_this_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (FOREIGN | {"no_proxy": "intranet.example.com"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    environment = ThrowawayAirflow(home, {"AIRFLOW_CONN_WXA_SECOND": "{}"}).component_env()
    assert [name for name, value in FOREIGN.items() if environment.get(name) == value] == []
    assert environment["AIRFLOW_HOME"] == str(home)
    assert environment["AIRFLOW_CONN_WXA_SECOND"] == "{}"
    # A proxy is not asked for this machine.
    assert (environment["no_proxy"], environment["NO_PROXY"]) == ("intranet.example.com,127.0.0.1", "127.0.0.1")


def test_it_listens_on_loopback_with_keys_of_its_own_for_everybody_or_for_its_only_user(home: Path) -> None:
    account = {"username": "lin", "password": "of-lin"}
    airflow = ThrowawayAirflow(home, {"AIRFLOW_CONN_WXA_DEFAULT": "a token"}, port=18081, debug=True, account=account)
    seen, other = ({**each.component_env()} for each in (airflow, ThrowawayAirflow(home, {})))
    keys = [f"AIRFLOW__{name}" for name in ("CORE__FERNET_KEY", "API__SECRET_KEY", "API_AUTH__JWT_SECRET")]
    assert airflow.component_env() == seen
    assert [name for name in keys if seen[name] == other[name] or seen[name] in repr(airflow)] == []
    assert "a token" not in repr(airflow)
    assert "of-lin" not in repr(airflow) + str(seen)  # it is in a file of its own
    names = ["API__HOST", "API__PORT", "LOGGING__LOGGING_LEVEL", "CORE__SIMPLE_AUTH_MANAGER_USERS"]
    names.append("CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS")
    told, others = ([each.get(f"AIRFLOW__{name}") for name in names] for each in (seen, other))
    assert told == ["127.0.0.1", "18081", "DEBUG", "lin:admin", "False"]
    assert others[2:] == ["INFO", None, "True"]


def test_every_dag_is_written_as_the_dags_folder_of_a_checkout_has_it() -> None:
    folder = Path(airflow_wxa.__file__).parents[1] / "dags"
    texts = every_dag()
    assert texts.keys() == {path.name for path in folder.glob("*.py")}
    for name, text in texts.items():
        assert text.removesuffix(")\n") in (folder / name).read_text("utf-8")  # there it may be given a schedule


def test_a_component_that_ends_is_named_with_its_last_lines(home: Path, no_airflow: Path) -> None:
    airflow = ThrowawayAirflow(home, {})
    with pytest.raises(RuntimeError, match="was not started"):
        _ = airflow.api
    with pytest.raises(AirflowStartError, match=r"database ended with exit code 3[\s\S]*no space left on device"):
        airflow.start("wxa_release")
    airflow.stop()
    assert airflow.processes.pids() == []


def test_a_component_that_is_never_ready_is_given_up(home: Path, no_airflow: Path) -> None:
    no_airflow.write_text(f"import sys, time\nif {IS_COMMAND} and 'db' not in sys.argv: time.sleep(60)\n", "utf-8")
    told: list[str] = []
    airflow = ThrowawayAirflow(home, {}, tell=told.append)
    with pytest.raises(OutOfTimeError, match=r"api-server was not ready in time[\s\S]*--patience"):
        airflow.start("wxa_release", patience=1.5)
    pids = airflow.processes.pids()
    assert len(pids) == len(launcher.COMPONENTS) + 1  # and the one that forked them
    assert {os.getsid(pid) for pid in pids} == set(pids)
    airflow.stop()
    assert airflow.processes.pids() == []
    assert told == ["database starting", "database up", *(f"{name} starting" for name in launcher.COMPONENTS)]


def with_scheduler_alone(home: Path, no_airflow: Path) -> tuple[ThrowawayAirflow, int]:
    """Start a scheduler that goes on, and nothing else; return its process as well."""
    no_airflow.write_text(f"import time\nif {IS_COMMAND}: time.sleep(60)\n", "utf-8")
    airflow = ThrowawayAirflow(home, {})
    (home / "tmp").mkdir()
    return airflow, airflow._spawn("scheduler", ("scheduler",)).process.pid


def test_components_that_lost_the_process_that_forked_them_count_as_dead(home: Path, no_airflow: Path) -> None:
    airflow, pid = with_scheduler_alone(home, no_airflow)
    airflow.check_lives()
    airflow.processes.components[0].process.kill()
    airflow.processes.components[0].process.wait()
    with pytest.raises(AirflowStartError, match="fork-server ended with exit code -9"):
        airflow.check_lives()
    airflow.stop()
    assert living([pid]) == []


def test_components_end_when_nobody_is_left_to_end_them(home: Path, no_airflow: Path) -> None:
    airflow, pid = with_scheduler_alone(home, no_airflow)
    assert airflow._fork_server is not None
    airflow._fork_server._connection.close()  # as the end of the demo does
    assert airflow.processes.components[0].process.wait() == 0
    deadline = time.monotonic() + 10
    while living([pid]):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_schedulers_log_tells_whether_it_has_noticed_that_a_task_waits(home: Path) -> None:
    airflow, event = ThrowawayAirflow(home, {}), "Received executor event with state success for task instance"
    key = "TaskInstanceKey(dag_id='wxa_release', task_id='approve_release', run_id='{}', try_number=1, map_index=-1)"
    log = f"{event} {key.format('other')}\nqueue {key.format('plain')}\n"
    for line, is_noticed in (("", False), (f"{event} {key.format('plain')}\n", True)):
        (home / "scheduler.out").write_text(log + line, "utf-8")
        assert airflow.has_parked("plain", "approve_release") is is_noticed
