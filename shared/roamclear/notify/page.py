"""The two bodies of a mail: plain text, and HTML that old mail programs draw too (tables, inline styles, no images)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from roamclear.notify.model import Attachment, MailBrand, MailFacts, MailKind, MailLanguage
from roamclear.notify.texts import filled
from roamclear.notify.words import phrase

_FONT = "font-family:'Segoe UI',Helvetica,Arial,sans-serif"


def text_page(
    kind: MailKind,
    language: MailLanguage,
    brand: MailBrand,
    facts: MailFacts,
    rows: Sequence[tuple[str, str]],
    linked: Sequence[Attachment],
) -> str:
    """The plain text."""
    width = max((len(label) for label, _ in rows), default=0) + 2
    lines = [filled("greeting", kind, language, facts), "", filled(f"{kind}.text", kind, language, facts), ""]
    lines += [f"{label + ':':<{width}}{value}" for label, value in rows]
    if facts.link:
        lines += ["", f"{filled(f'button.{kind}', kind, language, facts)}: {facts.link}"]
    if linked:
        lines += ["", phrase("linked", language), *(f"{a.name}: {a.link}" for a in linked)]
    lines += ["", phrase("closing", language), brand.name, "", *brand.footer_lines]
    return "\n".join(lines).rstrip() + "\n"


def html_page(
    kind: MailKind,
    language: MailLanguage,
    brand: MailBrand,
    facts: MailFacts,
    rows: Sequence[tuple[str, str]],
    linked: Sequence[Attachment],
) -> str:
    """The HTML; every value is escaped."""
    label = f"padding:6px 16px 6px 0;color:#6b727c;{_FONT};font-size:14px;white-space:nowrap"
    value = f"padding:6px 0;color:#212529;{_FONT};font-size:14px;font-weight:600"
    table = "".join(
        f'<tr><td style="{label}">{escape(name)}</td><td style="{value}">{escape(text)}</td></tr>'
        for name, text in rows
    )
    footer = "<br>".join(escape(line) for line in brand.footer_lines)
    return (
        f'<!DOCTYPE html><html lang="{language.value.lower()}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(filled(f'{kind}.subject', kind, language, facts))}</title></head>"
        '<body style="margin:0;padding:0;background:#f3f5f7">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f5f7"><tr>'
        '<td align="center" style="padding:24px 12px">'
        '<table role="presentation" width="600" cellpadding="0" cellspacing="0" '
        'style="max-width:600px;width:100%;background:#ffffff;border-radius:6px;overflow:hidden">'
        f'<tr><td style="background:{brand.primary};border-bottom:4px solid {brand.accent};padding:20px 32px;'
        f'color:{_on(brand.primary)};{_FONT};font-size:18px;font-weight:700">{escape(brand.name)}</td></tr>'
        f'<tr><td style="padding:28px 32px;{_FONT};font-size:15px;line-height:1.5;color:#212529">'
        f"<p>{escape(filled('greeting', kind, language, facts))}</p>"
        f"<p>{escape(filled(f'{kind}.text', kind, language, facts))}</p>"
        f'<table role="presentation" cellpadding="0" cellspacing="0" style="margin:8px 0 16px">{table}</table>'
        f"{_button(kind, language, brand, facts)}{_links(language, brand, linked)}"
        f"<p>{escape(phrase('closing', language))}<br>{escape(brand.name)}</p></td></tr>"
        f'<tr><td style="padding:16px 32px 24px;border-top:1px solid #d6dbe1;{_FONT};font-size:12px;color:#6b727c">'
        f"{footer}</td></tr></table></td></tr></table></body></html>\n"
    )


def _button(kind: MailKind, language: MailLanguage, brand: MailBrand, facts: MailFacts) -> str:
    if not facts.link:
        return ""
    style = f"display:inline-block;background:{brand.primary};color:{_on(brand.primary)};padding:12px 22px;"
    style += f"text-decoration:none;border-radius:4px;{_FONT};font-size:15px;font-weight:600"
    text = escape(filled(f"button.{kind}", kind, language, facts))
    return f'<p style="margin:20px 0"><a href="{escape(facts.link, quote=True)}" style="{style}">{text}</a></p>'


def _links(language: MailLanguage, brand: MailBrand, linked: Sequence[Attachment]) -> str:
    if not linked:
        return ""
    items = "".join(
        f'<li><a href="{escape(a.link or "", quote=True)}" style="color:{brand.accent}">{escape(a.name)}</a></li>'
        for a in linked
    )
    return f"<p>{escape(phrase('linked', language))}</p><ul>{items}</ul>"


def _on(background: str) -> str:
    """Dark or white letters, whichever reads on a colour."""
    r, g, b = (int(background[i : i + 2], 16) for i in (1, 3, 5))
    return "#212529" if 299 * r + 587 * g + 114 * b > 160_000 else "#ffffff"
