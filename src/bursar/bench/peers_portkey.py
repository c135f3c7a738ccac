"""Portkey's open gateway, from npm."""

from pathlib import Path

from bursar.bench.environments import node_environment
from bursar.bench.load import need
from bursar.bench.nginx import free_port
from bursar.bench.peer import Kind, Launch, Upstreams

PACKAGES = {"@portkey-ai/gateway": "1.15.2", "@hono/node-server": "1.3.3", "hono": "4.9.7"}
"""What a plain install takes for the last two answers 500 to every stream (`TypeError: immutable`, tried with
hono 4.13.19 on node-server 1.19.19); these are the floor of the gateway's own ranges, and stream."""

LOOPBACK = """
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  const ready = rest.find((one) => typeof one === "function");
  return listen.call(this, { port, host: "127.0.0.1", backlog: 2048 }, ready);
};
"""
"""Loaded before it: it has no option for the address and would listen on all of them."""


class Portkey:
    """`@portkey-ai/gateway`, headless, in production mode. Told in headers which provider to ask, and where it is."""

    name = "Portkey"
    version = PACKAGES["@portkey-ai/gateway"]
    keeps = "nothing: no accounting in the open gateway"
    slow = True

    def install(self) -> Path:
        need("node")
        return node_environment(f"portkey-{self.version}", PACKAGES)

    def launch(self, environment: Path, scratch: Path, upstreams: Upstreams) -> Launch:
        port = free_port()
        (scratch / "loopback.cjs").write_text(LOOPBACK)
        script = environment / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
        command = [
            need("node"),
            "--require",
            str(scratch / "loopback.cjs"),
            str(script),
            "--headless",
            f"--port={port}",
        ]

        def headers(kind: Kind) -> dict[str, str]:
            host = f"http://127.0.0.1:{upstreams[kind]}/v1"
            return {"x-portkey-provider": "openai", "x-portkey-custom-host": host}

        return Launch(command, {"NODE_ENV": "production"}, port, headers=headers)
