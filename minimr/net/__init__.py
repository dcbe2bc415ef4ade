"""Messages between processes: token, handshake, frames, codec, sockets.

    object ─ codec.encode ─> parts ─ frames.header ─> bytes on the socket
    object <─ codec.decode ─ parts <─ frames.FrameReader ─ bytes

`handshake`, `frames` and `codec` never touch a socket, so they are tested
in memory; `channel` and `hub` are the only modules that do. Ray hides the
same under gRPC, its token authentication and its serialization context.
"""
