"""Grades NBA player-prop predictions against box scores, one game_date at a time, and never writes a date twice.

Read in this order:

- ``grading``: one game date, from predictions and box scores to published grades;
- ``fenced_write``: write, audit, publish: the only way rows reach a guarded table;
- ``lease``, ``leases`` (on ``lease_store_firestore`` or ``lease_store_sqlite``): who may write a date now;
- ``guard``: what happens when the lease is held, lost or its store is down;
- ``validation``, ``runs``, ``alerts``: what is checked after the write, recorded, and told to people;
- ``warehouse``, ``sql``, ``tables``, ``settings``, ``clients``: how statements reach BigQuery;
- ``page``: the page "Grading" in Airflow's navigation.

Airflow is imported by ``airflow_context``, ``operators``, ``triggers``, ``slack`` and ``dag_defaults`` alone.
"""
