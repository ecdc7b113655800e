"""How well the predicting systems do: milestones, the weekly table, drift, trends."""
