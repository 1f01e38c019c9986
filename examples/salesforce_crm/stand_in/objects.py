"""The objects of the stand-in: standard fields that the example touches, and the custom fields of metadata/."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from examples.salesforce_crm.stand_in.refusals import Refused, bad_request
from examples.salesforce_crm.stand_in.values import JSON

METADATA = Path(__file__).parents[1] / "metadata" / "objects"
NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"
CUSTOM_TYPES = {"Text": "string", "LongTextArea": "textarea", "DateTime": "datetime", "Number": "double"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object. `writable` tells when it may be given: at "create", "update", always or never."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 0
    required: bool = False
    writable: str = "always"
    unique: bool = False
    external_id: bool = False
    options: tuple[str, ...] = ()
    default: str | bool | None = None
    refers_to: tuple[str, ...] = ()

    @property
    def filterable(self) -> bool:
        return self.type not in ("base64", "longtext")

    @property
    def relationship(self) -> str | None:
        """The name by which SOQL and relationships by external id refer to the parent: Contact for ContactId."""
        return self.name.removesuffix("Id") if self.refers_to else None


@dataclass(frozen=True, slots=True)
class Object:
    """An sObject type."""

    name: str
    prefix: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The field with this name. Salesforce ignores the case of names."""
        return next((field for field in self.fields if field.name.lower() == name.lower()), None)

    def get_field(self, name: str) -> Field:
        found = self.field(name)
        if found is None:
            raise bad_request("INVALID_FIELD", f"No such column '{name}' on sobject of type {self.name}")
        return found


def _standard(name: str, prefix: str, *fields: Field) -> Object:
    system = (
        Field("Id", "id", writable="never"),
        Field("IsDeleted", "boolean", writable="never", default=False),
        Field("CreatedDate", "datetime", writable="never"),
        Field("LastModifiedDate", "datetime", writable="never"),
        Field("SystemModstamp", "datetime", writable="never"),
        Field("OwnerId", "reference", refers_to=("User",)),
    )
    return Object(name, prefix, system + fields + tuple(_custom_fields(name)))


def _custom_fields(name: str) -> list[Field]:
    path = METADATA / f"{name}.object"
    if not path.exists():
        return []
    fields = []
    for found in ElementTree.parse(path).getroot().iter(f"{NAMESPACE}fields"):  # noqa: S314 (a file of this folder)
        told = {child.tag.removeprefix(NAMESPACE): child.text or "" for child in found}
        fields.append(
            Field(
                told["fullName"],
                "longtext" if told["type"] == "LongTextArea" else CUSTOM_TYPES[told["type"]],
                label=told["label"],
                length=int(told.get("length", 0)),
                required=told.get("required") == "true",
                unique=told.get("unique") == "true",
                external_id=told.get("externalId") == "true",
            )
        )
    return fields


def _text(name: str, length: int, kind: str = "string", *, required: bool = False) -> Field:
    return Field(name, kind, length=length, required=required)


OBJECTS = {
    one.name: one
    for one in (
        _standard("Account", "001", _text("Name", 255, required=True), _text("Phone", 40, "phone")),
        _standard("User", "005", _text("Username", 80, required=True), _text("Name", 121)),
        _standard(
            "Contact",
            "003",
            _text("FirstName", 40),
            _text("LastName", 80, required=True),
            Field("Name", writable="never"),
            _text("Email", 80, "email"),
            _text("Phone", 40, "phone"),
            Field("Description", "longtext", length=32000),
            Field("LeadSource", "picklist", options=("Web", "Phone Inquiry", "Partner Referral", "Other")),
            Field("AccountId", "reference", refers_to=("Account",)),
        ),
        _standard(
            "Case",
            "500",
            Field("CaseNumber", writable="never"),
            Field("ContactId", "reference", refers_to=("Contact",)),
            Field("AccountId", "reference", refers_to=("Account",)),
            Field("Status", "picklist", options=("New", "Working", "Escalated", "Closed"), default="New"),
            Field("Origin", "picklist", options=("Phone", "Email", "Web", "Chat")),
            Field("Priority", "picklist", options=("High", "Medium", "Low"), default="Medium"),
            _text("Subject", 255),
            Field("Description", "longtext", length=32000),
            _text("SuppliedName", 80),
            _text("SuppliedEmail", 80, "email"),
            _text("SuppliedPhone", 40, "phone"),
            Field("IsClosed", "boolean", writable="never", default=False),
            Field("ClosedDate", "datetime", writable="never"),
        ),
        _standard(
            "CaseComment",
            "00a",
            Field("ParentId", "reference", refers_to=("Case",), required=True, writable="create"),
            Field("CommentBody", "bytes", length=4000),
            Field("IsPublished", "boolean", default=False),
        ),
        _standard(
            "ContentVersion",
            "068",
            _text("Title", 255),
            Field("PathOnClient", length=500, required=True, writable="create"),
            Field("VersionData", "base64", required=True, writable="create"),
            Field("FirstPublishLocationId", "reference", refers_to=("Case", "Contact", "User"), writable="create"),
            Field("ContentDocumentId", "reference", refers_to=("ContentDocument",), writable="create"),
            Field("Description", length=1000),
            Field("ContentSize", "int", writable="never"),
            Field("IsLatest", "boolean", writable="never", default=True),
        ),
        _standard("ContentDocument", "069", _text("Title", 255), Field("LatestPublishedVersionId", writable="never")),
        _standard(
            "ContentDocumentLink",
            "06A",
            Field("ContentDocumentId", "reference", refers_to=("ContentDocument",), required=True, writable="create"),
            Field("LinkedEntityId", "reference", refers_to=("Case", "Contact"), required=True, writable="create"),
            Field("ShareType", "picklist", options=("V", "C", "I")),
            Field("Visibility", "picklist", options=("AllUsers", "InternalUsers", "SharedUsers")),
        ),
    )
}


def get_object(name: str) -> Object:
    """The object with this name, in any case."""
    for one in OBJECTS.values():
        if one.name.lower() == name.lower():
            return one
    raise Refused(404, "NOT_FOUND", "The requested resource does not exist")


def object_of_id(record_id: str) -> Object | None:
    return next((one for one in OBJECTS.values() if record_id.startswith(one.prefix)), None)


def describe(one: Object) -> JSON:
    """What GET /sobjects/NAME/describe answers, with the properties that clients read."""
    return {
        "name": one.name,
        "label": one.name,
        "keyPrefix": one.prefix,
        "custom": False,
        "createable": one.name != "ContentDocument",
        "updateable": True,
        "queryable": True,
        "fields": [
            {
                "name": field.name,
                "label": field.label or field.name,
                "type": {"longtext": "textarea", "bytes": "textarea"}.get(field.type, field.type),
                "length": field.length,
                "nillable": not field.required,
                "createable": field.writable in ("always", "create"),
                "updateable": field.writable in ("always", "update"),
                "unique": field.unique,
                "externalId": field.external_id,
                "idLookup": field.external_id or field.type in ("id", "email"),
                "filterable": field.filterable,
                "defaultedOnCreate": field.default is not None,
                "referenceTo": list(field.refers_to),
                "relationshipName": field.relationship,
                "picklistValues": [{"value": option, "label": option, "active": True} for option in field.options],
                "restrictedPicklist": False,
            }
            for field in one.fields
        ],
    }
