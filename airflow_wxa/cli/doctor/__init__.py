"""``airflow wxa doctor``: rules that look at everything a release depends on, and say how to mend it."""
