"""Accounts in bulk, from another system's file into the ledger.

reading   a JSONL or CSV file, line by line, into accounts wanted; what is wrong with a line, by its field
moulds    one decision for all accounts of one shape, made by the rules, filled with names and amounts
opening   an account wanted into what the ledger keeps of it
run       order after order, made here while the one before is written

Each account is one decision (`ImportAccount`) in a journal of its own, so journal, heads and entries are what they would be
had it been opened by hand, and reconcile, rebuild and replay know nothing of imports. An account is known again by its cards: a
file that was interrupted is simply given again.
"""
