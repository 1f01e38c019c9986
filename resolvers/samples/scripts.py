"""What visitors and agents write in the sample conversations."""

from dataclasses import dataclass, field
from enum import Enum


class Speaker(Enum):
    VISITOR = "VISITOR"
    AGENT = "AGENT"
    #: The agent, for staff alone.
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True)
class Line:
    """One message. `choices` are answers that it offers; the visitor picks the first one."""

    speaker: Speaker
    text: str
    choices: tuple[str, ...] = ()


def visitor(text: str) -> Line:
    return Line(Speaker.VISITOR, text)


def agent(text: str, *choices: str) -> Line:
    return Line(Speaker.AGENT, text, choices)


def note(text: str) -> Line:
    return Line(Speaker.NOTE, text)


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation from its first to its last message."""

    #: The key of the department in staff.py.
    department: str
    subject: str
    topic: str
    lines: tuple[Line, ...]
    tags: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    comment: str = "solved"
    priority: int = 0
    callback: bool = field(default=False)


SCRIPTS = (
    Script(
        "sales",
        "Quote for 40 desk chairs",
        "quote",
        (
            visitor("Hello, we are furnishing a new office and need 40 desk chairs. Can you send a quote?"),
            agent("Gladly. Which model do you have in mind?", "Task chair", "Conference chair", "Not decided yet"),
            visitor("Delivery would have to be before the end of the month."),
            note("New customer. 40 pieces is above the limit for the 8 % discount."),
            agent("Then 40 task chairs with delivery in three weeks. You get the quote by email within the hour."),
            visitor("Perfect, thank you."),
        ),
        tags=("quote", "new-customer"),
        products=("chairs",),
        comment="quote sent",
        priority=2,
    ),
    Script(
        "sales",
        "When is the standing desk back in stock?",
        "availability",
        (
            visitor("The standing desk in oak is sold out. When do you expect it?"),
            agent("The next delivery arrives on Thursday. Shall I reserve one for you?", "Yes, please", "No, thanks"),
            agent("Done. We keep it for five days."),
        ),
        tags=("stock",),
        products=("desks",),
        comment="reserved",
    ),
    Script(
        "sales",
        "Discount for schools",
        "quote",
        (
            visitor("Do you have prices for schools? We need 120 chairs and 60 tables."),
            agent("We do. Please tell me the postcode, so that I can name the delivery costs."),
            visitor("10115. The loading ramp is at the back of the building."),
            note("Asked logistics whether a second driver is available."),
            agent("The offer is on its way. Delivery and assembly are included."),
            visitor("That was quick. I forward it to our head teacher."),
        ),
        tags=("quote", "public-sector"),
        products=("chairs", "desks"),
        comment="quote sent",
        priority=1,
    ),
    Script(
        "support",
        "The code for signing in does not arrive",
        "account",
        (
            visitor("I do not get the code that you send by text message."),
            agent("I am sorry about that. Do the last digits 47 of the number still fit?", "Yes", "No, it has changed"),
            note("The provider reports delays since 9 o'clock."),
            agent("I have sent a new code. It can take up to two minutes today."),
            visitor("Now it is here. Thanks!"),
        ),
        tags=("sign-in",),
        comment="code sent again",
    ),
    Script(
        "support",
        "Assembly instructions are missing",
        "assembly",
        (
            visitor("My shelf came without instructions. Can you send them to me?"),
            agent("Of course. Which shelf is it, the one with three or with five boards?", "Three", "Five"),
            agent("Here they are: the download is on the product page, under Documents."),
            visitor("Found it."),
        ),
        tags=("documents",),
        products=("shelves",),
    ),
    Script(
        "support",
        "Lamp flickers after an hour",
        "defect",
        (
            visitor("The desk lamp flickers after about an hour."),
            agent("Does it also happen at another socket?"),
            visitor("Yes, in two rooms."),
            note("Third report for batch 2231 this week. Told quality."),
            agent("Then it is the transformer. You receive a new one tomorrow, without any costs."),
            visitor("Great service, thank you."),
        ),
        tags=("defect", "warranty"),
        products=("lamps",),
        comment="replacement part sent",
        priority=1,
    ),
    Script(
        "billing",
        "Charged twice for one order",
        "payment",
        (
            visitor("Our card was charged twice for the same order."),
            agent("I see both payments. One of them is only reserved and will be released by your bank."),
            visitor("When?"),
            agent("In two to three working days. Shall I call you if it is not back by then?", "Yes", "Not necessary"),
            visitor("All right."),
        ),
        tags=("payment",),
        comment="reserved payment expires",
        priority=3,
        callback=True,
    ),
    Script(
        "billing",
        "Invoice with another address",
        "invoice",
        (
            visitor("Please change the address on our invoice. We moved in spring."),
            agent("Can you send me the new address and your VAT number?"),
            visitor("Harbour Street 12, and the VAT number is the same."),
            agent("The corrected invoice is in your customer area."),
        ),
        tags=("invoice",),
        comment="invoice corrected",
    ),
    Script(
        "billing",
        "Payment in three instalments",
        "payment",
        (
            visitor("Can we pay the conference table in three instalments?"),
            note("Customer since 2019, no open invoices."),
            agent("Yes. The first third is due on delivery, the others a month later each."),
            visitor("Agreed. Please send the contract."),
        ),
        tags=("payment", "contract"),
        products=("desks",),
        comment="contract sent",
    ),
    Script(
        "returns",
        "Table has a scratch",
        "damage",
        (
            visitor("The table arrived with a long scratch on the top."),
            agent("That should not happen. What do you prefer?", "A new table top", "A discount of 20 %"),
            note("Photo is in the case. The carrier is liable."),
            agent("The new table top comes on Tuesday, and we take the old one with us."),
            visitor("Thank you for the quick answer."),
        ),
        tags=("damage", "carrier"),
        products=("desks",),
        comment="replacement ordered",
        priority=2,
    ),
    Script(
        "returns",
        "Return of two lamps",
        "return",
        (
            visitor("I would like to return two lamps. They do not fit."),
            agent("No problem, you have 30 days. The label for the parcel is in your email."),
            visitor("How long does the refund take?"),
            agent("Three days after the parcel has arrived."),
        ),
        tags=("return",),
        products=("lamps",),
        comment="label sent",
    ),
    Script(
        "returns",
        "A bag of screws is missing",
        "missing part",
        (
            visitor("The bag with the M6 screws is missing in my parcel."),
            agent("We send it today by letter post. Is your address still the same?", "Yes", "No"),
            visitor("Will it be here before the weekend?"),
            agent("Yes, on Friday at the latest."),
        ),
        tags=("missing-part",),
        products=("shelves",),
        comment="part sent",
    ),
)

#: What visitors add while they wait.
WAITING = ("Is somebody there?", "I can wait a few minutes.", "It is rather urgent.", "Hello?")
