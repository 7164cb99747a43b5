# SPDX-License-Identifier: Apache-2.0
"""Servers of the peer tests that live in run.py's own process: threads on loopback ports."""

import http.server
import logging
import socket
import socketserver
import struct
import threading

from impacket.dcerpc.v5 import rpcrt
from impacket.dcerpc.v5.rpcrt import DCERPCServer, MSRPC_BIND, MSRPC_REQUEST, CtxItem, MSRPCBind, MSRPCHeader
from impacket.uuid import bin_to_uuidtup

KMS_INTERFACE = ("51c82175-844e-4750-b0d8-ec255555bc06", "1.0")
OTHER_INTERFACE = ("12345778-1234-abcd-ef00-0123456789ab", "0.0")
BIND_SIZE = 72

# Where it rejects an interface, impacket 0.10 formats the pair that this returns into one place of
# a log line, fails, and leaves the client without an answer.
rpcrt.bin_to_uuidtup = lambda uuid: " ".join(bin_to_uuidtup(uuid))


class RpcServer(DCERPCServer):
    """impacket's RPC server with a journal of what it was sent. It offers an interface to bind to
    and no operation of it: a request is answered by a fault, and stands in the journal. At
    `address`, a host and a port, or at a free port of the loopback."""

    def __init__(self, interface, address=None):
        super().__init__()
        if address is not None:
            self._sock.close()
            self._listenAddress, port = address
            self.setListenPort(port)
        self.daemon = True
        self.journal = []
        self.idle = threading.Condition()
        self.addCallbacks(interface, "135", {})
        self._sock.listen(10)  # before the thread runs: nobody shall come too early

    def recv(self):
        data = super().recv()
        with self.idle:
            if data is None:
                self.journal.append("closed")
                self.idle.notify_all()
        return data

    def processRequest(self, data):
        packet = MSRPCHeader(data)
        kind = packet["type"]
        if kind == MSRPC_BIND:
            item = CtxItem(MSRPCBind(packet["pduData"])["ctx_items"])
            uuid, version = bin_to_uuidtup(item["AbstractSyntax"])
            line = f"bind {uuid.lower()} {version}"
        else:
            line = "request" if kind == MSRPC_REQUEST else f"message of type {kind}"
        with self.idle:
            self.journal.append(line)
        return super().processRequest(data)

    def take_journal(self):
        """What came since the last call, once the connection has ended."""
        with self.idle:
            self.idle.wait_for(lambda: self.journal and self.journal[-1] == "closed", timeout=10)
            taken, self.journal = self.journal, []
        return "".join(line + "\n" for line in taken)


def serve(handle):
    """The port of a server that gives each connection to `handle`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                handle(self.request)
            except OSError:
                pass

    return start(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))


def start(server):
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def drain(connection):
    while connection.recv(4096):
        pass


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_then_reset(connection):
    connection.recv(BIND_SIZE, socket.MSG_WAITALL)
    reset(connection)


def garbage(connection):
    connection.recv(BIND_SIZE, socket.MSG_WAITALL)
    connection.sendall(bytes(255 - i % 256 for i in range(5000)))
    drain(connection)


class HttpHandler(http.server.SimpleHTTPRequestHandler):
    """Python's own web server, which waits until a line of a request has ended."""

    def log_message(self, *args):
        pass


class StrictHttpHandler(HttpHandler):
    """The same, but it refuses at once what cannot become a request, as IIS and nginx do."""

    def handle_one_request(self):
        self.rfile.read1(BIND_SIZE)
        self.requestline, self.command, self.request_version = "", "", "HTTP/1.1"
        self.send_error(http.HTTPStatus.BAD_REQUEST)
        self.close_connection = True


def http_port(handler):
    return start(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))


def closed_port(kept):
    """A port that refuses: bound, so that nobody else gets it, and nobody listens."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    kept.append(held)
    return held.getsockname()[1]


def start_all(kept):
    """Ports by the names that peers_test.cc looks for. `kept` holds what must outlive the tests."""
    logging.getLogger("impacket").setLevel(logging.CRITICAL)
    ports = {}
    for name, interface in (("KMS", KMS_INTERFACE), ("IMPACKET", OTHER_INTERFACE)):
        rpc = RpcServer(interface)
        rpc.start()
        ports[name] = rpc.getListenPort()
        ports[name + "_JOURNAL"] = serve(lambda c, rpc=rpc: c.sendall(rpc.take_journal().encode()))
    ports["SILENT"] = serve(drain)
    ports["RESET"] = serve(read_then_reset)
    ports["RESET_AT_ONCE"] = serve(reset)
    ports["GARBAGE"] = serve(garbage)
    ports["HTTP"] = http_port(HttpHandler)
    ports["HTTP_STRICT"] = http_port(StrictHttpHandler)
    ports["CLOSED"] = closed_port(kept)
    return ports
