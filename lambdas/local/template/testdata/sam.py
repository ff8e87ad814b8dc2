"""Expands a SAM template read from stdin as AWS does; prints the resources as {logical id: type}."""

import json
import os
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class Policies:
    """Managed policies by name: none is used, and asking AWS for them would need an account."""

    def load(self):
        return {}


os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
source = yaml_parse(sys.stdin.read())
for resource in source["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"  # as after `sam package`
template = transform(source, {}, Policies(), feature_toggle=None)
if "--whole" in sys.argv:
    json.dump(template, sys.stdout, indent=1)
else:
    json.dump({name: r["Type"] for name, r in template["Resources"].items()}, sys.stdout, indent=1, sort_keys=True)
