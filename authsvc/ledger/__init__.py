"""The journal of decisions and what is derived from it. The arbiter: what it did not take, did not happen.

`journal` says what a ledger is (`Ledger`); `sqlite` is the embedded one: `sqlite_file` opens the file, `sqlite_writer`
is one transaction, `sqlite_reader` the questions. `holds` turns decisions into rows; `reconcile` proves that all agree.
"""
