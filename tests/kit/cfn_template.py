"""A CloudFormation template, with the values that its functions have for given parameters.

Invariant: a function that is not known here fails; what only AWS can tell stands as `<Resource.Attribute>`.
"""

import re

from kit import Failed

PSEUDO = {"AWS::Region": "us-east-1", "AWS::AccountId": "000000000000", "AWS::Partition": "aws"}
NOTHING = object()  # AWS::NoValue


class Template:
    def __init__(self, document, parameters, imports, stack="loginetl"):
        self.document, self.imports = document, imports
        self.values = {**PSEUDO, "AWS::StackName": stack}
        self.values.update({name: each.get("Default", f"<{name}>") for name, each in document["Parameters"].items()})
        unknown = set(parameters) - set(document["Parameters"])
        if unknown:
            raise Failed(f"the template has no parameter {', '.join(sorted(unknown))}")
        self.values.update(parameters)

    def resources(self, kind):
        """{logical id: properties} of the resources of this kind that these parameters make."""
        return {name: self.value(each.get("Properties", {})) for name, each in self.document["Resources"].items()
                if each["Type"] == kind and self.holds(each.get("Condition"))}

    def exports(self):
        """{name: value} of the outputs that other stacks may use."""
        outputs = [each for each in self.document["Outputs"].values() if "Export" in each]
        return {self.value(each["Export"]["Name"]): self.value(each["Value"]) for each in outputs}

    def holds(self, condition):
        return condition is None or self.value(self.document["Conditions"][condition])

    def value(self, node):
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), = node.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self.function(name, argument)
        found = {key: self.value(inner) for key, inner in node.items()}
        return {key: inner for key, inner in found.items() if inner is not NOTHING}

    def function(self, name, argument):
        if name == "Ref":
            return NOTHING if argument == "AWS::NoValue" else self.values.get(argument, f"<{argument}>")
        if name == "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        if name == "Fn::If":
            return self.value(argument[1 if self.holds(argument[0]) else 2])
        if name == "Fn::Sub":
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self.values.get(found[1], f"<{found[1]}>")), argument)
        if name == "Fn::FindInMap":
            table, first, second = argument
            return self.document["Mappings"][table][self.value(first)][self.value(second)]
        if name == "Fn::ImportValue":
            exported = self.value(argument)
            if exported not in self.imports:
                raise Failed(f"service.yaml imports {exported}, which foundation.yaml does not export")
            return self.imports[exported]
        if name == "Fn::Equals":
            one, other = map(self.value, argument)
            return one == other
        if name == "Fn::Not":
            return not self.value(argument[0])
        raise Failed(f"the function {name} is not known to this check")
