"""What `sockets/parameter_server.py` is made of.

driver or worker                  │ server process k
ParameterServer ─ Connections ────┼─> Hub ─> Server ─> Rounds
                     messages     │   its port: kept open by the driver
"""
