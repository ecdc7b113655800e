"""What people run: the local stack, loading, backfills, the demo, the generated docs."""
