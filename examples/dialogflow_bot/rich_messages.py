"""Converts messages of Dialogflow ES and CX, as JSON, to replies. Parts of another shape are left out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from examples.bots.answers import Attachment, Choice, Reply
from examples.bots.payloads import attachment_of, is_shown_url, split


def es_replies(result: Mapping[str, Any]) -> list[Reply]:
    """The replies of a queryResult of ES."""
    # Messages with a platform are made for that platform, such as Facebook.
    messages = [message for message in _dicts(result.get("fulfillmentMessages")) if not message.get("platform")]
    replies = [reply for message in messages for reply in _es_message(message) if not reply.is_empty]
    if not messages and isinstance(text := result.get("fulfillmentText"), str) and text:
        replies.append(Reply(text))
    return replies


def _es_message(message: Mapping[str, Any]) -> list[Reply]:
    match message:
        case {"text": {"text": [*texts]}}:
            return [_first_text(texts)]
        case {"quickReplies": {"quickReplies": [*options], **rest}}:
            return [Reply(_text(rest.get("title")), tuple(Choice(option, option) for option in _texts(options)))]
        case {"card": {**card}}:
            parts = (_text(card.get("title")), _text(card.get("subtitle")))
            choices = (_button(button, "text", "postback") for button in _dicts(card.get("buttons")))
            return [
                Reply(
                    "\n".join(part for part in parts if part),
                    tuple(choice for choice in choices if choice),
                    _files([card.get("imageUri")]),
                )
            ]
        case {"image": {"imageUri": uri, **rest}}:
            return [Reply(attachments=_files([uri], _text(rest.get("accessibilityText"))))]
        case {"payload": {**payload}}:
            return payload_replies(payload)
    return []


def cx_replies(result: Mapping[str, Any]) -> list[Reply]:
    """The replies of a queryResult of CX."""
    replies: list[Reply] = []
    for message in _dicts(result.get("responseMessages")):
        match message:
            case {"text": {"text": [*texts]}}:
                replies.append(_first_text(texts))
            case {"payload": {**payload}}:
                replies.extend(payload_replies(payload))
            case {"playAudio": {"audioUri": uri}}:
                replies.append(Reply(attachments=_files([uri])))
            case {"outputAudioText": {"text": str(text)}}:
                replies.append(Reply(text))
    return [reply for reply in replies if not reply.is_empty]


def payload_replies(payload: Mapping[Any, Any]) -> list[Reply]:
    """The replies of a custom payload.

    quickReplies {text, options: [{text, actionId, url}]} and the rich content of Dialogflow Messenger become messages
    with choices. Instructions for the app are left out. Anything else becomes the data of a message.
    """
    rest = split(payload)[1]
    replies = []
    match rest.pop("quickReplies", None):
        case {"options": [*options], **quick}:
            choices = (_button(option, "text", "actionId") for option in _dicts(options))
            replies.append(Reply(_text(quick.get("text")), tuple(choice for choice in choices if choice)))
    rich = rest.pop("richContent", None)
    replies.extend(_rich_group(_dicts(group)) for group in (rich if isinstance(rich, list) else ()))
    if rest:
        replies.append(Reply(data=rest))
    return [reply for reply in replies if not reply.is_empty]


def _rich_group(elements: Iterable[Mapping[str, Any]]) -> Reply:
    """A card of Dialogflow Messenger."""
    texts: list[str] = []
    choices: list[Choice] = []
    files: list[Attachment] = []
    for element in elements:
        match element:
            case {"type": "chips", "options": [*options]}:
                choices.extend(choice for one in _dicts(options) if (choice := _button(one, "text", "text")))
            case {"type": "button", "text": str()}:
                if choice := _button(element, "text", "text"):
                    choices.append(choice)
            case {"type": "image", "rawUrl": uri}:
                files.extend(_files([uri], _text(element.get("accessibilityText"))))
            case {"type": "info" | "list" | "description", **rest}:
                lines = rest.get("text")
                texts += [_text(rest.get("title")), _text(rest.get("subtitle"))]
                texts += _texts(lines) if isinstance(lines, list) else []
    return Reply("\n".join(text for text in texts if text), tuple(choices), tuple(files))


def _button(button: Mapping[str, Any], label_key: str, payload_key: str) -> Choice | None:
    label = _text(button.get(label_key))
    payload = _text(button.get(payload_key)) or label
    url = next((one for one in (button.get("url"), button.get("link"), payload) if is_shown_url(one)), None)
    return Choice(label, payload, url) if label else None


def _first_text(texts: Sequence[object]) -> Reply:
    """The texts are variants of each other."""
    return Reply(next((text for text in _texts(texts) if text), ""))


def _files(uris: Iterable[object], name: str = "") -> tuple[Attachment, ...]:
    return tuple(attachment_of(uri, name) for uri in uris if isinstance(uri, str) and is_shown_url(uri))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(values: Iterable[object]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


def _dicts(values: object) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
