"""The control API: HTTP/JSON for operators, hotline, branches and portals (`wire.md` section 4), OpenAPI at `/schema`.

Read in this order: `ports` (what it needs of the engine), `roles` (who may do what), `bodies` (what may be sent),
`desk` (lookups that end in 404, commands that end in 409), then the calls: `accounts`, `issuing`, `cards`, `decisions`,
`operations`. `views` and `records` are what is answered, `errors` is every refusal, `app` puts it together.
"""
