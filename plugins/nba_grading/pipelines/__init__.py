"""The work on a game date: grade, aggregate, consolidate, repair, clean up staging tables. No Airflow here."""
