"""A local S3 server for the jobs that write objects, where the machine has one."""

import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

from fleet import free_ports, wait_until

BUCKET = "soak"
# What the server wants to see; it checks no signature.
AUTHORIZATION = ("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, "
                 "SignedHeaders=host, Signature=0")


class Store:
    """moto's server, or nothing: then all jobs write to folders."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.process = None
        self.environment = {}

    def __enter__(self):
        command = shutil.which("moto_server")
        if command is None:
            return self
        port = free_ports(20_000, 32_000)
        with open(self.sandbox.folder / "store.log", "wb") as log:
            self.process = subprocess.Popen(
                [command, "-H", "127.0.0.1", "-p", str(port)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=os.environ | {"MOTO_S3_DEFAULT_KEY_BUFFER_SIZE": "0"})
        self.address = f"http://127.0.0.1:{port}"
        if not wait_until(lambda: self.listens(port), 30, 0.2):
            self.__exit__()
            self.process = None
            return self
        self.environment = {
            "AWS_ENDPOINT_URL": self.address, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example", "AWS_REGION": "us-east-1"}
        self.ask("PUT", "")
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def is_there(self):
        return self.process is not None

    @staticmethod
    def listens(port):
        with socket.socket() as test:
            return test.connect_ex(("127.0.0.1", port)) == 0

    def ask(self, method, key, query=""):
        path = urllib.parse.quote(f"/{BUCKET}/{key}" if key else f"/{BUCKET}")
        request = urllib.request.Request(
            f"{self.address}{path}{query}", method=method,
            headers={"Authorization": AUTHORIZATION})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def names(self, prefix):
        """All objects below a prefix."""
        query = f"?list-type=2&max-keys=1000&prefix={urllib.parse.quote(prefix)}"
        tree = xml.etree.ElementTree.fromstring(self.ask("GET", "", query))
        return [element.text for element in tree.iter() if re.sub("{.*}", "", element.tag) == "Key"]

    def uploads(self):
        """Uploads in parts that nobody has ended."""
        tree = xml.etree.ElementTree.fromstring(self.ask("GET", "", "?uploads"))
        return [element.text for element in tree.iter() if re.sub("{.*}", "", element.tag) == "Key"]

    def everything(self):
        return self.names("") + self.uploads() if self.is_there else []

    def objects(self, prefix):
        """Bytes of all objects below a prefix, by the name behind it."""
        found = {}
        for name in self.names(prefix):
            try:
                found[name[len(prefix):]] = self.ask("GET", name)
            except urllib.error.HTTPError as error:
                if error.code != 404:  # removed since it was listed
                    raise
        return found

    def remove(self, prefix):
        for name in self.names(prefix):
            self.ask("DELETE", name)
