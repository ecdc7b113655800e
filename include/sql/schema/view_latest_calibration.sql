-- The newest accepted map of each system, for predicting systems to read. The constant date is the filter that the table asks for.
CREATE OR REPLACE VIEW nba_predictions.latest_calibration
OPTIONS (description = 'The newest accepted map from confidence to win rate of each system')
AS
SELECT *
FROM nba_predictions.confidence_calibration
WHERE fitted_on >= DATE '2020-01-01' AND accepted
QUALIFY ROW_NUMBER() OVER (PARTITION BY system_id ORDER BY fitted_on DESC) = 1;
