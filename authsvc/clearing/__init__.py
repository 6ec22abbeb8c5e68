"""Clearing files: `reading` tells their forms apart (`ipm`, `text`), `posting` hands them to a running engine, `report` tells
what became of them. Card numbers pass through from the file to the API; nothing here keeps or shows more than their mask."""
