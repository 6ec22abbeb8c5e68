"""Many accounts at once: `authsvc account import`.

accounts   what is asked for: lines of a CSV or JSONL file, or a generated set
mould      the decisions that open such an account, made once by the rules and then filled in for each
run        chunk by chunk into the ledger, so that it can be stopped and begun again
"""
