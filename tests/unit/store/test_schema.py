"""The migrations add up to exactly the schema in the code, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ileen.store import schema
from ileen.store.engine import Database


def test_migrations_add_up_to_the_schema(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
