"""Disputes seen from outside the room: file, talk, answer, end, read."""

from __future__ import annotations

from roamclear.disputes.ending import accept, answer, answer_many, reject, settle_unanswered, withdraw
from roamclear.disputes.filing import MAX_ROWS, create_many, dispute_id, file
from roamclear.disputes.limits import listed as limits
from roamclear.disputes.limits import save as set_limit
from roamclear.disputes.reading import dispute, disputes, export, queue, side_by_side
from roamclear.disputes.rules import clocks
from roamclear.disputes.talk import comment, escalate, give_info, request_info, review

__all__ = [
    "MAX_ROWS",
    "accept",
    "answer",
    "answer_many",
    "clocks",
    "comment",
    "create_many",
    "dispute",
    "dispute_id",
    "disputes",
    "escalate",
    "export",
    "file",
    "give_info",
    "limits",
    "queue",
    "reject",
    "request_info",
    "review",
    "set_limit",
    "settle_unanswered",
    "side_by_side",
    "withdraw",
]
