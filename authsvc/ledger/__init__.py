"""The journal of decisions and what is derived from it. The arbiter: what it did not take, did not happen.

`journal` says what a ledger is (`Ledger`); `append` is a decision on its way to the disk. `sqlite` is the embedded one:
`sqlite_file` opens the file, `sqlite_writer` is one transaction (it reads decisions by `extract`), `sqlite_reader` the
questions. `postgres` is the shared one: `postgres_database` connects and brings the schema up to date, `postgres_writer` is
one statement, `postgres_reader` the questions, `postgres_records` the same for those without an event loop. `holds` and
`entries` turn decisions into rows;
`reconcile` proves that all agree.
"""
