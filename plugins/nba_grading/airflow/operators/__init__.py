"""The operators of the DAGs: check the inputs, write a date, write several dates, repair."""
