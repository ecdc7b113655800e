"""What people run from a shell: the local stack, the schema, loading, backfills, the demo. Each is ``python -m commands.<name>``."""
