"""What a relay hears, understood: RESP and Postgres conversations, and the rules that strike them.

Pure: bytes come in, steps come out. No socket, thread, loop, clock or chance.
"""
