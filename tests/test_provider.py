"""What Airflow discovers: the Connection type with its form, the sections of the configuration, the lists."""

from __future__ import annotations

import importlib
import json
import pkgutil
import warnings
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from packaging.version import Version

from airflow_wxa.get_provider_info import get_provider_info
from tests.airflow_session import airflow_database  # noqa: F401  a fixture; and it must come before Airflow

if TYPE_CHECKING:
    from airflow.api_fastapi.core_api.datamodels.connections import ConnectionHookMetaData
    from airflow.providers_manager import ProvidersManager


@pytest.fixture
def manager(airflow_database: None) -> ProvidersManager:  # noqa: F811
    from airflow.providers_manager import ProvidersManager  # noqa: PLC0415  (Airflow's home must be set first)

    return ProvidersManager()


@pytest.fixture
def form(airflow_database: None) -> ConnectionHookMetaData:  # noqa: F811
    """Return what the page of Airflow's Connections asks its server for."""
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService  # noqa: PLC0415  (as above)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow 3.2 warns of its own code
        (form,) = [each for each in HookMetaService.hook_meta_data() if each.connection_type == "wxa"]
    return form


def test_the_metadata_keep_airflows_schema() -> None:
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text("utf-8"))
    jsonschema.validate(get_provider_info(), schema)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("operators", "airflow.sdk.BaseOperator"),
        ("sensors", "airflow.sdk.BaseSensorOperator"),
        ("hooks", "airflow.sdk.BaseHook"),
        ("triggers", "airflow.triggers.base.BaseTrigger"),
    ],
)
def test_the_metadata_name_each_module_with_a_class_for_dags_and_no_other(kind: str, base: str) -> None:
    of_airflow, _, base_name = base.rpartition(".")
    base_class = getattr(importlib.import_module(of_airflow), base_name)
    named = [module for entry in get_provider_info()[kind] for module in entry["python-modules"]]
    package = importlib.import_module(f"airflow_wxa.{kind}")
    holding = []
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(found.name)
        here = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
        if any(issubclass(each, base_class) and each.__name__.startswith("Wxa") for each in here):
            holding.append(found.name)
    assert sorted(named) == holding


def test_the_metadata_name_every_link_and_scheme_of_an_asset() -> None:
    info, links = get_provider_info(), importlib.import_module("airflow_wxa.links")
    of_links = {f"{links.__name__}.{name}" for name, each in vars(links).items() if name.endswith("Link")}
    assert set(info["extra-links"]) == of_links - {f"{links.__name__}.BaseOperatorLink"}
    assert [scheme for each in info["asset-uris"] for scheme in each["schemes"]] == ["wxa"]
    assert "plugins" not in info  # its entry point has registered it, and Airflow calls a second one an import error


def test_the_providers_manager_lists_it_and_its_hook(manager: ProvidersManager, form: ConnectionHookMetaData) -> None:
    assert [name for name in manager.providers if "wxa" in name] == ["airflow-wxa"]
    assert form.hook_class_name == "airflow_wxa.hooks.wxa.WxaHook"
    assert form.hook_name == "WeChat Mini Program platform"


def test_the_form_shows_every_field_by_what_it_holds_and_hides_the_secret_ones(form: ConnectionHookMetaData) -> None:
    shown, named = (
        {name: (each["description"], each["schema"].get("format")) for name, each in fields.items()}
        # The words of the second are held by tests/test_docs.py.
        for fields in (form.extra_fields or {}, get_provider_info()["connection-types"][0]["conn-fields"])
    )
    assert shown == named
    assert [format_ for _, format_ in shown.values()].count("password") == 7
    standard: Any = form.standard_fields
    assert standard.host.title == "API host"
    hidden = {name for name in ("login", "password", "host", "port", "url_schema") if getattr(standard, name).hidden}
    assert hidden == {"url_schema"}  # Airflow saves a hidden port as 0, and its Test button takes that for a change


def test_the_options_have_defaults_airflow_reads(manager: ProvidersManager, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.configuration import conf  # noqa: PLC0415  (as above)

    options: dict[str, Any] = dict(manager.provider_configs)["airflow-wxa"]["wxa"]["options"]
    assert set(options) >= {"privacy_poll_seconds", "audit_poll_seconds"}
    for name in ("privacy_poll_seconds", "audit_poll_seconds"):
        assert (options[name]["type"], options[name]["default"]) == ("float", "60")
        monkeypatch.delenv(f"AIRFLOW__WXA__{name.upper()}")
        assert conf.get("wxa", name) == "60"


@pytest.mark.skipif(
    Version(version("apache-airflow")) < Version("3.3"),
    reason="the pages tell the arguments of Airflow 3.3's operators",
)
def test_what_is_made_of_the_code_is_what_would_be_written() -> None:
    from docs.generate.pages import files  # noqa: PLC0415  (it imports Airflow)

    stale = [path.name for path, text in files().items() if path.read_text("utf-8") != text]
    assert stale == [], "run python -m docs.generate"
