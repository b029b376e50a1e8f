"""What the Hugging Face Hub answers, from memory, on 127.0.0.1.

As much of its protocol as a model takes: a repository is made, large files
go to the store of Git LFS and small ones into the commit, and a download asks
for the head of a file before its content.
"""

import base64
import hashlib
import http.server
import json
from urllib.parse import unquote

TOKEN = 'hf_stand_in'


class HubStandIn(http.server.BaseHTTPRequestHandler):
    """A handler for `file_server.serving`.

    Args:
        repos (dict): Name of a repository -> name of a file -> content; the
            store of large files under the name 'lfs'.
        asked (list[str]): Gets method and path of every request.
    """

    protocol_version = 'HTTP/1.1'

    def __init__(self, *args, repos, asked, directory=None):
        self.repos, self.asked = repos, asked
        super().__init__(*args)

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.resolve()

    def do_GET(self):
        self.resolve()

    def do_PUT(self):
        self.note()
        oid = self.path.split('/')[-1]
        content = self.read()
        assert hashlib.sha256(content).hexdigest() == oid
        self.repos['lfs'][oid] = content
        self.answer(200)

    def do_POST(self):
        self.note()
        body = self.read()
        if self.headers['Authorization'] != f'Bearer {TOKEN}':
            return self.answer(401, dict(error='Invalid token'))
        if self.path == '/api/validate-yaml':
            return self.answer(200, dict(errors=[], warnings=[]))
        if self.path == '/api/repos/create':
            asked = json.loads(body)
            name = f'{asked["organization"]}/{asked["name"]}'
            known = name in self.repos
            self.repos.setdefault(name, {})
            url = f'http://{self.headers["Host"]}/{name}'
            return self.answer(409 if known else 200, dict(url=url))
        if self.path.endswith('/info/lfs/objects/batch'):
            return self.offer_store(json.loads(body)['objects'])
        name, _, action = (
            self.path[len('/api/models/') :]
            .rpartition('/main')[0]
            .rpartition('/')
        )
        if action == 'preupload':
            return self.choose_modes(json.loads(body)['files'])
        assert action == 'commit'
        return self.commit(name, map(json.loads, body.splitlines()))

    def choose_modes(self, files):
        modes = [
            dict(
                path=file['path'],
                uploadMode='lfs'
                if file['path'].endswith('.safetensors')
                else 'regular',
                shouldIgnore=False,
            )
            for file in files
        ]
        self.answer(200, dict(files=modes))

    def offer_store(self, objects):
        store = f'http://{self.headers["Host"]}/lfs'
        for item in objects:
            upload = dict(href=f'{store}/{item["oid"]}', header={})
            item['actions'] = dict(upload=upload)
        self.answer(200, dict(transfer='basic', objects=objects))

    def commit(self, name, lines):
        for line in lines:
            value = line['value']
            if line['key'] == 'file':
                content = base64.b64decode(value['content'])
                self.repos[name][value['path']] = content
            elif line['key'] == 'lfsFile':
                self.repos[name][value['path']] = value['oid']
        url = f'http://{self.headers["Host"]}/{name}/commit/{self.head(name)}'
        self.answer(200, dict(commitUrl=url, commitOid=self.head(name)))

    def resolve(self):
        """The head or the content of a file; large ones are elsewhere."""
        self.note()
        path = unquote(self.path).lstrip('/')
        if path.startswith('lfs/'):
            return self.answer(200, self.repos['lfs'][path[4:]])
        name, _, file = path.partition('/resolve/main/')
        if not file:
            return self.answer(404)
        if name not in self.repos:
            return self.answer(404, head={'X-Error-Code': 'RepoNotFound'})
        content = self.repos[name].get(file)
        commit = {'X-Repo-Commit': self.head(name)}
        if content is None:
            commit['X-Error-Code'] = 'EntryNotFound'
            return self.answer(404, head=commit)
        if isinstance(content, bytes):
            etag = hashlib.sha1(content).hexdigest()
            return self.answer(200, content, dict(commit, ETag=f'"{etag}"'))
        # As the Hub's, on another host.
        port = self.headers['Host'].split(':')[1]
        where = {
            'Location': f'http://localhost:{port}/lfs/{content}',
            'X-Linked-Etag': f'"{content}"',
            'X-Linked-Size': str(len(self.repos['lfs'][content])),
        }
        return self.answer(302, head={**commit, **where})

    def head(self, name):
        """The commit that a repository is at."""
        return hashlib.sha1(repr(self.repos[name]).encode()).hexdigest()

    def note(self):
        self.asked.append(f'{self.command} {self.path}')

    def read(self):
        return self.rfile.read(int(self.headers['Content-Length'] or 0))

    def answer(self, status, content=b'', head=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (head or {}).items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(content)
