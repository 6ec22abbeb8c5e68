"""Everything that sees a key, a clear PIN or a PAN at rest.

keys   the key file, into a type that never shows a key byte
hsm    PIN blocks, PVV, CVV2: the soft HSM behind the interface `Hsm`
vault  from a PAN to its card and back: keyed hash, sealed PAN, bounded memory
draws  keyed chance that a repeat and a replay draw the same
mint   new ids, card numbers and card secrets
"""
