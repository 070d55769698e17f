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
)
