"""The docs are held to the code: what exists is documented, what is linked exists."""

import ast
import json
import re
from pathlib import Path

import yaml

from airflow_wxa import errors
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.cli.lookup import pages
from airflow_wxa.get_provider_info import get_provider_info
from airflow_wxa.sandbox.control import CONTROLS
from docs.generate.translated import compared, lines_of
from tests.tables import each_row

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [path.read_text("utf-8") for room in ("airflow_wxa", "dags") for path in (ROOT / room).rglob("*.py")]


#: Headless sentences ("What a step came to", "Whoever refreshes …") in docstrings by package; these numbers only fall.
HEADLESS = {"access": 1, "api": 2, "dags": 2, "plugins": 25}
HEADLESS_SENTENCE = re.compile(
    r"(?:^|[.;:,] |\band |\bfor |\bof |\bto |\bby |\bwith |\bfrom |\bthat )"
    r"(what|who|whom|whoever|whatever|which one|where)\b (?!is that|about|if)",
    re.IGNORECASE,
)
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

CONN_FIELDS = get_provider_info()["connection-types"][0]["conn-fields"]


def page(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


@each_row("name", CONN_FIELDS)
def test_the_form_of_the_connection_has_the_words_of_its_page_and_is_typed(name: str) -> None:
    field = CONN_FIELDS[name]
    assert f"| extra `{name}` | {field['description']} |" in page("docs/reference/connection.md")
    kind, other = field["schema"]["type"]
    assert (kind in {"string", "number", "boolean"}, other) == (True, "null")
    is_secret = any(word in name for word in ("token", "key", "proxy")) and name != "token_url"
    assert (field["schema"].get("format") == "password") == is_secret


def test_the_form_of_the_connection_has_each_field_that_is_read_and_no_other() -> None:
    source = page("airflow_wxa/hooks/connection.py")
    read = re.findall(r'(?:extra\.get\(|^    )"(\w+)"[,)]', source, re.MULTILINE)
    assert sorted(read) == sorted(CONN_FIELDS)


#: What exists as its page names it, and the page.
EXISTS = [
    *((f"`{option}`", "reference/connection") for option in get_provider_info()["config"]["wxa"]["options"]),
    *((f"\n| `{error}` | ", "reference/errors") for error in [*errors.__all__, "PushRefusedError"]),
    *((f"\n| {code} | ", name) for code in errcodes() for name in ("reference/errcodes", "zh/errcodes")),
    *((control.path, "reference/sandbox") for control in CONTROLS),
]


@each_row("said, name", EXISTS)
def test_every_option_error_class_errcode_and_control_path_is_documented(said: str, name: str) -> None:
    assert said in page(f"docs/{name}.md")


@each_row("path", PAGES)
def test_every_link_inside_the_docs_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_what_the_code_cites_is_a_page_of_the_docs_command_each_with_a_name_of_its_own_and_no_file() -> None:
    cited = {name for text in SOURCES for name in re.findall(r"airflow-wxa docs ([a-z-]+)", text)}
    assert cited >= {"approve", "connection"}
    assert cited - pages().keys() == set()
    assert len(pages()) == len(PAGES) - 1  # all but the README
    assert [name for text in SOURCES for name in re.findall(r"docs/[a-z/-]+\.md", text)] == []  # no wheel has it


def test_every_topology_that_was_tried_is_a_row_of_a_test() -> None:
    rows = re.findall(r"^\| (?!topology|---)(.+?) \|", page("docs/reference/topologies.md"), re.MULTILINE)
    suite = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "real_airflow").glob("test_*.py"))
    assert [row for row in rows if f'"{row}": ' not in suite] == []
    assert len(rows) == 18


def test_every_module_of_a_slow_suite_is_run_by_ci() -> None:
    named, lanes = page(".ci/run").partition("\nlane ")[::2]
    suites = re.findall(r'^    \["(.+)"\]=', named, re.MULTILINE)
    assert sorted(re.findall(r'"([^"$/]+)"', lanes.partition("wait")[0])) == sorted(suites)
    for path in sorted(ROOT.glob("tests/real_airflow/test_*.py")):
        assert re.search(rf"{path.name}\b", named), path
    paths = re.findall(r"tests/[\w/]+\.py", named.replace("$airflow", "tests/real_airflow"))
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_every_field_of_a_manifest_is_documented() -> None:
    def names(schema: object) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(names, schema))
        if not isinstance(schema, dict):
            return set()
        return {*schema.get("properties", ()), *set().union(*map(names, schema.values()))}

    told = page("docs/how-to/fleets.md") + page("docs/reference/release.md")
    found = names(json.loads(page("airflow_wxa/fleet/manifest.schema.json")))
    assert len(found) > 80
    assert [name for name in sorted(found) if not re.search(rf"\b{name}\b", told)] == []


