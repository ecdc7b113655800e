"""The only package that imports Airflow: operators, tasks, triggers, callbacks, and the page's routes."""
