"""Grades NBA player-prop predictions against box scores, one game_date at a time, so that no date is ever corrupted.

Read in this order:

- ``pipelines.grade``: one game date, from predictions and box scores to published grades;
- ``guarded_write.publish``: write, audit, publish: the only way in which rows reach a guarded table;
- ``leases.lease``: who may write a date now, and ``guarded_write.claim``: what happens without a lease;
- ``quality``, ``runs``, ``alerts``: the checks after the write, its record, and what people are alerted to;
- ``warehouse``: how statements reach BigQuery;
- ``airflow``: the operators and tasks, and the only code that imports Airflow.

docs/architecture.md draws the packages and their direction.
"""
