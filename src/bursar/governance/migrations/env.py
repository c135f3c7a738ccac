"""Run by Alembic, on the connection that `store.py` handed it, inside that connection's transaction."""

from alembic import context

from bursar.governance.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,  # the caller holds the transaction, and commits
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
