"""Duplicate rules: a record that looks like an existing one is refused, or saved only with allowSave."""

from collections.abc import Iterable
from dataclasses import dataclass

from examples.salesforce_crm.stand_in.refusals import Refused
from examples.salesforce_crm.stand_in.values import JSON


@dataclass(frozen=True, slots=True)
class DuplicateRule:
    """Records of `object` with the same `field` are duplicates. Without `allow_save`, the rule blocks them."""

    name: str
    object: str
    field: str
    allow_save: bool

    def check(self, record: JSON, others: Iterable[JSON]) -> None:
        """Raise Refused with DUPLICATES_DETECTED if a record matches."""
        value = str(record[self.field] or "").casefold()
        matches = [other for other in others if value and str(other[self.field] or "").casefold() == value]
        if matches:
            raise Refused(
                400,
                "DUPLICATES_DETECTED",
                "You're creating a duplicate record. We recommend you use an existing record instead.",
                duplicateResult=self._result(matches),
            )

    def _result(self, matches: list[JSON]) -> JSON:
        return {
            "allowSave": self.allow_save,
            "duplicateRule": self.name,
            "duplicateRuleEntityType": self.object,
            "errorMessage": "You're creating a duplicate record. We recommend you use an existing record instead.",
            "matchResults": [
                {
                    "entityType": self.object,
                    "errors": [],
                    "matchEngine": "FuzzyMatchEngine",
                    "matchRecords": [
                        {
                            "additionalInformation": [],
                            "fieldDiffs": [],
                            "matchConfidence": 100.0,
                            "record": {
                                "attributes": {
                                    "type": self.object,
                                    "url": f"/services/data/v67.0/sobjects/{self.object}/{match['Id']}",
                                },
                                "Id": match["Id"],
                            },
                        }
                        for match in matches
                    ],
                    "rule": f"Standard_{self.object}_Match_Rule_v1_1",
                    "size": len(matches),
                    "success": True,
                }
            ],
        }
