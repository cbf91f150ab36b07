"""Reads objects of Kubernetes field by field, so that nothing that was rendered is passed over in silence.

Invariant: a field that nobody has taken makes `done` fail, by its path; so a translation that comes to its end has read
every field that was rendered.
"""

from kit import Failed

REQUIRED = object()


class Fields:
    """One object. `take` gives a value, `sub` and `each` give objects in it, of which each field must be taken too."""

    def __init__(self, value, where):
        if not isinstance(value, dict):
            raise Failed(f"{where} is no object: {value!r}")
        # To Kubernetes null is the same as absent.
        self.value, self.where = {name: one for name, one in value.items() if one is not None}, where
        self.taken, self.inner = set(), []

    def take(self, name, default=REQUIRED):
        self.taken.add(name)
        if name in self.value:
            return self.value[name]
        if default is REQUIRED:
            raise Failed(f"{self.where} has no {name}")
        return default

    def sub(self, name):
        """The object of that name; one without fields where there is none."""
        return self._keep(Fields(self.take(name, {}), f"{self.where}.{name}"))

    def each(self, name):
        """The objects of that list."""
        listed = self.take(name, [])
        return [self._keep(Fields(one, f"{self.where}.{name}[{one.get('name', at) if isinstance(one, dict) else at}]"))
                for at, one in enumerate(listed)]

    def only(self, name, *allowed, default=REQUIRED):
        """A value that must be one of these, for another one would mean something else here."""
        value = self.take(name, allowed[0] if default is REQUIRED else default)
        if value not in allowed:
            raise Failed(f"{self.where}.{name} is {value!r}; this check knows {', '.join(map(repr, allowed))}")
        return value

    def pass_over(self, *names):
        """These say nothing to the machine that runs the container: who calls says why."""
        self.taken.update(names)

    def has(self, name):
        return name in self.value

    def done(self):
        unread = sorted(set(self.value) - self.taken)
        if unread:
            raise Failed(f"{self.where}: {', '.join(unread)} was rendered, and this check does not know what that does")
        for one in self.inner:
            one.done()

    def _keep(self, fields):
        self.inner.append(fields)
        return fields
