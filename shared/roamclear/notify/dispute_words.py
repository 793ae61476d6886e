"""What mails about disputes say, one row per phrase, one column per language (EN, DE, FR, NL)."""

from __future__ import annotations

_BUTTON = ("Open the dispute", "Reklamation öffnen", "Ouvrir la contestation", "Betwisting openen")

ROWS: dict[str, tuple[str, str, str, str]] = {
    "DISPUTE_FILED.subject": (
        "Dispute {dispute} on session {cdr}",
        "Reklamation {dispute} zum Ladevorgang {cdr}",
        "Contestation {dispute} de la session {cdr}",
        "Betwisting {dispute} van sessie {cdr}",
    ),
    "DISPUTE_FILED.text": (
        "A charging session of {period} was disputed. The operator answers by {due} ({zone}).",
        "Ein Ladevorgang aus {period} wurde beanstandet. Der Betreiber antwortet bis {due} ({zone}).",
        "Une session de recharge de {period} a été contestée. L'exploitant répond avant le {due} ({zone}).",
        "Een laadsessie van {period} is betwist. De exploitant antwoordt vóór {due} ({zone}).",
    ),
    "DISPUTE_LIST_FILED.subject": (
        "Disputes on sessions of {period}",
        "Reklamationen zu Ladevorgängen {period}",
        "Contestations de sessions {period}",
        "Betwistingen van sessies {period}",
    ),
    "DISPUTE_LIST_FILED.text": (
        "A list of disputes on charging sessions of {period} was filed.",
        "Eine Liste von Reklamationen zu Ladevorgängen aus {period} wurde eingereicht.",
        "Une liste de contestations de sessions de recharge de {period} a été déposée.",
        "Er is een lijst met betwistingen van laadsessies van {period} ingediend.",
    ),
    "DISPUTE_COMMENT.subject": (
        "Dispute {dispute}: a new message",
        "Reklamation {dispute}: neue Nachricht",
        "Contestation {dispute} : nouveau message",
        "Betwisting {dispute}: nieuw bericht",
    ),
    "DISPUTE_COMMENT.text": (
        "The other side wrote about session {cdr}.",
        "Die andere Seite hat zum Ladevorgang {cdr} geschrieben.",
        "L'autre partie a écrit au sujet de la session {cdr}.",
        "De andere partij schreef over sessie {cdr}.",
    ),
    "DISPUTE_INFO_REQUESTED.subject": (
        "Dispute {dispute}: please answer by {due}",
        "Reklamation {dispute}: bitte antworten bis {due}",
        "Contestation {dispute} : répondez avant le {due}",
        "Betwisting {dispute}: graag antwoord vóór {due}",
    ),
    "DISPUTE_INFO_REQUESTED.text": (
        "The operator needs information on session {cdr}. Without an answer by {due} ({zone}) the dispute expires and "
        "the session is invoiced.",
        "Der Betreiber braucht Angaben zum Ladevorgang {cdr}. Ohne Antwort bis {due} ({zone}) verfällt die Reklamation "
        "und der Vorgang wird abgerechnet.",
        "L'exploitant a besoin d'informations sur la session {cdr}. Sans réponse avant le {due} ({zone}), la "
        "contestation expire et la session est facturée.",
        "De exploitant heeft informatie nodig over sessie {cdr}. Zonder antwoord vóór {due} ({zone}) vervalt de "
        "betwisting en wordt de sessie gefactureerd.",
    ),
    "DISPUTE_ANSWERED.subject": (
        "Dispute {dispute}: {outcome}",
        "Reklamation {dispute}: {outcome}",
        "Contestation {dispute} : {outcome}",
        "Betwisting {dispute}: {outcome}",
    ),
    "DISPUTE_ANSWERED.text": (
        "The dispute on session {cdr} was answered.",
        "Die Reklamation zum Ladevorgang {cdr} wurde beantwortet.",
        "La contestation de la session {cdr} a reçu une réponse.",
        "De betwisting van sessie {cdr} is beantwoord.",
    ),
    "DISPUTE_EXPIRED.subject": (
        "Dispute {dispute} has expired",
        "Reklamation {dispute} ist verfallen",
        "Contestation {dispute} expirée",
        "Betwisting {dispute} is vervallen",
    ),
    "DISPUTE_EXPIRED.text": (
        "The information on session {cdr} was not given in time. The session is invoiced.",
        "Die Angaben zum Ladevorgang {cdr} kamen nicht rechtzeitig. Der Vorgang wird abgerechnet.",
        "Les informations sur la session {cdr} n'ont pas été données à temps. La session est facturée.",
        "De informatie over sessie {cdr} is niet op tijd gegeven. De sessie wordt gefactureerd.",
    ),
    "DISPUTE_WITHDRAWN.subject": (
        "Dispute {dispute} was withdrawn",
        "Reklamation {dispute} wurde zurückgezogen",
        "Contestation {dispute} retirée",
        "Betwisting {dispute} is ingetrokken",
    ),
    "DISPUTE_WITHDRAWN.text": (
        "The dispute on session {cdr} was withdrawn. The session is invoiced.",
        "Die Reklamation zum Ladevorgang {cdr} wurde zurückgezogen. Der Vorgang wird abgerechnet.",
        "La contestation de la session {cdr} a été retirée. La session est facturée.",
        "De betwisting van sessie {cdr} is ingetrokken. De sessie wordt gefactureerd.",
    ),
    "DISPUTE_ESCALATED.subject": (
        "Dispute {dispute} was escalated",
        "Reklamation {dispute} wurde eskaliert",
        "Contestation {dispute} : escalade",
        "Betwisting {dispute} is geëscaleerd",
    ),
    "DISPUTE_ESCALATED.text": (
        "The rejection concerning session {cdr} was taken to the commercial contacts. The answer given by {due} "
        "({zone}) is final.",
        "Die Ablehnung zum Ladevorgang {cdr} liegt bei den kaufmännischen Ansprechpartnern. Die Antwort bis {due} "
        "({zone}) ist endgültig.",
        "Le rejet concernant la session {cdr} a été porté aux contacts commerciaux. La réponse donnée avant le {due} "
        "({zone}) est définitive.",
        "De afwijzing van sessie {cdr} ligt bij de commerciële contactpersonen. Het antwoord vóór {due} ({zone}) is "
        "definitief.",
    ),
    "row.dispute": ("Dispute", "Reklamation", "Contestation", "Betwisting"),
    "row.cdr": ("Session", "Ladevorgang", "Session", "Sessie"),
    "row.outcome": ("Outcome", "Ergebnis", "Résultat", "Uitkomst"),
    "row.claimed": ("Claimed", "Gefordert", "Montant contesté", "Betwist bedrag"),
    "row.accepted": ("Accepted", "Anerkannt", "Accordé", "Toegekend"),
    "row.answer_by": ("Answer by", "Antwort bis", "Réponse avant le", "Antwoord vóór"),
    "row.word": ("Message", "Nachricht", "Message", "Bericht"),
    "outcome.ACCEPTED": ("accepted", "anerkannt", "acceptée", "aanvaard"),
    "outcome.PARTIAL": ("accepted in part", "teilweise anerkannt", "acceptée en partie", "deels aanvaard"),
    "outcome.REJECTED": ("rejected", "abgelehnt", "rejetée", "afgewezen"),
    "outcome.WITHDRAWN": ("withdrawn", "zurückgezogen", "retirée", "ingetrokken"),
    "outcome.EXPIRED": ("expired", "verfallen", "expirée", "vervallen"),
    "button.DISPUTE_FILED": _BUTTON,
    "button.DISPUTE_LIST_FILED": _BUTTON,
    "button.DISPUTE_COMMENT": _BUTTON,
    "button.DISPUTE_INFO_REQUESTED": _BUTTON,
    "button.DISPUTE_ANSWERED": _BUTTON,
    "button.DISPUTE_EXPIRED": _BUTTON,
    "button.DISPUTE_WITHDRAWN": _BUTTON,
    "button.DISPUTE_ESCALATED": _BUTTON,
}
