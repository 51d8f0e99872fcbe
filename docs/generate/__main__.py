"""Write all files that are made of the code; a test holds them to it.

``python -m docs.generate migration "What is new"`` writes the migration that the tables ask for;
``python -m docs.generate acts`` prints a table of the acts and their doors;
``python -m docs.generate translated`` notes that each Chinese page was compared with its English one.
"""

from __future__ import annotations

import os
import sys
import tempfile

from docs.generate.translated import note

if sys.argv[1:] == ["translated"]:
    note()
    raise SystemExit
if sys.argv[1:2] == ["migration"]:
    from docs.generate.migration import write_migration

    sys.stdout.write(f"{write_migration(sys.argv[2])}\n")
    raise SystemExit

with tempfile.TemporaryDirectory(prefix="wxa-airflow-") as home:
    # Airflow makes its home when it is imported; the pages are the same whatever Airflow a machine has.
    for name in [each for each in os.environ if each.startswith("AIRFLOW_")]:
        del os.environ[name]
    os.environ["AIRFLOW_HOME"] = home
    from docs.generate.pages import acts_table, files

    if sys.argv[1:] == ["acts"]:
        sys.stdout.write("\n".join([*acts_table(), ""]))
    else:
        for path, text in files().items():
            path.write_text(text, "utf-8")
