"""Answers of engines are shortened to what Switchboard accepts."""

import msgspec

from examples.bots.answers import MAX_ANSWER_BYTES, Answer, Attachment, HandOver, Reply, bounded


def test_long_note_of_a_hand_over_leaves_room_for_the_replies() -> None:
    answer = bounded(Answer((Reply("One moment."),), hand_over=HandOver("Billing", "n" * 20_000)))

    assert answer.replies == (Reply("One moment."),)
    assert answer.hand_over == HandOver("Billing", "n" * 500)
    assert len(msgspec.json.encode(answer)) <= MAX_ANSWER_BYTES


def test_blank_reply_is_empty() -> None:
    assert Reply(" \n").is_empty
    file = Attachment("a.png", "image/png", "https://example.org/a.png")
    (reply,) = bounded(Answer((Reply(" ", attachments=(file,)),))).replies
    assert (reply.text, reply.is_empty) == ("", False)
