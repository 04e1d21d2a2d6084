-- What outlives a process. Times are seconds since 1970 in UTC.

-- Turns that an instance has counted, by cursor and cell.
CREATE TABLE turns (
    tier {name} NOT NULL,
    cell {int} NOT NULL,
    position {int} NOT NULL,
    saved {int} NOT NULL,
    PRIMARY KEY (tier, cell)
){table};

-- Which account made which stored response, for which client: a hash of its key.
CREATE TABLE responses (
    id {name} NOT NULL PRIMARY KEY,
    account {name} NOT NULL,
    client {name},
    made {int} NOT NULL
){table};

CREATE INDEX responses_made ON responses (made);
