-- The dataset of box scores; created once, left alone when it is there.
CREATE SCHEMA IF NOT EXISTS nba_box_scores
OPTIONS (description = 'Box scores of NBA games');
