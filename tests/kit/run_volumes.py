"""A pod's volumes, as a kubelet puts them on a node: Secrets and ConfigMaps as files, empty folders, claims.

    Secret, ConfigMap, projected   a folder `..1` with the files, a link `..data` to it, and a link for each file;
                                   modes as rendered; with fsGroup the group may read what root alone could
    emptyDir                       a folder that everybody may write, of this pod alone
    persistentVolumeClaim          a folder that stays from pod to pod, root's until fsGroup hands it to the group

Invariant: only the modes that were rendered, and fsGroup, let the container read or write; what a claim holds is what
an earlier pod wrote there.
"""

import base64
import itertools
import os
import stat
from pathlib import Path

from kit import Failed

FIXED = 0o644  # of a file, where no mode was rendered
READ, WRITE, ENTER = 0o440, 0o660, 0o110  # what fsGroup adds


class Volumes:
    """The volumes of one pod, made in `folder`; `cluster` has what they are filled with."""

    def __init__(self, cluster, folder, group=None, policy="Always"):
        self.cluster, self.folder, self.group, self.policy = cluster, Path(folder), group, policy
        self.secrets = set()  # their names
        self.filling, self.times = [], itertools.count(1)
        self.made = {}  # name: (folder, may it be written)
        self.folder.mkdir()

    def add(self, volume):
        """Makes one volume of a pod's list (Fields)."""
        name = volume.take("name")
        kinds = {"secret": self._secret, "configMap": self._config_map, "projected": self._projected,
                 "emptyDir": self._empty, "persistentVolumeClaim": self._claim}
        kind = [kind for kind in kinds if volume.has(kind)]
        if len(kind) != 1 or name in self.made:
            raise Failed(f"{volume.where} is of no kind that this check knows, or stands there twice")
        self.made[name] = kinds[kind[0]](name, volume.sub(kind[0]))

    def add_token(self, name, path, content, owner):
        """A volume with a service account's token, as a webhook of the cluster adds it: the pod's user alone reads it,
        or its group, or, where the pod names neither, everybody."""
        mode = 0o644 if owner is None and self.group is None else 0o600
        folder = self._files(name, {path: (content, mode)})
        if owner is not None:
            os.chown(folder / path, owner, -1)
        self.made[name] = folder, False
        return folder

    def mount(self, mount):
        """(source, destination, options) of one volumeMount (Fields)."""
        name, place = mount.take("name"), mount.take("mountPath")
        mount.pass_over("mountPropagation")  # nothing here mounts anything later
        if name not in self.made:
            raise Failed(f"{mount.where}: the pod has no volume {name}")
        if not place.startswith("/") or ":" in place:
            raise Failed(f"{mount.where}: {place} is no place for a mount")
        source, writable = self.made[name]
        part = mount.take("subPath", "")
        if part:
            if not (source / part).exists():
                raise Failed(f"{mount.where}: there is no {part} in the volume")
            source = (source / part).resolve()
        readonly = mount.take("readOnly", False) or not writable
        return str(source), place, "ro" if readonly else "rw"

    def refill(self, cluster):
        """After Secrets were changed: their new files take the place of the old ones, all at once."""
        self.cluster = cluster
        for fill in self.filling:
            fill()

    def _secret(self, name, secret):
        title, optional = secret.take("secretName"), secret.take("optional", False)
        self.secrets.add(title)

        def fill():
            found = self.cluster.object("Secret", title, optional, secret.where)
            return self._chosen(name, secret, decoded(found))
        self.filling.append(fill)
        return fill(), False

    def _config_map(self, name, config):
        found = self.cluster.object("ConfigMap", config.take("name"), config.take("optional", False), config.where)
        return self._chosen(name, config, texts(found)), False

    def _projected(self, name, projected):
        default, files = projected.take("defaultMode", FIXED), {}
        for source in projected.each("sources"):
            kinds = {"secret": ("Secret", decoded), "configMap": ("ConfigMap", texts)}
            kind = next((kind for kind in kinds if source.has(kind)), None)
            if kind is None:
                raise Failed(f"{source.where} is of a kind that this check does not know")
            inner = source.sub(kind)
            title, read = kinds[kind]
            self.secrets |= {inner.take("name")} if kind == "secret" else set()
            found = self.cluster.object(title, inner.take("name"), inner.take("optional", False), inner.where)
            files.update(items(inner, read(found), default))
        return self._files(name, files), False

    def _chosen(self, name, fields, data):
        return self._files(name, items(fields, data, fields.take("defaultMode", FIXED)))

    def _files(self, name, files):
        """The files in the layout by which a kubelet can exchange all of them at once."""
        top = self.folder / name
        inside = top / f"..{next(self.times)}"
        inside.mkdir(parents=True)
        for path, (content, mode) in files.items():
            file = inside / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(mode)
            first = Path(path).parts[0]
            if not (top / first).is_symlink():
                (top / first).symlink_to(f"..data/{first}")
        (top / "..new").symlink_to(inside.name)
        (top / "..new").rename(top / "..data")
        inside.chmod(0o755)
        top.chmod(0o777)
        self._share(top, READ)
        return top

    def _empty(self, name, empty):
        # Memory or disk, and how much: a limit that the scheduler and the eviction look after.
        empty.pass_over("medium", "sizeLimit")
        folder = self.folder / name
        folder.mkdir()
        folder.chmod(0o777)
        self._share(folder, WRITE)
        return folder, True

    def _claim(self, name, claim):
        folder = self.cluster.claim(claim.take("claimName"), claim.where)
        readonly = claim.take("readOnly", False)
        held = folder.stat()
        as_wanted = held.st_gid == self.group and held.st_mode & stat.S_ISGID and held.st_mode & WRITE == WRITE
        if not (self.policy == "OnRootMismatch" and as_wanted):
            self._share(folder, READ if readonly else WRITE)
        return folder, not readonly

    def _share(self, top, mask):
        """Gives the group what fsGroup promises, and nobody anything where there is no fsGroup."""
        if self.group is None:
            return
        for path in (top, *sorted(top.rglob("*"))):
            os.chown(path, -1, self.group, follow_symlinks=False)
            if not path.is_symlink():
                more = mask | (ENTER | stat.S_ISGID if path.is_dir() else 0)
                path.chmod(stat.S_IMODE(path.stat().st_mode) | more)


def items(fields, data, default):
    """{path: (content, mode)} of a source (Fields): all keys, or those that `items` names."""
    if not fields.has("items"):
        return {key: (content, default) for key, content in data.items()}
    chosen = {}
    for item in fields.each("items"):
        key, path = item.take("key"), item.take("path")
        if key not in data:
            raise Failed(f"{item.where}: there is no key {key}, but {', '.join(data)}")
        if path.startswith("/") or ".." in Path(path).parts:
            raise Failed(f"{item.where}: {path} leads out of the volume")
        chosen[path] = (data[key], item.take("mode", default))
    return chosen


def decoded(secret):
    """{key: bytes} of a Secret."""
    found = {key: base64.b64decode(value, validate=True) for key, value in (secret.get("data") or {}).items()}
    return {**found, **{key: value.encode() for key, value in (secret.get("stringData") or {}).items()}}


def texts(config_map):
    """{key: bytes} of a ConfigMap."""
    found = {key: base64.b64decode(value) for key, value in (config_map.get("binaryData") or {}).items()}
    return {**found, **{key: value.encode() for key, value in (config_map.get("data") or {}).items()}}
