"""Where a manifest's files and merchants may come from: nothing outside of the configured folder is read."""

from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from cryptography.fernet import Fernet
from fsspec.implementations.memory import MemoryFileSystem

from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks import manifests
from airflow_wxa.hooks.manifests import ManifestSources
from airflow_wxa.store import Store

PLATFORM = "wx00000000000000c1"
GRANTED, OFFICIAL, UNKNOWN, GONE = (f"wx000000000000000{number}" for number in range(1, 5))
SECRET = "what another file holds"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a manifest folder with a file, beside one that is nobody's business."""
    (tmp_path / "secret.yaml").write_text(SECRET)
    (tmp_path / "manifests" / "spring").mkdir(parents=True)
    (tmp_path / "manifests" / "sale.yaml").write_text("release: {}")
    (tmp_path / "manifests" / "spring" / "shops.csv").write_text("\ufeffappid\n", "utf-8")
    return tmp_path / "manifests"


def refused(name: str, folder: str) -> str:
    with pytest.raises(WxaSpecError) as raised:
        ManifestSources(PLATFORM, folder).read(name)
    assert SECRET not in str(raised.value)
    assert "[wxa] manifest_folder (AIRFLOW__WXA__MANIFEST_FOLDER)" in raised.value.next_step
    (problem,) = raised.value.problems
    return problem


def test_a_file_of_the_configured_folder_is_read_without_a_mark(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ManifestSources(PLATFORM, str(folder)).read("sale.yaml") == "release: {}"
    monkeypatch.setenv("AIRFLOW__WXA__MANIFEST_FOLDER", str(folder))
    assert ManifestSources(PLATFORM).read("spring/shops.csv") == "appid\n"


def test_without_a_folder_no_file_is_read() -> None:
    assert refused("sale.yaml", "") == "sale.yaml: no manifest_folder is configured, so no file is read"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.yaml",
        "spring/../../secret.yaml",
        "/etc/passwd",
        "~/secret.yaml",
        "file:///etc/passwd",
        "simplecache::file:///etc/passwd",
        "zip::x.zip",
        "..\\x",
        "",
        ".",
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    assert "must be the name of a file below manifest_folder" in refused(name, str(folder))


@pytest.mark.parametrize("prefix", ["file://", "local://", "simplecache::file://", "filecache::s3://", "dir::local://"])
def test_a_link_out_of_the_folder_is_refused_and_so_is_a_prefix_that_would_follow_it(folder: Path, prefix: str) -> None:
    (folder / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    assert refused("link.yaml", str(folder)) == "link.yaml: leads out of manifest_folder"
    assert "must be a folder or a prefix of object storage" in refused("link.yaml", f"{prefix}{folder}")


def test_what_cannot_be_read_is_said_without_what_it_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "picture.yaml").write_bytes(b"a: \xff")
    assert refused("picture.yaml", str(folder)) == "picture.yaml: is no UTF-8 text (byte 3)"
    assert refused("nothing.yaml", str(folder)) == "nothing.yaml: cannot be read (FileNotFoundError)"
    monkeypatch.setattr(manifests, "_MOST_BYTES", 4)
    assert "is larger than 0 MiB" in refused("sale.yaml", str(folder))


def test_object_storage_is_a_folder_as_well() -> None:
    attach("memory", fs=MemoryFileSystem())
    prefix = ObjectStoragePath("memory://bucket/manifests")
    prefix.mkdir(parents=True, exist_ok=True)
    (prefix / "sale.yaml").write_text("release: {}")
    assert ManifestSources(PLATFORM, "memory://bucket/manifests").read("sale.yaml") == "release: {}"
    assert "must be the name of a file" in refused("../sale.yaml", "memory://bucket/manifests")


def test_merchants_without_the_right_to_develop_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, key = f"sqlite:///{tmp_path / 'wxa.db'}", Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", key)
    store, grant = Store(url, [key]), Grant(Secret("token"), 7200, Secret("renewal"))
    for appid, granted in ((GRANTED, (17, 18)), (OFFICIAL, (1, 15)), (GONE, (18,))):
        store.put_authorisation(PLATFORM, Authorisation(appid, grant, granted))
    store.put_renewals(PLATFORM, {UNKNOWN: Secret("renewal")})  # the plan finds out
    store.put_authorisation("wx00000000000000c2", Authorisation("wx0000000000000009", grant, (18,)))
    store.mark(PLATFORM, GONE, "withdrawn")
    assert sorted(ManifestSources(PLATFORM).authorised()) == [GRANTED, UNKNOWN]
