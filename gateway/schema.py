"""Tables of the gateway's database; a change is a new entry at the end, never an edit."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # How the traffic of a service is split over its versions; the newest row holds.
        """CREATE TABLE splits (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            service TEXT NOT NULL,
            weights TEXT NOT NULL,           -- JSON object: version -> weight
            previous_id INTEGER,             -- where a rollback leads
            action TEXT NOT NULL,            -- set or rollback
            set_at REAL NOT NULL             -- Unix time in s
        )""",
        "CREATE INDEX splits_by_service ON splits (service, id)",
        # Replicas that were registered while the gateway ran.
        """CREATE TABLE replicas (
            service TEXT NOT NULL,
            url TEXT NOT NULL,
            duty TEXT NOT NULL,
            PRIMARY KEY (service, url)
        )""",
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY,
            digest BLOB NOT NULL,            -- SHA-256 of the secret, which has 256 random bits
            name TEXT NOT NULL,
            scopes TEXT NOT NULL,            -- separated by blanks
            created_at REAL NOT NULL,
            expires_at REAL,
            revoked_at REAL,
            max_concurrent INTEGER,
            requests_per_minute INTEGER
        )""",
    ),
    (
        # Input and result of a job lie in files; the row says which attempt's result holds.
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            service TEXT NOT NULL,
            path TEXT NOT NULL,
            query TEXT NOT NULL,
            headers TEXT NOT NULL,           -- JSON list of pairs
            input_bytes INTEGER NOT NULL,
            status TEXT NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 0,
            stage TEXT,
            done REAL NOT NULL DEFAULT 0,
            total REAL NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,        -- Unix times in s
            deadline_at REAL NOT NULL,
            not_before REAL NOT NULL,        -- of the next attempt
            started_at REAL,
            finished_at REAL,
            lease_holder TEXT,
            lease_until REAL,
            result_status INTEGER,           -- HTTP status of the stored answer
            result_headers TEXT,             -- JSON list of pairs
            expired INTEGER NOT NULL DEFAULT 0
        )""",
        "CREATE INDEX jobs_by_status ON jobs (status, not_before)",
        "CREATE INDEX jobs_by_owner ON jobs (owner, created_at)",
        """CREATE TABLE job_events (
            job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            data TEXT NOT NULL,              -- JSON object
            PRIMARY KEY (job_id, number)
        )""",
    ),
    (
        # A job that is sent again under its Idempotency-Key is the same job, also after a restart.
        "ALTER TABLE jobs ADD COLUMN repeat_key TEXT",
        "ALTER TABLE jobs ADD COLUMN digest TEXT",
        "CREATE UNIQUE INDEX jobs_by_repeat_key ON jobs (owner, repeat_key) "
        "WHERE repeat_key IS NOT NULL",
    ),
    (
        # A key may get a new secret; the one before goes on opening for a while.
        "ALTER TABLE keys ADD COLUMN previous_digest BLOB",
        "ALTER TABLE keys ADD COLUMN previous_until REAL",
    ),
)
