"""The tutorial works as it stands: its files are written out, and its own tests run."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = ("shop_release.py", "test_shop_release.py")


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)


def test_both_languages_have_the_same_files() -> None:
    assert blocks("docs/zh/first-dag.md") == blocks("docs/tutorial/first-dag.md")


def test_the_files_of_the_tutorial_pass_their_own_tests(tmp_path: Path) -> None:
    page = (ROOT / "docs/tutorial/first-dag.md").read_text("utf-8")
    (command,) = re.findall(r"^\(cd \.\./mine && .*\)$", page, re.MULTILINE)
    checkout, mine = tmp_path / "checkout", tmp_path / "mine"
    for folder in (checkout, mine):
        folder.mkdir()
    (checkout / ".venv").symlink_to(sys.prefix)
    for name, block in zip(FILES, blocks("docs/tutorial/first-dag.md"), strict=True):
        (mine / name).write_text(block)
    # Where the checkout was installed before it had an entry point, the plugin is named.
    is_found = any(each.name == "wxa" for each in entry_points(group="pytest11"))
    plugin = "" if is_found else "-p airflow_wxa.pytest_plugin"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": plugin}
    for _ in range(2):  # as somebody does who has changed a line
        ended = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=False, cwd=checkout, env=environment
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "2 passed" in ended.stdout
