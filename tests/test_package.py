"""What is built is whole, says the truth about itself, and reads well where there is no checkout."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airflow_wxa import __version__
from tests.sbom import closure, sbom

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
#: All of it was written here; nothing of others is shipped along.
OURS = {".py", ".pyi", ".md", ".json", ".html", ".css", ".js", ".svg", ".jpg", ".yaml", ".typed", ""}


def build(source: Path, target: str, folder: Path) -> Path:
    pytest.importorskip("hatchling")
    command: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build(ROOT, "wheel", tmp_path_factory.mktemp("wheel")))


def told(wheel: zipfile.ZipFile, name: str) -> bytes:
    return wheel.read(f"airflow_wxa-{__version__}.dist-info/{name}")


def test_a_wheel_of_the_sdist_is_the_wheel_of_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as packed:
        packed.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("airflow_wxa-*")
    again = zipfile.ZipFile(build(unpacked, "wheel", tmp_path / "again"))
    assert sorted(again.namelist()) == sorted(wheel.namelist())
    assert told(again, "METADATA") == told(wheel, "METADATA")


def test_the_metadata_are_valid_and_whole_and_lead_nowhere_that_is_only_in_a_checkout(wheel: zipfile.ZipFile) -> None:
    metadata = Metadata.from_email(told(wheel, "METADATA"), validate=True)
    assert (metadata.name, str(metadata.version)) == ("airflow-wxa", __version__)
    assert (metadata.license_expression, metadata.license_files) == ("Apache-2.0", ["LICENSE"])
    assert metadata.description_content_type == "text/markdown"
    assert told(wheel, "licenses/LICENSE").decode() == (ROOT / "LICENSE").read_text("utf-8")
    assert {"pytest11", "airflow.plugins", "apache_airflow_provider", "airflow.policy", "console_scripts"} == set(
        re.findall(r"^\[(.+)\]$", told(wheel, "entry_points.txt").decode(), re.MULTILINE)
    )
    description = metadata.description or ""
    assert len(description) > 1000
    assert re.findall(r"\]\((?!https://)[^)]*\)", description) == []
    pages = {Path(name).stem for name in wheel.namelist() if name.startswith("airflow_wxa/docs/")}
    assert set(re.findall(r"airflow-wxa docs ([a-z-]+)", description)) - pages == set()


def test_only_what_is_ours_is_shipped_and_no_test(wheel: zipfile.ZipFile) -> None:
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"airflow_wxa"}
    assert {Path(name).suffix for name in names} - OURS == set()
    assert {"airflow_wxa/py.typed", "airflow_wxa/api/errcodes.json", "airflow_wxa/docs/how-to/rescue.md"} - {
        *names
    } == set()
    assert {f"airflow_wxa/{path.relative_to(ROOT / 'airflow_wxa')}" for path in ROOT.glob("airflow_wxa/**/*.json")} <= {
        *names
    }
    docs = {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*") if path.suffix in {".md", ".yaml"}}
    assert {f"airflow_wxa/{name}" for name in docs} <= {*names}
    assert [name for name in names if "docs/generate" in name] == []
    assert [name for name in names if "example_dags" in name] == []  # Airflow would load them by itself
    others = re.compile(r"copyright \(c\)|licensed under|SPDX-License", re.IGNORECASE)
    assert [name for name in names if others.search(wheel.read(name).decode(errors="replace"))] == []


def test_every_extra_that_is_printed_is_one() -> None:
    texts = [
        path.read_text("utf-8")
        for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.*"), *ROOT.glob("airflow_wxa/**/*.py")]
        if path.suffix in {".md", ".py", ".yaml"}
    ]
    named = {
        extra for text in texts for some in re.findall(r"airflow-wxa\[([\w,]+)\]", text) for extra in some.split(",")
    }
    assert named >= {"postgres"}
    assert named - PROJECT["optional-dependencies"].keys() == set()


def test_the_bill_of_materials_names_everything_that_is_needed_with_its_licence() -> None:
    bill = sbom()
    names = {each["name"] for each in bill["components"]}
    assert {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]} - names == set()
    assert [each["name"] for each in bill["components"] if not each["licenses"][0]["license"]["name"]] == []
    assert bill["metadata"]["component"]["licenses"][0]["license"]["name"] == "Apache-2.0"
    assert len(names) == len(closure()) - 1
    assert "pytest" not in names
