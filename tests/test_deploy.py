"""The files for Kubernetes name what exists, and the image's checks pass."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_wxa.get_provider_info import get_provider_info
from airflow_wxa.trial_link import PUSH_PREFIX

DEPLOY = Path(__file__).parent.parent / "docs" / "deploy"
CHECKS = re.findall(r"^RUN (?!pip )(.+)$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
SECRETS = {"AIRFLOW_CONN_WXA_DEFAULT", "AIRFLOW__WXA__SQL_ALCHEMY_CONN", "AIRFLOW__WXA__ENCRYPTION_KEYS"}


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_of_the_image_pass(tmp_path: Path, check: str) -> None:
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "AIRFLOW_HOME": str(tmp_path)}
    ended = subprocess.run(["bash", "-c", check], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(CHECKS) == 2


def test_every_component_and_every_pod_has_the_same_secrets_of_one_kubernetes_secret() -> None:
    chart = {each["envName"]: (each["secretName"], each["secretKey"]) for each in read("values.yaml")["secret"]}
    (container,) = read("pod_template.yaml")["spec"]["containers"]
    pod = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each}
    assert set(chart) == SECRETS
    assert {name: (each["name"], each["key"]) for name, each in pod.items()} == chart


def test_every_option_exists_and_the_migrations_of_the_store_run_in_the_job() -> None:
    values = read("values.yaml")
    named = [each["name"] for each in values["env"]] + [each["envName"] for each in values["secret"]]
    options = {f"AIRFLOW__WXA__{name.upper()}" for name in get_provider_info()["config"]["wxa"]["options"]}
    assert {name for name in named if name.startswith("AIRFLOW__WXA__")} <= options
    assert values["migrateDatabaseJob"]["args"][-1].endswith("airflow wxa db migrate")


def test_only_the_push_receiver_faces_the_internet() -> None:
    (rule,) = read("ingress.yaml")["spec"]["rules"]
    assert [path["path"] for path in rule["http"]["paths"]] == [f"{PUSH_PREFIX}/"]
