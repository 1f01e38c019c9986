"""Prints the version of graphql-core and how many types it reads from a server: read_introspection.py URL."""

import json
import sys
import urllib.request

from graphql import assert_valid_schema, build_client_schema, get_introspection_query, version

query = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True)
body = json.dumps({"query": query}).encode()
request = urllib.request.Request(sys.argv[1], body, {"content-type": "application/json"})  # noqa: S310 - a server of make audit
with urllib.request.urlopen(request) as response:  # noqa: S310
    schema = build_client_schema(json.load(response)["data"])
assert_valid_schema(schema)
sys.stdout.write(f"{version} {len(schema.type_map)}\n")
