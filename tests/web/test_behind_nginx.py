"""The dashboard behind nginx, which does TLS and names the user."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
from pathlib import Path

import httpx
import trustme

from shipper.web.people import Role, UsersFile
from tests.formats.real_programs import free_port, is_open, program, running, wait_for
from tests.web.test_serve import CONFIG, command

NGINX = """
{user}
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass {to};
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-User $arg_user;
      proxy_buffering off;
    }}
  }}
}}
"""


def test_users_come_through_nginx(tmp_path: Path) -> None:
    """Who it names is in, with the address that it saw; its header is not that of the browser."""
    (tmp_path / "shipper.yml").write_text(CONFIG)
    path, port = program("nginx"), free_port()
    UsersFile(tmp_path / "data/users.json").add("ada", Role.OPERATOR, None)
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    trusting = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    given = ["--behind-proxy", "--trusted-proxy", "127.0.0.1/32", "--listen", "127.0.0.1:0"]
    given += ["--proxy-user-header", "X-User"]
    serve = subprocess.Popen(command(*given), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert serve.stdout is not None
        to = serve.stdout.readline().split()[-1].rstrip("/")
        user = "user root;" if os.geteuid() == 0 else ""
        config = tmp_path / "nginx.conf"
        config.write_text(NGINX.format(folder=tmp_path, port=port, to=to, user=user))
        server = f"https://localhost:{port}"
        with running([path, "-p", str(tmp_path), "-c", str(config)], tmp_path):
            wait_for(lambda: is_open(port))
            with httpx.Client(verify=trusting, timeout=60) as client:
                forged = {"x-user": "ada"}
                assert client.get(f"{server}/incidents", headers=forged).status_code == 401
                page = client.get(f"{server}/reports?user=ada", headers=forged)
                assert page.status_code == 200
                token = re.findall(r'name="form" value="([^"]+)"', page.text)[0]
                day = {"form": token, "kind": "none"}
                origin = {"origin": server, "sec-fetch-site": "same-origin"}
                made_up = client.post(f"{server}/reports/make?user=ada", data=day, headers=origin)
                assert made_up.status_code == 404  # no such kind: it passed the gate
                assert client.post(f"{server}/reports/make", data=day).status_code == 403
    finally:
        serve.kill()
        serve.communicate()
    acts = [json.loads(line) for line in (tmp_path / "data/web.log").read_text().splitlines()]
    assert [(each["act"], each["by"], each["address"]) for each in acts] == [
        ("log in", "ada", "127.0.0.1"),
        ("make", "ada", "127.0.0.1"),
    ]
