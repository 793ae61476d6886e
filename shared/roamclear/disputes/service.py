"""Disputes seen from outside the room: file, talk, answer, end, read."""

from __future__ import annotations

from roamclear.disputes.ending import accept, answer, answer_many, reject, settle_unanswered, withdraw
from roamclear.disputes.evidence import announce as announce_file
from roamclear.disputes.evidence import link as file_link
from roamclear.disputes.filing import MAX_ROWS, create_many, create_rows, dispute_id, file
from roamclear.disputes.limits import listed as limits
from roamclear.disputes.limits import save as set_limit
from roamclear.disputes.lists import announce as announce_list
from roamclear.disputes.lists import result as list_result
from roamclear.disputes.mails import tell
from roamclear.disputes.reading import dispute, disputes, export, of_contract, queue, side_by_side
from roamclear.disputes.rules import clocks
from roamclear.disputes.talk import comment, escalate, give_info, request_info, review, review_many

__all__ = [
    "MAX_ROWS",
    "accept",
    "announce_file",
    "announce_list",
    "answer",
    "answer_many",
    "clocks",
    "comment",
    "create_many",
    "create_rows",
    "dispute",
    "dispute_id",
    "disputes",
    "escalate",
    "export",
    "file",
    "file_link",
    "give_info",
    "limits",
    "list_result",
    "of_contract",
    "queue",
    "reject",
    "request_info",
    "review",
    "review_many",
    "set_limit",
    "settle_unanswered",
    "side_by_side",
    "tell",
    "withdraw",
]
