"""How a pod comes by its AWS credentials without a key: what EKS adds to it, and the agent that it then asks.

    IRSA           the service account names a role of IAM: a token, and the variables with which an SDK asks STS
    Pod Identity   an association names account and role, out of Kubernetes' sight: a token, and the agent's address

Invariant: a pod gets only what belongs to its own service account; the agent answers nobody without the token.
"""

import contextlib
import datetime
import http.server
import json
import threading

from kit import Failed

EKS = "eks.amazonaws.com"
WEB, AGENT = f"/var/run/secrets/{EKS}/serviceaccount", f"/var/run/secrets/pods.{EKS}/serviceaccount"
ADDRESS = "http://169.254.170.23/v1/credentials"


def added(account, volumes, security, associated):
    """(variables, mounts) that the webhooks of EKS add to a pod of this service account."""
    meta = account["metadata"]
    noted, owner = meta.get("annotations") or {}, security.pod.get("uid")
    if f"{EKS}/role-arn" in noted:
        folder = volumes.add_token("aws-iam-token", "token", token_of(meta["name"]), owner)
        env = {"AWS_ROLE_ARN": noted[f"{EKS}/role-arn"], "AWS_WEB_IDENTITY_TOKEN_FILE": f"{WEB}/token"}
        if noted.get(f"{EKS}/sts-regional-endpoints") == "true":
            env["AWS_STS_REGIONAL_ENDPOINTS"] = "regional"
        return env, [(str(folder), WEB, "ro")]
    if meta["name"] in associated:
        name = "eks-pod-identity-token"
        folder = volumes.add_token(name, name, token_of(meta["name"]), owner)
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": ADDRESS,
               "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{AGENT}/{name}"}
        return env, [(str(folder), AGENT, "ro")]
    return {}, []


def token_of(account):
    return f"the.token.{account}".encode()


@contextlib.contextmanager
def agent():
    """EKS' agent on a port of 127.0.0.1: credentials for whoever shows a token. Yields (port, [account, …])."""
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            shown = self.headers.get("Authorization", "")
            known = shown.startswith("the.token.") and self.path == "/v1/credentials"
            if known:
                asked.append(shown.removeprefix("the.token."))
            until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=6)
            body = json.dumps({"AccessKeyId": "test", "SecretAccessKey": "test", "Token": "test",
                               "AccountId": "000000000000", "Expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}"}).encode()
            self.send_response(200 if known else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body) if known else 0))
            self.end_headers()
            self.wfile.write(body if known else b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()


def asked_by(asked, *accounts):
    if set(asked) != set(accounts):
        raise Failed(f"the agent of Pod Identity was asked by {sorted(set(asked))}, and should have been by {accounts}")
