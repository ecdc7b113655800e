"""The one way in which rows reach a guarded table: claim a date, stage, audit, publish behind the fence."""
