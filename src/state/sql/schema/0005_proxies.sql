CREATE TABLE proxy_assignments (
    account {name} NOT NULL PRIMARY KEY,
    proxy {name} NOT NULL,
    assigned_at {int} NOT NULL
){table};

CREATE TABLE dead_proxies (
    proxy {name} NOT NULL PRIMARY KEY,
    since {int} NOT NULL
){table};
