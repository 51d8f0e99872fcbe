"""The tutorial works as it stands: its files are written out, and its own tests run."""

from __future__ import annotations

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
    for name, block in zip(FILES, blocks("docs/tutorial/first-dag.md"), strict=True):
        (tmp_path / name).write_text(block)
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": str(ROOT)}
    # Where the checkout was installed before it had an entry point, the plugin is named.
    is_found = any(each.name == "wxa" for each in entry_points(group="pytest11"))
    plugin = [] if is_found else ["-p", "airflow_wxa.pytest_plugin"]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path]
    ended = subprocess.run(
        [*words, *plugin, tmp_path], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 passed" in ended.stdout
