"""
Slack: by an incoming webhook in the guide's form, or by a bot that keeps one message up to date.

    webhook   {"attachments": [{"color", "title", "text", "ts"}]}, one message per transition
    bot       the first page is a message; each further one edits it in place (chat.update), so that
              the channel shows how the incident stands, and is a reply in its thread

The reference is `channel:ts` of the bot's message; a webhook has none. Slack drops no second copy:
if its answer is lost, a message or a reply may be there twice. The edit comes before the reply,
because it may be made again without harm.

Log text cannot become markup: `& < >` are written as entities, so there are no links, no mentions
and no `<!channel>`; a backtick is written as a character that looks like one; what is to be copied
stands in code; elsewhere an invisible space keeps `*_~` from taking hold. An attachment's text has
at most 3,000 characters, of Slack's 40,000: what a person reads.
"""

from __future__ import annotations

import re
from typing import Any, Final

from shipper.alerts.alerters.alerter import AlerterContext, AlerterRefused, AlerterUnavailable
from shipper.alerts.alerters.http import HttpPoster, read_url
from shipper.alerts.alerters.secret import Secret, read_secret
from shipper.alerts.alerters.settings import Slack
from shipper.alerts.page import Page
from shipper.alerts.pages.colors import color_of
from shipper.alerts.pages.parts import PagePart, fitted, headline, line, parts_of, subject

TEXT_LIMIT: Final = 3000
TITLE_LIMIT: Final = 250
PART_LIMIT: Final = 900
# The bot has to write a new message: the old one is gone, or may not be edited any more.
ANNOUNCED: Final = 3000  # characters of a message that is no page
GONE: Final = {"message_not_found", "edit_window_closed", "cant_update_message"}
LATER: Final = {
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
}
PAGE_FAULTS: Final = {"msg_too_long", "no_text", "invalid_attachments", "too_many_attachments"}
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = re.compile(r"(?<![A-Za-z0-9])[*_~]|[*_~](?![A-Za-z0-9])|^(?=&gt;)")
_NO_BACKTICK: Final = "\u02cb"  # looks like one, and neither begins nor ends code


class SlackAlerter:
    """Notifies one channel."""

    dedupes = False
    collects = True

    def __init__(self, name: str, settings: Slack, surroundings: AlerterContext) -> None:
        self.name = name
        self._settings = settings
        section = f"alerters.{name}.slack"
        self._who = f"{section}: Slack"
        self.where = (
            f"Slack channel {settings.channel}" if settings.channel else "Slack, by a webhook"
        )
        self._poster = HttpPoster(
            self._who, section, settings.tls, settings.seconds, surroundings.ticks
        )

    def notify(self, page: Page, reference: str | None) -> str | None:
        """Write a message, or edit it and reply."""
        if self._settings.url_file is not None:
            url = read_url(self._settings.url_file, self._who)
            self._poster.post(url, {"attachments": [attachment(page)]})
            return None
        assert self._settings.token_file is not None
        token = read_secret(self._settings.token_file)
        message = {"text": escaped(subject(page)), "attachments": [attachment(page)]}
        if reference is None or not self._update(token, reference, message):
            return self._write(token, message)
        _, _, stamp = reference.partition(":")
        reply = {"text": fitted(headline(page), 1000, escaped), "thread_ts": stamp}
        self._write(token, {**reply, "attachments": []})
        return reference

    def announce(self, text: str) -> None:
        """Write a message that is no page; raises as `notify` does."""
        message = {"text": fitted(text, ANNOUNCED, escaped)}
        if self._settings.url_file is not None:
            self._poster.post(read_url(self._settings.url_file, self._who), message)
            return
        assert self._settings.token_file is not None
        self._write(read_secret(self._settings.token_file), message)

    def _update(self, token: Secret, reference: str, message: dict[str, Any]) -> bool:
        """Edit the message; False where there is none any more that can be edited."""
        channel, _, stamp = reference.partition(":")
        edit = {**message, "channel": channel, "ts": stamp, "parse": "none"}
        return self._call(token, "chat.update", edit) is not None

    def _write(self, token: Secret, message: dict[str, Any]) -> str:
        answered = self._call(
            token,
            "chat.postMessage",
            {
                **message,
                "channel": self._settings.channel,
                "unfurl_links": False,
                "unfurl_media": False,
            },
        )
        assert answered is not None
        return f"{answered.get('channel', self._settings.channel)}:{answered.get('ts', '')}"

    def _call(self, token: Secret, method: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """Call a method; None if what it is about is gone."""
        answer = self._poster.post(
            f"{self._settings.base_url}/{method}",
            arguments,
            headers={
                "Authorization": f"Bearer {token.reveal()}",
                "Content-Type": "application/json; charset=utf-8",
            },
            secrets=[token],
        )
        answered = answer.json()
        if isinstance(answered, dict) and answered.get("ok") is True:
            return answered
        error = str(answered.get("error", "")) if isinstance(answered, dict) else ""
        if error in GONE and method == "chat.update":
            return None
        word = error if re.fullmatch(r"[a-z_]{1,60}", error) else "something that is no answer"
        if error in LATER or not error:
            raise AlerterUnavailable(f"{self._who} answers {word}", "it is tried again")
        raise AlerterRefused(
            f"{self._who} answers {word}",
            "check the token, its scopes and the channel",
            correctable=error not in PAGE_FAULTS,
        )


def attachment(page: Page) -> dict[str, Any]:
    """Write a page in the guide's form."""
    severity = page.transition.incident.severity
    return {
        "color": color_of(page.transition),
        "title": f"{severity.upper()} Alert",
        "text": text_of(page),
        "ts": page.transition.at // 1000,
    }


def text_of(page: Page, limit: int = TEXT_LIMIT) -> str:
    """Write what fits of a page, part by part; each is whole, or cut within."""
    lines = [f"*{fitted(headline(page), TITLE_LIMIT, escaped)}*"]
    room = limit - len(lines[0])
    if page.link and len(link := f"<{entities(line(page.link, 2000))}|Show in Kibana>") < room:
        lines.append(link)
        room -= len(link) + 1
    for part in parts_of(page):
        written = _part(part)
        if len(written) < room:  # a later one may be short enough
            lines.append(written)
            room -= len(written) + 1
    return "\n".join(lines)


def _part(part: PagePart) -> str:
    label = f"{escaped(part.label)}: " if part.label else ""
    each = max(60, PART_LIMIT // len(part.lines))
    if part.code or part.steps:
        lines = [fitted(text, each, _code) for text in part.lines]
        return f"{label}\n```" + "\n".join(lines) + "```"
    lines = [fitted(text, each, escaped) for text in part.lines]
    return label + lines[0] if len(lines) == 1 else "\n".join([label.rstrip(), *lines])


def entities(text: str) -> str:
    """Write the three characters that Slack's markup begins with as entities."""
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], text)


def escaped(text: str) -> str:
    """Write text so that Slack shows it as it is; ids can still be copied as they are."""
    plain = entities(text).replace("`", _NO_BACKTICK)
    return _MARKS.sub(lambda found: f"\u200b{found[0]}\u200b", plain)


def _code(text: str) -> str:
    return entities(text).replace("`", _NO_BACKTICK)
