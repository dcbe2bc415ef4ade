"""What `sockets/parameter_server.py` is made of: messages, links, processes.

driver or worker            │ server process k
ParameterServer ─ Links ────┼─> Hub ─> Server ─> Rounds
                 messages   │   listener: kept open by the driver
"""
