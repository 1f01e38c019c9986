"""The records of the stand-in's org: creation, changes and deletion with the checks that Salesforce makes."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from examples.salesforce_crm.stand_in.checks import check_value
from examples.salesforce_crm.stand_in.duplicates import DuplicateRule
from examples.salesforce_crm.stand_in.objects import OBJECTS, Field, Object, get_object, object_of_id
from examples.salesforce_crm.stand_in.refusals import Refused, SeveralMatch, bad_request, not_found
from examples.salesforce_crm.stand_in.values import JSON, IdSource, now, parse_id


class Records:
    """All records, by object and id, in memory. A change replaces a record; it does not change the dictionary."""

    def __init__(self) -> None:
        self._ids = IdSource()
        self._tables: dict[str, dict[str, JSON]] = {name: {} for name in OBJECTS}
        #: Rules that refuse records that look like existing ones.
        self.duplicate_rules: list[DuplicateRule] = []
        #: Functions that refuse records, as validation rules of an org do: called with the object and the record.
        self.validation_rules: list[Callable[[str, Mapping[str, object]], None]] = []

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Restore the records if the block fails."""
        before = {name: dict(table) for name, table in self._tables.items()}
        try:
            yield
        except BaseException:
            self._tables = before
            raise

    def all(self, name: str) -> list[JSON]:
        """The records of an object that are not deleted, oldest first."""
        return [record for record in self._tables[name].values() if not record["IsDeleted"]]

    def find(self, name: str, record_id: object) -> JSON | None:
        record = self._tables[name].get(parse_id(record_id) or "")
        return None if record is None or record["IsDeleted"] else record

    def get(self, one: Object, record_id: str) -> JSON:
        """The record with this id. Raises Refused."""
        record = self._tables[one.name].get(parse_id(record_id) or "")
        if record is None:
            raise not_found("Provided external ID field does not exist or is not accessible: " + record_id)
        if record["IsDeleted"]:
            raise Refused(404, "ENTITY_IS_DELETED", "entity is deleted")
        return record

    def get_by_external_id(self, one: Object, field_name: str, value: str) -> JSON:
        matches = self.with_external_id(one, field_name, value)
        if not matches:
            raise not_found()
        return self._single(one, matches)

    def with_external_id(self, one: Object, field_name: str, value: str) -> list[JSON]:
        """The records with this value. Raises Refused if the field is no external id."""
        field = one.field(field_name)
        if field is None or not (field.external_id or field.name == "Id"):
            raise not_found(f"Provided external ID field does not exist or is not accessible: {field_name}")
        return [record for record in self.all(one.name) if record.get(field.name) == value]

    def create(self, name: str, values: JSON, *, allow_duplicates: bool = False) -> str:
        """Create a record, and return its id. Raises Refused."""
        one = get_object(name)
        if one.name == "ContentDocument":
            raise bad_request("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: ContentDocument")
        record: JSON = {field.name: field.default for field in one.fields}
        record |= self._checked(one, values, "create")
        self._require(one, record)
        self._check_unique(one, record)
        self._validate(one, record)
        self._check_duplicates(one, record, allow_duplicates)
        record["Id"] = self._ids.create(one.prefix)
        record["CreatedDate"] = now()
        if one.name == "ContentVersion":
            self._publish(record)
        self._derive(one, record)
        self._tables[one.name][record["Id"]] = record
        return str(record["Id"])

    def update(self, name: str, record_id: str, values: JSON) -> None:
        """Change a record. Raises Refused."""
        one = get_object(name)
        before = self.get(one, record_id)
        record = before | self._checked(one, values, "update")
        self._require(one, record)
        self._check_unique(one, record)
        self._validate(one, record)
        self._derive(one, record)
        self._tables[one.name][record["Id"]] = record

    def upsert(
        self, name: str, field_name: str, value: str, values: JSON, *, update_only: bool, allow_duplicates: bool
    ) -> tuple[str, bool]:
        """Create or change the record with this external id. Returns its id, and whether it was created."""
        one = get_object(name)
        matches = self.with_external_id(one, field_name, value)
        field = one.get_field(field_name)
        if any(key.lower() == field.name.lower() for key in values):
            raise bad_request("INVALID_FIELD", f"The {field.name} field should not be specified in the sobject data.")
        if matches:
            record_id = str(self._single(one, matches)["Id"])
            self.update(one.name, record_id, values)
            return record_id, False
        if update_only or field.name == "Id":
            raise not_found()
        return self.create(one.name, values | {field.name: value}, allow_duplicates=allow_duplicates), True

    def delete(self, name: str, record_id: str) -> None:
        record = self.get(get_object(name), record_id)
        self._tables[get_object(name).name][record["Id"]] = record | {"IsDeleted": True}

    def _single(self, one: Object, matches: list[JSON]) -> JSON:
        if len(matches) > 1:
            raise SeveralMatch([f"/sobjects/{one.name}/{record['Id']}" for record in matches])
        return matches[0]

    def _checked(self, one: Object, values: JSON, action: str) -> JSON:
        """The values by the exact names of their fields. Raises Refused."""
        checked: JSON = {}
        for key, value in values.items():
            if key == "attributes":
                continue
            parent = next((field for field in one.fields if field.relationship == key), None)
            field = parent or one.get_field(key)
            if field.writable not in ("always", action):
                raise bad_request(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {field.name}. Please check the security settings of this field "
                    "and verify that it is read/write for your profile or permission set.",
                    field.name,
                )
            checked[field.name] = self._reference(parent, value) if parent else self._value(field, value)
        return checked

    def _value(self, field: Field, value: object) -> object:
        value = check_value(field, value)
        if field.type != "reference" or value is None:
            return value
        record_id = parse_id(value)
        if record_id is None:
            raise bad_request("MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", field.name)
        parent = object_of_id(record_id)
        if parent is None or parent.name not in field.refers_to:
            message = f"{field.name}: id value of incorrect type: {record_id}"
            raise bad_request("FIELD_INTEGRITY_EXCEPTION", message, field.name)
        if parent.name != "User" and self.find(parent.name, record_id) is None:
            if record_id in self._tables[parent.name]:
                raise bad_request("ENTITY_IS_DELETED", "entity is deleted", field.name)
            raise bad_request("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", field.name)
        return record_id

    def _reference(self, field: Field, value: object) -> str:
        """The id of a parent that is given by its external id: {"Contact": {"Key__c": "value"}}."""
        if not isinstance(value, dict) or len(value) != 1:
            raise bad_request("JSON_PARSER_ERROR", f"{field.relationship} takes one external id")
        ((key, key_value),) = value.items()
        parent = get_object(field.refers_to[0])
        matches = self.with_external_id(parent, key, str(key_value))
        if not matches:
            message = f"Foreign key external ID: {key_value} not found for field {key} in entity {parent.name}"
            raise bad_request("INVALID_FIELD", message)
        return str(matches[0]["Id"])

    def _require(self, one: Object, record: JSON) -> None:
        missing = [field.name for field in one.fields if field.required and record[field.name] in (None, "")]
        if missing:
            message = f"Required fields are missing: [{', '.join(missing)}]"
            raise bad_request("REQUIRED_FIELD_MISSING", message, *missing)

    def _check_unique(self, one: Object, record: JSON) -> None:
        for field in one.fields:
            for other in self.all(one.name) if field.unique and record[field.name] is not None else ():
                if other[field.name] == record[field.name] and other["Id"] != record.get("Id"):
                    raise bad_request(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {field.name} duplicates value on record with id: {other['Id'][:15]}",
                    )

    def _check_duplicates(self, one: Object, record: JSON, allowed: bool) -> None:
        for rule in self.duplicate_rules:
            if rule.object == one.name and not (allowed and rule.allow_save):
                rule.check(record, self.all(one.name))

    def _validate(self, one: Object, record: JSON) -> None:
        for rule in self.validation_rules:
            rule(one.name, record)

    def _publish(self, record: JSON) -> None:
        """A new file version without a document creates the document, and its link to the place of publication."""
        record["ContentSize"] = len(base64.b64decode(record["VersionData"]))
        if record["ContentDocumentId"] is None:
            document: JSON = {field.name: field.default for field in OBJECTS["ContentDocument"].fields}
            document["Id"] = record["ContentDocumentId"] = self._ids.create("069")
            document |= {"Title": record["Title"], "LatestPublishedVersionId": record["Id"], "CreatedDate": now()}
            self._tables["ContentDocument"][document["Id"]] = document
            if record["FirstPublishLocationId"] is not None:
                place = {"ContentDocumentId": document["Id"], "LinkedEntityId": record["FirstPublishLocationId"]}
                self.create("ContentDocumentLink", place | {"ShareType": "V"})

    def _derive(self, one: Object, record: JSON) -> None:
        """Set the fields that Salesforce computes."""
        record["LastModifiedDate"] = record["SystemModstamp"] = now()
        if one.name == "Contact":
            record["Name"] = " ".join(filter(None, (record["FirstName"], record["LastName"])))
        if one.name == "Case":
            record["CaseNumber"] = record["CaseNumber"] or f"{len(self._tables['Case']) + 1000:08d}"
            record["IsClosed"] = record["Status"] == "Closed"
            record["ClosedDate"] = (record["ClosedDate"] or now()) if record["IsClosed"] else None
