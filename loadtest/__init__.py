"""A client of its own: it plays a story and puts load on an ISO 8583 host, and shares no rule with the engine.

What the story says on the wire is made by pyiso8583 and psec, so that whatever works here works with software of others; load
takes the engine's codec for its dialects, and tests hold that equal to pyiso8583.

    wire       one message to bytes and back; frames; a blocking link
    fast       the same at speed: messages encoded once and patched, answers cut at known places
    messages   what a terminal says: purchase, contactless, cash, internet, repeat, reversal, echo
    api        the control API: accounts, cards, decisions, the clock
    engine     an engine of our own in a temporary folder, for scenes that need its clock, for bench and for tests
    story      `make demo`: scenes (module scenes) played and explained (modules stage, words)
    generator  load: links, arrivals on schedule or in a closed loop, latency from the intended moment
    traffic    what is sent next, drawn from a mix (module mix), and what became of it
    expect     what each answer should be: a model of limits, PIN tries, SCA counters and funds, made from the rulebook
    timeline   what is counted while it runs; rates: several rates, and the search for the knee; live: how it goes
    __main__   `make load`: prepares accounts (module accounts), drives the generator, reports (modules report, page)
"""
