"""The database: one typed schema for SQLite and PostgreSQL, short transactions, bulk statements, migrations.

Owns: engines, transactions, the schema, the two dialects' ways to write many rows. Refuses to know: what rows mean.
Rooms own their tables (named in `schema`); only `ledger` writes the ledger's.
"""
