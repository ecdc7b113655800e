"""BigQuery as this project uses it: the client with its retries, the SQL files, the tables and their keys."""
