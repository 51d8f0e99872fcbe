"""The command ``airflow-wxa``; each subcommand is a module that is imported only when it is used."""
