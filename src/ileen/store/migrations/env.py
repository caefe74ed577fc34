"""Alembic's entry: runs the migrations on the connection that `Database.migrate` passes in."""

from alembic import context

from ileen.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
