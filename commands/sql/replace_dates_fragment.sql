-- Replaces the dates of one table that are in its staged file; a part of replace_loaded_dates.
-- Literals: first_date, last_date: those of the file. Identifiers: target, staging, columns. Text: date_of: the date of a row
DELETE FROM {target}
WHERE
    {date_of} BETWEEN {first_date} AND {last_date}
    AND {date_of} IN (SELECT {date_of} FROM {staging});

INSERT INTO {target} ({columns})
SELECT {columns} FROM {staging};
