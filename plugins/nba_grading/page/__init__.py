"""The page "Grading": the state of each date, open findings, leases and next steps, read from BigQuery, Firestore and Airflow.

It changes nothing. ``panels`` maps each panel to its query. ``date_status``, ``findings``, ``time_series`` and ``orphans`` turn the rows into
what is shown. ``cache`` runs one query for many readers and keeps the last answer. ``sources`` holds the connections, ``static`` the browser's
files. The routes are in ``airflow.page_app``.
"""
