"""The page "Grading": what is graded, what is wrong, who writes, and what to do next, read from BigQuery, Firestore and Airflow.

It changes nothing. ``app`` has the routes, all behind Airflow's login; ``panels`` says which query each panel is, and ``days``, ``findings``,
``curves`` and ``leftovers`` make of its rows what a person reads; ``cache`` asks once for many readers, and keeps the last answer for when
nobody answers; ``sources`` are the connections. ``static`` is what the browser loads, the charting library included.
"""
