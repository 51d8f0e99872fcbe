"""Apps mounted in Airflow's API server: the receiver of WeChat's pushes."""
