"""The record of each guarded run in grading_runs, and the circuit breaker that reads it."""
