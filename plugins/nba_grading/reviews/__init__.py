"""How accurate the predicting systems are: milestones, the weekly table, drift, trends."""
