"""What WeChat or a merchant wrote acts on no page of the board, and no secret and no foreign file stands there."""

import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.hooks.screenshots import MOST_BYTES
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import VerificationFileLink
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import TaskRef
from airflow_wxa.store.ledger import VERIFICATION_FILE_READ
from airflow_wxa.trial_link import BOARD_PREFIX
from tests.canaries import CANARIES, spellings
from tests.plugins.airflow_runs import settle
from tests.plugins.browser import Browser, hide_runs
from tests.plugins.hostile import PAYLOADS, SHARED, fill_with

TAGS = {
    "a", "article", "blockquote", "body", "br", "button", "code", "dd", "details", "div", "dl", "dt", "em",
    "figcaption", "figure", "form", "h1", "h2", "h3", "h4", "head", "header", "html", "img", "input", "label", "li",
    "link", "main", "meta", "meter", "nav", "ol", "option", "p", "pre", "rect", "script", "section", "select",
    "small", "span", "strong", "summary", "svg", "table", "tbody", "td", "textarea", "th", "thead", "time", "title",
    "tr", "ul",
}  # fmt: skip


class Elements(HTMLParser):
    """Collects what a browser would make of a page: elements, attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.others: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    handle_pi = handle_comment
    unknown_decl = handle_comment


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_text_of_somebody_else_acts(airflow: Browser, url: str, language: str) -> None:
    payloads = {f"wx{number:016x}": each for number, each in enumerate(PAYLOADS[language == "zh" :: 2])}
    own = {path: [payload] for appid, payload in payloads.items() for path in fill_with(url, payload, appid)}
    for path, expected in [*own.items(), *((path, [*payloads.values()]) for path in SHARED)]:
        answer = airflow.get(path, **{"Accept-Language": language})
        assert answer.status_code == 200, path
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        made = Elements(answer.text)
        _assert_ours(made)
        missing = [each for each in expected if each.split(maxsplit=1)[0][:5] not in made.text]
        assert missing == [] or path.startswith("/errcodes"), path


def _assert_ours(made: Elements) -> None:
    assert {tag for tag, _ in made.elements} <= TAGS
    assert made.others == []
    for tag, attributes in made.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "srcdoc", "formaction"}]
        for name in {"href", "src", "action"} & attributes.keys():
            address = str(attributes[name])
            assert address.startswith(("/", "#")), (tag, address)
            assert not address.startswith("//"), (tag, address)
        assert tag != "meta" or "http-equiv" not in attributes
    assert [attributes["src"] for tag, attributes in made.elements if tag == "script"] == ["/wxa/board/static/board.js"]


def test_no_secret_is_in_any_response(
    airflow: Browser, url: str, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TaskRef(dag_id="wxa_release", run_id="spring", task_id="commit_code")
    monkeypatch.setattr("airflow_wxa.hooks.wxa.current_task", lambda *_: task)
    hook = WxaHook()
    hook.configure_domains(APPID, "get")
    with pytest.raises(AirflowFailException, match="template not exist"):
        hook.commit(APPID, 404, "1.0")
    pages = ["/", "/mini-programs.csv", f"/mini-program/{APPID}", "/fleets", "/errcodes"]
    found = [airflow.get(path).content for path in pages]
    assert APPID.encode() in found[0]
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"postgresql+psycopg2://u:{CANARIES[0]}@127.0.0.1:1/none")
    down = airflow.get("/")
    assert (down.status_code, "127.0.0.1:1" in down.text) == (503, False)
    found.append(down.content)
    wanted = [form for secret in CANARIES for form in spellings(secret)]
    assert [form for form in wanted for content in found if form in content] == []


AUDITID, JPEG = "400000007", b"\xff\xd8\xff the rest"
PICTURE = f"/mini-program/{APPID}/screenshot/{AUDITID}"


@pytest.fixture
def pictures(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a rejected sheet with two screenshots."""
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", str(tmp_path / "shots"))
    settle(APPID, outcome="rejected", auditid=AUDITID, reason="no", screenshot=["a", "b"])
    folder = tmp_path / "shots" / APPID / AUDITID
    folder.mkdir(parents=True)
    for number in (1, 3):
        (folder / f"{number}.jpg").write_bytes(JPEG)
    return folder


