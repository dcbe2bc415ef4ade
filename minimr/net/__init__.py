"""Messages between processes: handshake, frames, codec, sockets, links.

    object ─ codec.encode ─> parts ─ frames.header ─> bytes on the socket
    object <─ codec.decode ─ parts <─ frames.FrameReader ─ bytes

`handshake`, `frames` and `codec` never touch a socket, so they are tested
in memory; `channel`, `hub` and `peer` are the modules that do. Ray hides the
same under gRPC, its token authentication and its serialization context.
"""
