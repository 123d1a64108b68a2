"""Prints what the official validators have against documents: `sbom.py FILE.cdx.json... FILE.spdx.json...`."""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.error import SPDXParsingError
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

for path in sys.argv[1:]:
    if path.endswith(".cdx.json"):
        with open(path, encoding="utf-8") as document:
            validator = JsonStrictValidator(SchemaVersion.V1_6)
            for error in validator.validate_str(document.read(), all_errors=True) or ():
                print(f"{path}: {list(error.data.absolute_path)}: {error.data.message[:300]}")
    else:
        try:
            document = parse_file(path)
        except SPDXParsingError as error:
            for message in error.get_messages():
                print(f"{path}: {message[:300]}")
            continue
        for message in validate_full_spdx_document(document):
            print(f"{path}: {message.context.spdx_id}: {message.validation_message[:300]}")
print("validated", len(sys.argv) - 1)
