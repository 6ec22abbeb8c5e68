"""The fast shared copy of every account in Redis or Valkey: `copy` what is kept there and how, `connection` the one
link to it, `embedded` a Valkey of our own. All of it may vanish at any moment; the journal knows better (`ledger`)."""
