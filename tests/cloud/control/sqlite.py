"""Many threads write to one sqlite file."""

from __future__ import annotations

from typing import Any

from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import event
from sqlalchemy.engine import Engine

_WRITES = "control_writes"


def lock_early() -> None:
    """Take sqlite's write lock at the BEGIN of every transaction that may write.

    Otherwise one that reads first and writes later fails at once with "database is locked" when another thread has
    committed in between; BEGIN IMMEDIATE waits instead.
    """
    create = enginefacade._TransactionFactory._create_session

    def create_session(self: Any, mode: Any, bind: Any = None) -> Any:
        session = create(self, mode, bind)
        if mode is enginefacade._WRITER and bind is None:
            session.bind = self._writer_engine.execution_options(**{_WRITES: True})
        return session

    enginefacade._TransactionFactory._create_session = create_session

    def begin(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> tuple[str, Any]:
        if statement == "BEGIN" and connection.get_execution_options().get(_WRITES):
            statement = "BEGIN IMMEDIATE"
        return statement, parameters

    event.listen(Engine, "before_cursor_execute", begin, retval=True)
