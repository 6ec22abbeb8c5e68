"""What if: every recorded request decided again under other product files, account by account.

Read `again` (how one account is decided again), `history` (what a decision needs of the past) and `report` (what is told).
"""
