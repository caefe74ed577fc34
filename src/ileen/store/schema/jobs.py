"""The tables of `jobs`: durable work, and the last time slot each recurring job was enqueued for."""

from sqlalchemy import BigInteger, Column, Index, Table, Text, text

from ileen.store.schema.base import metadata, whole

job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("key", Text),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    whole("run_at"),
    whole("created_at"),
    whole("attempts"),
    Column("lease", Text),
    Column("leased_until", BigInteger),
    Column("finished_at", BigInteger),
    Column("error", Text),
)
Index("ix_job_due", job.c.run_at, sqlite_where=text("state = 'ready'"), postgresql_where=text("state = 'ready'"))
Index(
    "ix_job_leased",
    job.c.leased_until,
    sqlite_where=text("state = 'running'"),
    postgresql_where=text("state = 'running'"),
)
Index("ix_job_done", job.c.finished_at, sqlite_where=text("state = 'done'"), postgresql_where=text("state = 'done'"))
Index(
    "uq_job_open_key",
    job.c.kind,
    job.c.key,
    unique=True,
    sqlite_where=text("state IN ('ready', 'running')"),
    postgresql_where=text("state IN ('ready', 'running')"),
)

job_slot = Table(
    "job_slot",
    metadata,
    Column("name", Text, primary_key=True),
    whole("slot"),
)
