"""Starts object stores on loopback for tests, and proxies before them that break things on order.

Prints one line of JSON with the ports, then serves until its standard input ends. The stores are
not ours: moto (S3 with conditional writes), rclone (S3 that ignores conditions and checks
signatures) and gcp-storage-emulator. Ours are the file server, the authorities that give
credentials, and the proxies.

With a folder as its argument, rclone's bucket has what is in it from the beginning: nobody else can
sign what would put it there.

A proxy takes rules by POST /__rules, a JSON list, and tells what it saw by GET /__log?match=REGEX.
A rule: {"match": REGEX on "METHOD target", "times": N, "skip": M, "fault": KIND, ...}. Kinds:
  status        answers {"status", "code", "headers"} itself
  cut           closes the connection before anything is passed on
  lost          passes on, then closes without the answer
  short         passes on, then cuts the answer's body after {"bytes"}
  stall         the same, but keeps the connection open for {"seconds"}
  corrupt       flips one bit in the middle of the answer's body
  errorBody     answers 200 with an error {"code"} in the body, not passed on
  lateErrorBody the same, passed on before
  rewrite       replaces {"pattern"} by {"by"} in the answer's body
  stripRequest  passes on without the request headers {"names"}
  stripAnswer   gives the answer without its headers {"names"}
  setAnswer     gives the answer with the headers {"headers"}
  slow          waits {"seconds"} first
"""

import email.utils
import hashlib
import http.client
import http.server
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response_only(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Date", email.utils.formatdate(usegmt=True))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.serve()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(handler):
    server = QuietServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


# The proxies.


class Proxy:
    def __init__(self):
        self.rules = []
        self.log = []
        self.mutex = threading.Lock()

    def rule_for(self, line):
        with self.mutex:
            for rule in self.rules:
                if not re.search(rule["match"], line):
                    continue
                if rule.get("skip", 0) > 0:
                    rule["skip"] -= 1
                    continue
                if rule.get("times", 1) > 0:
                    rule["times"] = rule.get("times", 1) - 1
                    return rule
        return None


def error_body(code):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>scripted</Message></Error>"
    ).encode()


def proxy(port):
    state = Proxy()

    class ProxyHandler(Handler):
        def control(self, body):
            parts = urllib.parse.urlsplit(self.path)
            if parts.path == "/__rules":
                with state.mutex:
                    state.rules = json.loads(body) + state.rules
                return self.answer(200)
            match = urllib.parse.parse_qs(parts.query)["match"][0]
            with state.mutex:
                lines = [e for e in state.log if re.search(match, e["line"])]
            self.answer(200, json.dumps(lines).encode())

        def serve(self):
            body = self.body()
            if self.path.startswith("/__"):
                return self.control(body)
            line = f"{self.command} {self.path}"
            headers = {name.lower(): value for name, value in self.headers.items()}
            kept = dict(headers)
            with state.mutex:
                state.log.append({"line": line, "headers": kept, "time": time.monotonic()})
            rule = state.rule_for(line) or {"fault": "none"}
            self.obey(rule, body, headers)

        def obey(self, rule, body, headers):
            fault = rule["fault"]
            if fault == "cut":
                return self.hang_up()
            if fault == "status":
                code = rule.get("code")
                content = error_body(code) if code else b""
                return self.answer(rule["status"], content, rule.get("headers", {}))
            if fault == "errorBody":
                return self.answer(200, error_body(rule["code"]))
            if fault == "slow":
                time.sleep(rule["seconds"])
            if fault == "stripRequest":
                headers = {k: v for k, v in headers.items() if k not in rule["names"]}
            status, content, answered = self.pass_on(body, headers)
            if fault == "lost":
                return self.hang_up()
            if fault == "lateErrorBody":
                return self.answer(200, error_body(rule["code"]))
            if fault in ("short", "stall"):
                self.answer(status, content[: rule["bytes"]], answered, len(content))
                self.wfile.flush()
                if fault == "stall":
                    time.sleep(rule["seconds"])
                return self.hang_up()
            if fault == "corrupt":
                place = len(content) // 2
                flipped = bytes([content[place] ^ 1])
                content = content[:place] + flipped + content[place + 1 :]
            if fault == "rewrite":
                content = re.sub(rule["pattern"].encode(), rule["by"].encode(), content, flags=re.S)
            if fault == "stripAnswer":
                answered = {k: v for k, v in answered.items() if k.lower() not in rule["names"]}
            if fault == "setAnswer":
                answered = {k: v for k, v in answered.items() if k.lower() not in rule["headers"]}
                answered.update(rule["headers"])
            length = answered.pop("x-length", None)
            self.answer(status, content, answered, length)

        def pass_on(self, body, headers):
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            passed = {k: v for k, v in headers.items() if k != "connection"}
            upstream.request(self.command, self.path, body=body or None, headers=passed)
            answer = upstream.getresponse()
            content = answer.read()
            hidden = ("content-length", "connection", "transfer-encoding", "date", "keep-alive")
            answered = {k: v for k, v in answer.getheaders() if k.lower() not in hidden}
            if self.command == "HEAD" and answer.getheader("content-length"):
                answered["x-length"] = answer.getheader("content-length")
            upstream.close()
            return answer.status, content, answered

    return serve(ProxyHandler)


# Files.


