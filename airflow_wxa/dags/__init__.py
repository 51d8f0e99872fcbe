"""The wiring of the DAGs, as functions: a file in the DAGs folder calls one."""