def test_a_rejection_shows_its_pictures_and_nothing_else(airflow: Browser, pictures: Path) -> None:
    made = Elements(airflow.get(f"/mini-program/{APPID}").text)
    sources = [attributes["src"] for tag, attributes in made.elements if tag == "img"]
    assert sources == [f"/wxa/board{PICTURE}/1", f"/wxa/board{PICTURE}/2"]
    (pictures / "2.png").write_bytes(b"\x89PNG the rest")
    for number, media_type in ((1, "image/jpeg"), (2, "image/png")):
        answer = airflow.get(f"{PICTURE}/{number}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert airflow.get(f"{PICTURE}/1").content == JPEG
    others = (
        f"{PICTURE}/3",  # lies there, and belongs to no media id of the sheet
        f"{PICTURE}/01",
        f"{PICTURE}/1.jpg",
        f"{PICTURE}/..%2f..%2f..%2fwxa.db",
        f"/mini-program/{APPID}/screenshot/..%2f{AUDITID}/1",
        f"/mini-program/{APPID}/screenshot/400000008/1",
        f"/mini-program/wx00000000000000a9/screenshot/{AUDITID}/1",
        f"/mini-program/..%2f{APPID}/screenshot/{AUDITID}/1",
    )
    assert [path for path in others if airflow.get(path).status_code != 404] == []


def test_a_picture_is_for_whoever_may_see_the_dag(
    airflow: Browser, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (airflow.get(f"{PICTURE}/1", "").status_code, airflow.get(f"{PICTURE}/1", None).status_code) == (401, 403)
    hide_runs(monkeypatch, "wxa_release")
    assert airflow.get(f"{PICTURE}/1").status_code == 404


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"", b"GIF89a", JPEG + bytes(MOST_BYTES), None])
def test_only_pictures_of_a_sensible_size_are_served(airflow: Browser, pictures: Path, content: bytes | None) -> None:
    (pictures / "1.jpg").unlink() if content is None else (pictures / "1.jpg").write_bytes(content)
    assert airflow.get(f"{PICTURE}/1").status_code == 404


@pytest.mark.parametrize("kind", ["file", "folder", "pipe"])
def test_no_link_is_followed_and_nothing_is_waited_for(airflow: Browser, pictures: Path, kind: str) -> None:
    elsewhere = pictures.rename(pictures.parents[2] / "elsewhere")
    if kind == "folder":
        pictures.symlink_to(elsewhere)
    else:
        pictures.mkdir()
        os.mkfifo(pictures / "1.jpg") if kind == "pipe" else (pictures / "1.jpg").symlink_to(elsewhere / "1.jpg")
    assert airflow.get(f"{PICTURE}/1").status_code == 404


def test_pictures_in_object_storage_are_shown_as_well(
    airflow: Browser, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", f"file://{tmp_path / 'bucket'}")
    assert airflow.get(f"{PICTURE}/1").status_code == 404
    path = tmp_path / "bucket" / APPID / AUDITID / "1.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(JPEG)
    assert airflow.get(f"{PICTURE}/1").content == JPEG


def test_a_verification_file_is_downloaded_by_its_link_by_whoever_may_see_the_run(
    airflow: Browser, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TaskRef("wxa_platform_domains", "monday", "read_file")
    ledger, told = open_ledger(), {"file_content": "c0ffee"}
    for task_id, name in (("read_file", "a.txt"), ("other", "../b.txt")):
        file = told | {"file_name": name}
        ledger.decided("", THE_PLATFORM, replace(task, task_id=task_id), file, endpoint=VERIFICATION_FILE_READ)
    link = VerificationFileLink().get_link(SimpleNamespace(has_verification_file=True), ti_key=task)  # type: ignore[arg-type]
    path = link.removeprefix(BOARD_PREFIX)
    answer, disposition = airflow.get(path), 'attachment; filename="a.txt"'
    assert (answer.text, answer.headers["content-disposition"]) == ("c0ffee", disposition)
    assert [airflow.get(path, role).status_code for role in ("", None)] == [401, 403]
    others = (path.replace("read_file", "other"), path.replace("monday", "tuesday"))
    assert [airflow.get(each).status_code for each in others] == [404, 404]
    hide_runs(monkeypatch, task.dag_id)
    assert airflow.get(path).status_code == 403
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team-a/")
    below = VerificationFileLink().get_link(SimpleNamespace(has_verification_file=True), ti_key=task)  # type: ignore[arg-type]
    assert below == f"https://airflow.example.com/team-a{link}"