class FileHandler(Handler):
    """GET /STYLE/NAME of what POST /STYLE/NAME left; what STYLE says is how it is served."""

    files = {}

    def serve(self):
        parts = urllib.parse.urlsplit(self.path)
        style = parts.path.split("/")[1]
        if self.command == "POST":
            FileHandler.files[parts.path] = (self.body(), int(time.time()) - 1000)
            return self.answer(200)
        if self.command == "PUT":  # as new content of the same size and another time
            FileHandler.files[parts.path] = (self.body(), int(time.time()))
            return self.answer(200)
        if style == "moved":
            target = urllib.parse.parse_qs(parts.query)["to"][0]
            return self.answer(302, b"", {"Location": target})
        if style == "loop":
            return self.answer(302, b"", {"Location": self.path})
        if parts.path not in FileHandler.files:
            return self.answer(404)
        if style == "signed" and self.command == "HEAD":
            return self.answer(403)
        self.content(style, *FileHandler.files[parts.path])

    def content(self, style, content, changed):
        tag = '"' + hashlib.md5(content).hexdigest() + '"'
        headers = {"Last-Modified": email.utils.formatdate(changed, usegmt=True)}
        if style == "weak":
            headers["ETag"] = "W/" + tag
        elif style not in ("timed",):
            headers["ETag"] = tag
        match = self.headers.get("if-match")
        if match and match != headers.get("ETag"):
            return self.answer(412)
        since = self.headers.get("if-unmodified-since")
        if since and style != "careless":
            if email.utils.parsedate_to_datetime(since).timestamp() < changed:
                return self.answer(412)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range") or "")
        if not asked or style == "whole":
            return self.answer(200, content, headers)
        first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
        if first >= len(content):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self.answer(206, content[first : last + 1], headers)


# Who gives credentials.


class AuthorityHandler(Handler):
    """The machine's metadata, the container's, STS and OAuth; keys are numbered as they go."""

    count = 0
    seen = []

    def keys(self):
        AuthorityHandler.count += 1
        number = AuthorityHandler.count
        hour = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return f"ASIA{number}", f"secret-{number}", f"session-{number}", hour

    def serve(self):
        body = self.body().decode()
        path = urllib.parse.urlsplit(self.path).path
        headers = {name.lower(): value for name, value in self.headers.items()}
        if path == "/seen":
            return self.answer(200, json.dumps(AuthorityHandler.seen).encode())
        AuthorityHandler.seen.append({"line": f"{self.command} {path}", "headers": headers, "body": body})
        if path == "/latest/api/token" and self.command == "PUT":
            return self.answer(200, b"metadata-token")
        if path.startswith("/latest/meta-data/iam/security-credentials/"):
            if headers.get("x-aws-ec2-metadata-token") != "metadata-token":
                return self.answer(401)
            if path.endswith("/"):
                return self.answer(200, b"the-role")
        if path == "/container" and headers.get("authorization") != "container-token":
            return self.answer(403)
        if path.endswith("/the-role") or path == "/container":
            key, secret, session, hour = self.keys()
            keys = {"AccessKeyId": key, "SecretAccessKey": secret, "Token": session, "Expiration": hour}
            return self.answer(200, json.dumps(keys).encode())
        if path in ("/oauth", "/oauth-long-ago"):
            left = 3600 if path == "/oauth" else -(2**63)
            token = {"access_token": "ya29.token", "expires_in": left}
            return self.answer(200, json.dumps(token).encode())
        if path == "/":
            key, secret, session, hour = self.keys()
            return self.answer(
                200,
                (
                    "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
                    f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
                    f"<SessionToken>{session}</SessionToken><Expiration>{hour}</Expiration>"
                    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
                ).encode(),
            )
        self.answer(404)


# The stores.


def start_moto(ports):
    os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(64 << 20))
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    ports["moto"] = server.get_host_and_port()[1]


def start_google(ports):
    from gcp_storage_emulator.server import create_server

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    ports["google"] = port


def start_rclone(ports, folder, children):
    bucket = os.path.join(folder, "bucket")
    if len(sys.argv) > 1:
        shutil.copytree(sys.argv[1], bucket)
    else:
        os.makedirs(bucket)
    beside = os.path.join(os.path.dirname(sys.executable), "rclone")
    program = beside if os.path.exists(beside) else shutil.which("rclone")
    port = free_port()
    children.append(
        subprocess.Popen(
            [
                program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key",
                f"{KEY},{SECRET}", "--config", "", "--vfs-cache-mode", "off",
                folder,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    ports["rclone"] = port


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    logging.disable(logging.CRITICAL)
    ports, children = {}, []
    folder = tempfile.mkdtemp(prefix="object-servers-")
    starts = [
        threading.Thread(target=start_moto, args=(ports,)),
        threading.Thread(target=start_google, args=(ports,)),
        threading.Thread(target=start_rclone, args=(ports, folder, children)),
    ]
    try:
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        ports["motoProxy"] = proxy(ports["moto"])
        ports["rcloneProxy"] = proxy(ports["rclone"])
        ports["googleProxy"] = proxy(ports["google"])
        ports["files"] = serve(FileHandler)
        ports["filesProxy"] = proxy(ports["files"])
        ports["authorities"] = serve(AuthorityHandler)
        print(json.dumps(ports), flush=True)
        sys.stdin.buffer.read()
    finally:
        for child in children:
            child.kill()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)


if __name__ == "__main__":
    main()
