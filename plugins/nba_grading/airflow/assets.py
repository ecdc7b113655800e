"""The assets by which DAGs follow one another."""

from __future__ import annotations

from airflow.sdk import Asset

# By name alone: a bigquery:// URI would make every parse of a DAG file import the Google provider.
GRADES = Asset("prediction_accuracy")

PREDICTIONS = Asset("player_prop_predictions")
