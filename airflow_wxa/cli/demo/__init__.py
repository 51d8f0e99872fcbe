"""A real Airflow that releases six Mini Programs against an emulated WeChat."""
