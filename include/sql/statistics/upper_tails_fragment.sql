-- The rows of `scores` (with z FLOAT64, may be NULL), which the enclosing statement defines, and upper_tail: the probability that a standard
-- normal variable is greater than z, to 1e-15. BigQuery has no such function. Hart's rational approximation and, from 5 * sqrt(2) on, a
-- continued fraction, as in West, "Better approximations to cumulative normal functions", Wilmott (2005).
-- Params: none
WITH
bounded AS (
    SELECT
        *,
        LEAST(ABS(z), 37) AS x
    FROM scores
),

polynomials AS (
    SELECT
        *,
        0.0352624965998911 * POW(x, 6)
        + 0.700383064443688 * POW(x, 5)
        + 6.37396220353165 * POW(x, 4)
        + 33.912866078383 * POW(x, 3)
        + 112.079291497871 * POW(x, 2)
        + 221.213596169931 * x
        + 220.206867912376 AS numerator,
        0.0883883476483184 * POW(x, 7)
        + 1.75566716318264 * POW(x, 6)
        + 16.064177579207 * POW(x, 5)
        + 86.7807322029461 * POW(x, 4)
        + 296.564248779674 * POW(x, 3)
        + 637.333633378831 * POW(x, 2)
        + 793.826512519948 * x
        + 440.413735824752 AS denominator
    FROM bounded
),

far_tails AS (
    SELECT
        *,
        EXP(-x * x / 2) * IF(
            x < 7.07106781186547,
            numerator / denominator,
            1 / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))) / 2.506628274631
        ) AS far_tail
    FROM polynomials
)

SELECT
    *,
    IF(z > 0, far_tail, 1 - far_tail) AS upper_tail
FROM far_tails
