"""A server on this machine that answers as the hub of Hugging Face does, as far as datasets go.

Repositories have one branch, whose commits are counted. Large files come as objects of Git LFS.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repository:
    """The files of a repository as of its last commit."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    n_commits: int = 0

    @property
    def sha(self) -> str:
        return hashlib.sha1(b"%d" % self.n_commits).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        data = self.files[path]
        found: dict[str, Any] = {
            "type": "file",
            "path": path,
            "size": len(data),
            "oid": hashlib.sha1(data).hexdigest(),
        }
        if path in self.large:
            digest = hashlib.sha256(data).hexdigest()
            found["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
        return found


@dataclass
class HubServer:
    """Repositories of datasets by USER/NAME.

    Attributes:
        token: Who writes must have it.
        objects: What was sent of large files, by its SHA-256.
        sent: The large files that were sent, in order.
        status: With which all requests are answered; 0 for an answer as it should be.
        before_commit: Is called before each commit.
    """

    token: str = "hf_example"
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    status: int = 0
    port: int = 0
    before_commit: Any = lambda repository: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[HubServer]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def environment(self) -> dict[str, str]:
        """How programs find it."""
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_DISABLE_XET": "1"}


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(f"{self.command} {path}")
            is_write = self.command in ("POST", "PUT") and "paths-info" not in path
            if hub.status:
                self._json({"error": "it is down"}, hub.status)
            elif is_write and self.headers.get("Authorization") != f"Bearer {hub.token}":
                if path.startswith("/objects/"):  # its address is what allows it
                    self._object(path, body)
                else:
                    self._json({"error": "Invalid credentials"}, 401)
            elif path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif path == "/api/repos/create":
                self._create(json.loads(body))
            elif path.startswith("/objects/"):
                self._object(path, body)
            elif path.startswith("/api/datasets/"):
                _, _, _, user, name, *rest = path.split("/")
                self._repository(f"{user}/{name}", rest, body)
            elif path.endswith(".git/info/lfs/objects/batch"):
                self._batch(json.loads(body))
            elif path.startswith("/datasets/") and "/resolve/" in path:
                _, _, user, name, _, _, *rest = path.split("/")
                self._file(f"{user}/{name}", "/".join(rest))
            else:
                self._json({"error": "Not Found"}, 404)

        def _create(self, wanted: dict[str, Any]) -> None:
            name = wanted["name"]
            name = f"{wanted['organization']}/{name}" if wanted.get("organization") else name
            is_private = bool(wanted.get("private") or wanted.get("visibility") == "private")
            url = {"url": f"{hub.url}/datasets/{name}"}
            if name in hub.repositories:
                self._json({"error": "You already created this dataset repo", **url}, 409)
                return
            hub.repositories[name] = Repository(is_private)
            self._json(url)

        def _repository(self, name: str, rest: list[str], body: bytes) -> None:
            repository = hub.repositories.get(name)
            if repository is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            what = rest[0] if rest else "info"
            if what in ("info", "revision"):
                self._json(self._info(name, repository))
            elif what == "tree":
                self._json(self._tree(repository, "/".join(rest[2:])))
            elif what == "paths-info":
                wanted = self._paths(body)
                files = [repository.entry(path) for path in wanted if path in repository.files]
                self._json(files)
            elif what == "refs":
                branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.sha}
                self._json({"branches": [branch], "tags": [], "converts": []})
            elif what == "preupload":
                self._json({"files": [_mode(file) for file in json.loads(body)["files"]]})
            elif what == "commit":
                hub.before_commit(repository)
                self._commit(name, repository, body)
            else:
                self._json({"error": "Not Found"}, 404)

        def _paths(self, body: bytes) -> list[str]:
            if "json" in self.headers.get("Content-Type", ""):
                paths = json.loads(body)["paths"]
            else:
                paths = parse_qs(body.decode())["paths"]
            return [paths] if isinstance(paths, str) else list(paths)

        def _info(self, name: str, repository: Repository) -> dict[str, Any]:
            return {
                "_id": "0" * 24,
                "id": name,
                "author": name.partition("/")[0],
                "sha": repository.sha,
                "private": repository.private,
                "gated": False,
                "lastModified": "2026-01-01T00:00:00.000Z",
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "disabled": False,
                "siblings": [{"rfilename": path} for path in sorted(repository.files)],
            }

        def _tree(self, repository: Repository, folder: str) -> list[dict[str, Any]]:
            start = f"{folder}/" if folder else ""
            return [
                repository.entry(path)
                for path in sorted(repository.files)
                if path.startswith(start)
            ]

        def _batch(self, wanted: dict[str, Any]) -> None:
            objects = []
            for one in wanted["objects"]:
                found = {"oid": one["oid"], "size": one["size"]}
                if one["oid"] not in hub.objects:
                    found["actions"] = {"upload": {"href": f"{hub.url}/objects/{one['oid']}"}}
                objects.append(found)
            self._json({"transfer": "basic", "objects": objects})

        def _object(self, path: str, body: bytes) -> None:
            oid = path.rpartition("/")[2]
            assert hashlib.sha256(body).hexdigest() == oid
            hub.objects[oid] = body
            hub.sent.append(oid)
            self._json({})

        def _commit(self, name: str, repository: Repository, body: bytes) -> None:
            lines = [json.loads(line) for line in body.splitlines() if line.strip()]
            header = next(one["value"] for one in lines if one["key"] == "header")
            if header.get("parentCommit") not in (None, repository.sha):
                self._json({"error": "A commit has happened since"}, 412)
                return
            for line in lines:
                value = line["value"]
                if line["key"] == "file":
                    repository.files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    repository.files[value["path"]] = hub.objects[value["oid"]]
                    repository.large.add(value["path"])
                elif line["key"] == "deletedFile":
                    del repository.files[value["path"]]
            repository.n_commits += 1
            commit = f"{hub.url}/datasets/{name}/commit/{repository.sha}"
            self._json({"success": True, "commitOid": repository.sha, "commitUrl": commit})

        def _file(self, name: str, path: str) -> None:
            repository = hub.repositories.get(name)
            data = None if repository is None else repository.files.get(path)
            if repository is None or data is None:
                self.send_response(404)
                self.send_header(
                    "X-Error-Code", "RepoNotFound" if repository is None else "EntryNotFound"
                )
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, stop, status = 0, len(data), 200
            asked = self.headers.get("Range")
            if asked is not None:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                start, status = int(first), 206
                stop = min(int(last) + 1, len(data)) if last else len(data)
            self.send_response(status)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", repository.sha)
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("Accept-Ranges", "bytes")
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[start:stop])

        def _json(self, value: Any, status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    for method in ("GET", "HEAD", "POST", "PUT"):
        setattr(Handler, f"do_{method}", Handler._any)
    return Handler


def _mode(file: dict[str, Any]) -> dict[str, Any]:
    is_large = file["path"].endswith(".parquet")
    return {
        "path": file["path"],
        "uploadMode": "lfs" if is_large else "regular",
        "shouldIgnore": False,
    }
