"""Reads pain.002 status reports of every version by local name (banking.md 1.3)."""

from __future__ import annotations

import re

from roamclear.bank import xml
from roamclear.bank.model import GroupStatus, Limits, StatusReason, StatusReport, TransferStatus
from roamclear.kernel.errors import InvalidInput

_BODY = "CstmrPmtStsRpt"
_VERSION = re.compile(r"pain\.002\.[0-9]{3}\.[0-9]{2}")


def read(stream: xml.Readable, limits: Limits | None = None) -> StatusReport:
    """One status report.

    Raises:
        InvalidInput: not a pain.002, not well-formed, a DOCTYPE, or beyond a limit.
    """
    limits = limits or Limits()
    header: dict[str, str | None] = {}
    top: dict[str, object] = {}
    groups: list[GroupStatus] = []
    loose: list[TransferStatus] = []
    pending: list[TransferStatus] = []
    version: str | None = None
    count = 0
    ends = ("GrpHdr", "OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts")
    for event, name, element in xml.parse_events(stream, ends, (_BODY, "OrgnlPmtInfAndSts")):
        if event == "start":
            if name == _BODY:
                found = _VERSION.search(xml.namespace(element))
                version = found.group() if found else xml.namespace(element)[:100]
            else:
                pending = []
        elif name == "GrpHdr":
            header = {"message_id": xml.text(element, "MsgId")}
        elif name == "OrgnlGrpInfAndSts":
            top = _top(element)
        elif name == "TxInfAndSts":
            count += 1
            if count > limits.entries:
                raise InvalidInput("the report has more transfers than the limit", field="file")
            inside = xml.local(element.getparent()) == "OrgnlPmtInfAndSts"
            (pending if inside else loose).append(_transfer(element))
            xml.release_repeated(element)
        else:
            groups.append(_group(element, tuple(pending)))
            xml.release(element)
    if version is None:
        raise InvalidInput("this is no pain.002 document", field="file")
    if loose:
        groups.append(GroupStatus(payment_id=None, transfers=tuple(loose)))
    return StatusReport.model_validate({"version": version, "groups": tuple(groups), **_base(header), **top})


def _base(header: dict[str, str | None]) -> dict[str, object]:
    return {"message_id": header.get("message_id"), "original_message_id": None}


def _top(element: xml.Element) -> dict[str, object]:
    return {
        "original_message_id": xml.text(element, "OrgnlMsgId"),
        "status": xml.text(element, "GrpSts"),
        "reasons": _reasons(element),
        "counts": _counts(element),
    }


def _group(element: xml.Element, transfers: tuple[TransferStatus, ...]) -> GroupStatus:
    return GroupStatus(
        payment_id=xml.text(element, "OrgnlPmtInfId"),
        status=xml.text(element, "PmtInfSts"),
        reasons=_reasons(element),
        transfers=transfers,
        counts=_counts(element),
    )


def _transfer(element: xml.Element) -> TransferStatus:
    return TransferStatus(
        end_to_end_id=xml.text(element, "OrgnlEndToEndId"),
        instruction_id=xml.text(element, "OrgnlInstrId"),
        status=xml.text(element, "TxSts"),
        reasons=_reasons(element),
    )


def _reasons(element: xml.Element) -> tuple[StatusReason, ...]:
    reasons = []
    for info in xml.every(element, "StsRsnInf"):
        texts = [xml.text_of(child, 500) for child in xml.every(info, "AddtlInf")]
        code = xml.text(info, "Rsn", "Cd") or xml.text(info, "Rsn", "Prtry")
        reasons.append(StatusReason(code=code, text=" ".join(text for text in texts if text)[:1000]))
    return tuple(reasons)


def _counts(element: xml.Element) -> tuple[tuple[str, int], ...]:
    counts = []
    for part in xml.every(element, "NbOfTxsPerSts"):
        number = xml.text(part, "DtldNbOfTxs")
        if number and number.isascii() and number.isdigit() and len(number) < 16:
            counts.append((xml.text(part, "DtldSts") or "", int(number)))
    return tuple(counts)
