"""The bodies of the DAGs' Python tasks, one module for each."""
