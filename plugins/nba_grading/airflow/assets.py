"""The assets that start one DAG after another."""

from __future__ import annotations

from airflow.sdk import Asset

# Without a URI: a bigquery:// URI makes every parse of a DAG file import the Google provider.
GRADES = Asset("prediction_accuracy")

PREDICTIONS = Asset("player_prop_predictions")
