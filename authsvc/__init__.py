"""authsvc: a real-time card authorization engine, an ISO 8583 issuer switch.

The way of a message, and where each stage lives::

    TCP bytes -> codec/framing -> codec/dialects -> codec/translate -> Request        the PAN stops here
    Request   -> state (the Redis copy, else the journal's head) -> Account
    Request, Account -> rules/decide -> Decision -> rules/evolve -> Account'
    Decision  -> ledger (journal, holds: one group commit) -> durable -> state (forward only)
    Decision  -> codec/translate -> codec/dialects -> codec/framing -> TCP bytes

Read in this order:

* `pipeline`: that picture as one function; start there.
* `model`: the nouns. A `Request` comes in, an `Account` is known, a `Decision` comes out (`model.messages`,
  `model.commands`, `model.accounts`, `model.decisions`).
* `rules.authorization`: the ordered tuple of rules; `rules.decide` and `rules.evolve` around it. Pure.
* `ledger.journal`: how a decision becomes durable, and why nobody can overspend.
* `state.copy`: the fast copy that may vanish at any moment.
* `link`, `server`: one link, and all of them with back-pressure and drain; `stepping`: what carries a message, in place of a
  task. `control`: the HTTP API. `cli`: the command line; `engine` wires the parts (`settings_files` reads what settings name,
  `control_port` answers the control API), `workers` runs several of them.
* `metrics`, `gauges`, `payment_series`, `tally`: what monitoring reads. `reload`: product files anew, all or none.
* `clearing`: files of presentments, read and handed to a running engine by `authsvc present`.
* `native`: the modules above compiled, where a C compiler is at hand; the sources are what counts.

Five laws hold everywhere: every change of an account is one decision; decide and evolve are pure; the journal is the
arbiter; Redis is only a copy; no answer leaves before it is remembered.
"""

__version__ = "0.1.0"
