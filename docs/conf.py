"""Settings of the site: ``sphinx-build -W docs build/site``; a warning is an error."""

from __future__ import annotations

from airflow_wxa import __version__

project = "airflow-wxa"
author = "the airflow-wxa maintainers"
copyright = author  # noqa: A001  (Sphinx's name)
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"airflow-wxa {__version__}"
html_copy_source = False
html_extra_path = ["reference/wxa-dashboard.json"]
# The Chinese index splits Latin words as well, so one search serves both languages.
html_search_language = "zh"
