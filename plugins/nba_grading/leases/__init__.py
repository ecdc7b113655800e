"""The lease on one (operation, game_date), its stores, waiting for it, and the sweep of expired ones."""