def test_every_link_that_leads_outside_was_looked_at() -> None:
    """A new one is opened by hand, then written into the list; generated pages link WeChat's own, by endpoint."""
    generated = {"errcodes.md", "operators.md", "endpoints.md", "test-kit.md"}
    texts = [path.read_text("utf-8") for path in PAGES if path.name not in generated]
    found = {link for text in texts for link in re.findall(r"\]\((https?:[^)]+)\)", text)}
    assert found == set(page("tests/outside_links.txt").split())


def blocks(language: str) -> list[tuple[Path, str]]:
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(path, block) for path in PAGES for block in pattern.findall(path.read_text("utf-8"))]


def test_every_python_and_yaml_block_can_be_read() -> None:
    """Blocks that are whole DAGs run in tests of their own: of TaskFlow, own uploads, the tutorial, testing a DAG."""
    for path, block in blocks("python"):
        ast.parse(block, str(path))
    for _, block in blocks("yaml"):
        list(yaml.safe_load_all(block))


def test_every_block_that_publishes_has_a_domain_step() -> None:
    publishes = re.compile(r"Wxa(Gray)?ReleaseOperator\(|WxaHook\(\)\.(gray_)?release\(")
    step = re.compile(r"WxaSetWebviewDomain\w*Operator\(|configure_domains\(|webview_domain_gate\(|release_group\(")
    assert [path for path, block in blocks("python") if publishes.search(block) and not step.search(block)] == []


def test_every_fact_about_wechat_is_held_by_a_test_that_exists_or_says_why_it_is_not_imitated() -> None:
    text = page("docs/reference/fidelity.md")
    rows = re.findall(r"^\| (?!fact |---)([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    named = {fact: re.fullmatch(r"`(\S+\.py)::(test_\w+)`", by) for fact, _, by in rows}
    held = {fact: by for fact, by in named.items() if by}
    assert [fact for fact, _, by in rows if fact not in held and not by.startswith("not imitated: ")] == []
    tests = {name: (ROOT / "tests" / name).read_text("utf-8") for name in {by[1] for by in held.values()}}
    assert [by[0] for by in held.values() if f"def {by[2]}(" not in tests[by[1]]] == []
    assert len(named) == len(rows), "a fact stands twice"
    assert f"**{len(held)} of {len(rows)} facts are held by a test.**" in text
    assert len(held) >= 0.95 * len(rows)


def test_no_chinese_page_is_far_behind_its_english_one() -> None:
    """A change was carried over, or none is needed: ``python -m docs.generate translated`` notes it."""
    behind = {}
    for name, (english, then) in compared().items():
        now = lines_of(english)
        if len(now.keys() ^ then) > 0.1 * len(then):
            behind[f"docs/zh/{name}.md"] = [english, *(line for mark, line in now.items() if mark not in then)]
    assert behind == {}
    translated = {path.stem for path in (ROOT / "docs/zh").glob("*.md")}
    assert translated == {"errcodes", *compared()}  # that one is made of the code


def test_every_question_of_a_team_lead_is_answered_with_a_page() -> None:
    for path in ("docs/explanation/questions.md", "docs/zh/questions.md"):
        asked = re.findall(r"^\*\*(.+?)\*\*(.*?)(?=^\*\*|\Z)", page(path), re.MULTILINE | re.DOTALL)
        assert [question for question, answer in asked if "](" not in answer] == []
        assert len(asked) >= 10


def test_sentences_of_docstrings_begin_with_a_noun() -> None:
    found: dict[str, list[str]] = {}
    for path in (*ROOT.glob("airflow_wxa/**/*.py"), *ROOT.glob("dags/*.py")):
        package = path.relative_to(ROOT).parts[1 if path.is_relative_to(ROOT / "airflow_wxa") else 0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            said = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
            sentences = [" ".join(each.split()) for each in re.split(r"(?<=[.])\s+|\n\n|\n:", said or "")]
            found.setdefault(package, []).extend(filter(HEADLESS_SENTENCE.search, sentences))
    assert {name: each for name, each in found.items() if len(each) > HEADLESS.get(name, 0)} == {}
