"""Bytes to meaning and back; the only place, with the vault and the security module, that knows a PAN.

Read in this order: `framing` (stream to payloads), `dialects` (payload to fields and back), `layout` (a dialect as data,
from `specs/`), `reference` (by pyiso8583, exact) and `compiled` (quick, with `decoders` and `encoders`, or with `tables` and
`cut`, which is C), `content` (what each field may say), `translate` (fields to `Request`), `answers` (a decision back to
fields), `network` (0800).
Fields in fields, each module decodes what it encodes: `subfields` (DE48), `amounts` (54), `emv` (55), `originals` (90, 95),
`track` (35); a `misfit` says what is wrong in one. `pan` is what those stand on; `describe` and `meanings` show a message
to a person.
"""
