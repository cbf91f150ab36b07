"""Relays on an event loop of their own: what connects here is passed on to a port of 127.0.0.1, later if that is
wanted.

    with Relays() as relays:
        port = relays.tcp(listener(), 4566, delay=0.1)       a server that is 0.1 s away
        relays.dns(udp socket, tcp listener, ("127.53.53.1", 53))

Sockets come from the caller, who may have made them in another network namespace: a socket stays where it was
made.

Invariant: with the end of the block every connection is closed and nothing listens any more.
"""

import asyncio
import contextlib
import socket
import threading


class Relays:
    def __enter__(self):
        self.loop, self.ends = asyncio.new_event_loop(), []
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def end(self):
        for one in self.ends:
            one.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def tcp(self, listener, port, delay=0.0):
        """Passes on what connects to `listener`; its port."""
        async def serve(reader, writer):
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await pass_on(reader, writer, port, delay)
        self.ends.append(self.call(asyncio.start_server(serve, sock=listener)))
        return listener.getsockname()[1]

    def dns(self, datagrams, listener, server):
        """Questions by UDP, and by TCP with a length before each, to a server that takes them by UDP."""
        async def serve(reader, writer):
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError), contextlib.closing(writer):
                while True:
                    length = int.from_bytes(await reader.readexactly(2), "big")
                    answer = await self.loop.run_in_executor(None, asked, server, await reader.readexactly(length))
                    writer.write(len(answer).to_bytes(2, "big") + answer)

        async def begin():
            datagrams.setblocking(False)
            answering, _ = await self.loop.create_datagram_endpoint(lambda: Questions(self.loop, server),
                                                                    sock=datagrams)
            self.ends += [answering, await asyncio.start_server(serve, sock=listener)]
        self.call(begin())


async def pass_on(reader, writer, port, delay):
    """Both ways until either side ends."""
    loop = asyncio.get_running_loop()
    with contextlib.closing(writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(inner_writer):
            async def one_way(source, write):
                while data := await source.read(65536):
                    write(data)
            def later(data):
                loop.call_later(delay, inner_writer.write, data)
            ways = [asyncio.ensure_future(one_way(reader, later)),
                    asyncio.ensure_future(one_way(inner_reader, writer.write))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)


class Questions(asyncio.DatagramProtocol):
    def __init__(self, loop, server):
        self.loop, self.server, self.transport = loop, server, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, client):
        answer = self.loop.run_in_executor(None, asked, self.server, data)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception()
                                 or self.transport.sendto(done.result(), client))


def asked(server, question):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to:
        to.settimeout(5)
        to.sendto(question, server)
        return to.recv(4096)


def listener(address="127.0.0.1", port=0):
    return socket.create_server((address, port), backlog=128)
