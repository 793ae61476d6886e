"""What mails say, one row per phrase, one column per language (EN, DE, FR, NL)."""

from __future__ import annotations

from roamclear.notify.dispute_words import ROWS as DISPUTE_ROWS
from roamclear.notify.model import MailLanguage, Voice
from roamclear.notify.purchase_words import ROWS as PURCHASE_ROWS

_COLUMNS = (MailLanguage.EN, MailLanguage.DE, MailLanguage.FR, MailLanguage.NL)

_ROWS: dict[str, tuple[str, str, str, str]] = {
    "greeting": ("Hello {partner},", "Guten Tag {partner},", "Bonjour {partner},", "Beste {partner},"),
    "closing": ("Kind regards", "Freundliche Grüße", "Cordialement", "Met vriendelijke groet"),
    "copy": ("COPY", "KOPIE", "COPIE", "KOPIE"),
    "WINDOW_OPENED.subject": (
        "Sessions {period}: please review by {closes}",
        "Ladevorgänge {period}: bitte prüfen bis {closes}",
        "Sessions {period} : à contrôler avant le {closes}",
        "Sessies {period}: graag controleren tot {closes}",
    ),
    "WINDOW_OPENED.text": (
        "The list of charging sessions for {period} is open for your review. What you have not disputed by {closes} "
        "({zone}) counts as accepted and is invoiced.",
        "Die Liste der Ladevorgänge für {period} liegt zur Prüfung bereit. Was Sie bis {closes} ({zone}) nicht "
        "beanstanden, gilt als anerkannt und wird abgerechnet.",
        "La liste des sessions de recharge pour {period} est ouverte à votre contrôle. Ce que vous ne contestez pas "
        "avant le {closes} ({zone}) est réputé accepté et sera facturé.",
        "De lijst met laadsessies voor {period} staat ter controle open. Wat u niet vóór {closes} ({zone}) betwist, "
        "geldt als aanvaard en wordt gefactureerd.",
    ),
    "WINDOW_CLOSING.subject": (
        "Reminder: review of {period} ends on {closes}",
        "Erinnerung: Prüfung von {period} endet am {closes}",
        "Rappel : le contrôle de {period} se termine le {closes}",
        "Herinnering: controle van {period} eindigt op {closes}",
    ),
    "WINDOW_CLOSING.text": (
        "The review of the sessions of {period} ends on {closes} ({zone}). After that instant no dispute can be filed.",
        "Die Prüfung der Ladevorgänge von {period} endet am {closes} ({zone}). Danach sind keine Beanstandungen mehr "
        "möglich.",
        "Le contrôle des sessions de {period} se termine le {closes} ({zone}). Ensuite, aucune contestation ne peut "
        "être déposée.",
        "De controle van de sessies van {period} eindigt op {closes} ({zone}). Daarna kan niets meer worden betwist.",
    ),
    "WINDOW_CLOSED.subject": (
        "Sessions {period}: review closed",
        "Ladevorgänge {period}: Prüfung beendet",
        "Sessions {period} : contrôle terminé",
        "Sessies {period}: controle gesloten",
    ),
    "WINDOW_CLOSED.text": (
        "The review of {period} closed on {closes} ({zone}). The list is locked; your invoice follows.",
        "Die Prüfung von {period} endete am {closes} ({zone}). Die Liste ist gesperrt; Ihre Rechnung folgt.",
        "Le contrôle de {period} s'est terminé le {closes} ({zone}). La liste est verrouillée ; votre facture suit.",
        "De controle van {period} sloot op {closes} ({zone}). De lijst is vergrendeld; uw factuur volgt.",
    ),
    "WINDOW_ACCEPTED.subject": (
        "Sessions {period}: accepted",
        "Ladevorgänge {period}: anerkannt",
        "Sessions {period} : acceptées",
        "Sessies {period}: aanvaard",
    ),
    "WINDOW_ACCEPTED.text": (
        "You accepted the sessions of {period}, and the review closed on {closes} ({zone}). What was disputed before "
        "stays disputed; no further dispute can be filed.",
        "Sie haben die Ladevorgänge von {period} anerkannt; die Prüfung endete am {closes} ({zone}). Was vorher "
        "beanstandet war, bleibt beanstandet; weitere Beanstandungen sind nicht möglich.",
        "Vous avez accepté les sessions de {period} ; le contrôle s'est terminé le {closes} ({zone}). Ce qui était "
        "contesté le reste ; aucune autre contestation ne peut être déposée.",
        "U hebt de sessies van {period} aanvaard; de controle sloot op {closes} ({zone}). Wat al werd betwist, blijft "
        "betwist; er kan niets meer worden betwist.",
    ),
    "RUN_CARRIED.subject": (
        "Sessions {period}: billed with a later period",
        "Ladevorgänge {period}: Abrechnung mit einem späteren Zeitraum",
        "Sessions {period} : facturées avec une période ultérieure",
        "Sessies {period}: gefactureerd met een latere periode",
    ),
    "RUN_CARRIED.text": (
        "The locked sessions of {period} come to less than the smallest invoice that was agreed. You get no invoice "
        "for this period; its sessions stand on the invoice of a later one, under their own period.",
        "Die gesperrten Ladevorgänge von {period} liegen unter dem vereinbarten kleinsten Rechnungsbetrag. Für diesen "
        "Zeitraum erhalten Sie keine Rechnung; die Vorgänge stehen mit ihrem Zeitraum auf einer späteren Rechnung.",
        "Les sessions verrouillées de {period} n'atteignent pas le montant minimal de facture convenu. Vous ne recevez "
        "pas de facture pour cette période ; ces sessions figureront, avec leur période, sur une facture ultérieure.",
        "De vergrendelde sessies van {period} blijven onder het afgesproken kleinste factuurbedrag. Voor deze periode "
        "krijgt u geen factuur; de sessies staan met hun periode op een latere factuur.",
    ),
    "INVOICE_PACKAGE.subject": (
        "Document {number} for {period}",
        "Beleg {number} für {period}",
        "Document {number} pour {period}",
        "Document {number} voor {period}",
    ),
    "INVOICE_PACKAGE.text": (
        "Here is document {number} for the charging sessions of {period}, with the list of all sessions behind it.",
        "Hier ist der Beleg {number} für die Ladevorgänge von {period} mit der Liste aller zugehörigen Vorgänge.",
        "Voici le document {number} pour les sessions de recharge de {period}, avec la liste de toutes les sessions.",
        "Hierbij document {number} voor de laadsessies van {period}, met de lijst van alle bijbehorende sessies.",
    ),
    "PAYOUT_STATEMENT.subject": (
        "Payout statement {number} for {period}",
        "Auszahlungsabrechnung {number} für {period}",
        "Relevé de versement {number} pour {period}",
        "Uitbetalingsoverzicht {number} voor {period}",
    ),
    "PAYOUT_STATEMENT.text": (
        "Here is your payout statement {number} for {period}, session by session.",
        "Hier ist Ihre Auszahlungsabrechnung {number} für {period}, Vorgang für Vorgang.",
        "Voici votre relevé de versement {number} pour {period}, session par session.",
        "Hierbij uw uitbetalingsoverzicht {number} voor {period}, sessie voor sessie.",
    ),
    "LOGO_PROPOSED.subject": (
        "A new logo was proposed for your documents",
        "Ein neues Logo für Ihre Belege wurde vorgeschlagen",
        "Un nouveau logo a été proposé pour vos documents",
        "Er is een nieuw logo voor uw documenten voorgesteld",
    ),
    "LOGO_PROPOSED.text": (
        "A new logo was proposed for the documents and mails of {partner}. From {closes} ({zone}) on a second person "
        "may approve it. If you do not expect this, tell your administrator before then.",
        "Für die Belege und E-Mails von {partner} wurde ein neues Logo vorgeschlagen. Ab {closes} ({zone}) kann eine "
        "zweite Person es freigeben. Wenn Sie das nicht erwarten, melden Sie sich vorher bei Ihrer Administration.",
        "Un nouveau logo a été proposé pour les documents et courriels de {partner}. À partir du {closes} ({zone}), "
        "une seconde personne peut l'approuver. Si vous ne l'attendez pas, prévenez votre administrateur avant.",
        "Voor de documenten en e-mails van {partner} is een nieuw logo voorgesteld. Vanaf {closes} ({zone}) kan een "
        "tweede persoon het goedkeuren. Verwacht u dit niet, meld het dan vóór die tijd bij uw beheerder.",
    ),
    "BRAND_CHANGE_PROPOSED.subject": (
        "A change of your documents was proposed",
        "Eine Änderung Ihrer Belege wurde vorgeschlagen",
        "Une modification de vos documents a été proposée",
        "Er is een wijziging van uw documenten voorgesteld",
    ),
    "BRAND_CHANGE_PROPOSED.text": (
        "A change of what stands on the documents and mails of {partner} was proposed. From {closes} ({zone}) on a "
        "second person may approve it. If you do not expect this, tell your administrator before then.",
        "Es wurde vorgeschlagen zu ändern, was auf den Belegen und E-Mails von {partner} steht. Ab {closes} ({zone}) "
        "kann eine zweite Person dies freigeben. Wenn Sie das nicht erwarten, melden Sie sich vorher bei Ihrer "
        "Administration.",
        "Une modification de ce qui figure sur les documents et courriels de {partner} a été proposée. À partir du "
        "{closes} ({zone}), une seconde personne peut l'approuver. Si vous ne l'attendez pas, prévenez votre "
        "administrateur avant.",
        "Er is voorgesteld te wijzigen wat op de documenten en e-mails van {partner} staat. Vanaf {closes} ({zone}) "
        "kan een tweede persoon dit goedkeuren. Verwacht u dit niet, meld het dan vóór die tijd bij uw beheerder.",
    ),
    "row.topics": ("Changes", "Änderungen", "Modifications", "Wijzigingen"),
    "topic.NAME": ("name", "Name", "nom", "naam"),
    "topic.COLOURS": ("colours", "Farben", "couleurs", "kleuren"),
    "topic.TYPEFACE": ("typeface", "Schriftart", "police", "lettertype"),
    "topic.FOOTER": ("legal footer", "Fußzeile", "mentions légales", "voettekst"),
    "topic.CONTACT": ("contact", "Kontakt", "contact", "contact"),
    "topic.BANK": ("bank details", "Bankverbindung", "coordonnées bancaires", "bankgegevens"),
    "row.sessions": ("Sessions", "Ladevorgänge", "Sessions", "Sessies"),
    "row.amount": ("Amount", "Betrag", "Montant", "Bedrag"),
    "row.opens": ("Open since", "Offen seit", "Ouvert depuis", "Open sinds"),
    "row.closes": ("Closes", "Ende", "Clôture", "Sluit"),
    "row.disputed": ("Disputed", "Beanstandet", "Contestées", "Betwist"),
    "row.number": ("Document", "Beleg", "Document", "Document"),
    "row.due": ("Due date", "Fällig am", "Échéance", "Vervaldatum"),
    "row.payout": ("Payout date", "Auszahlungstag", "Date de versement", "Uitbetalingsdatum"),
    "row.reference": ("Payment reference", "Verwendungszweck", "Référence", "Betalingskenmerk"),
    "button.LOGO_PROPOSED": ("See the logo", "Logo ansehen", "Voir le logo", "Logo bekijken"),
    "button.BRAND_CHANGE_PROPOSED": ("See the change", "Änderung ansehen", "Voir la modification", "Bekijken"),
    "button.WINDOW_OPENED": ("Review the sessions", "Ladevorgänge prüfen", "Contrôler les sessions", "Controleren"),
    "button.WINDOW_CLOSING": ("Review the sessions", "Ladevorgänge prüfen", "Contrôler les sessions", "Controleren"),
    "button.WINDOW_CLOSED": ("See the list", "Liste ansehen", "Voir la liste", "Lijst bekijken"),
    "button.RUN_CARRIED": ("See the list", "Liste ansehen", "Voir la liste", "Lijst bekijken"),
    "button.WINDOW_ACCEPTED": ("See the list", "Liste ansehen", "Voir la liste", "Lijst bekijken"),
    "button.INVOICE_PACKAGE": ("Open the document", "Beleg öffnen", "Ouvrir le document", "Document openen"),
    "button.PAYOUT_STATEMENT": ("Open the statement", "Abrechnung öffnen", "Ouvrir le relevé", "Overzicht openen"),
    "files": ("Files", "Dateien", "Fichiers", "Bestanden"),
    "linked": (
        "These files wait behind a link:",
        "Diese Dateien liegen hinter einem Link:",
        "Ces fichiers sont disponibles par lien :",
        "Deze bestanden staan achter een link:",
    ),
}

_ALL = _ROWS | DISPUTE_ROWS | PURCHASE_ROWS
_WORDS = {language: {key: row[place] for key, row in _ALL.items()} for place, language in enumerate(_COLUMNS)}


def phrase(key: str, language: MailLanguage, **values: str) -> str:
    """The phrase of a key with its values filled in.

    >>> phrase("greeting", MailLanguage.DE, partner="Fahrstrom AG")
    'Guten Tag Fahrstrom AG,'
    """
    return _WORDS[language][key].format(**values)


def voiced(key: str, voice: Voice) -> str:
    """The key of a phrase as it is said in a trade; a phrase that is said alike in all has one key.

    >>> voiced("INVOICE_PACKAGE.text", Voice.PURCHASE), voiced("greeting", Voice.PURCHASE)
    ('INVOICE_PACKAGE.text.PURCHASE', 'greeting')
    >>> voiced("WINDOW_CLOSED.text", Voice.PURCHASE_CREDIT)
    'WINDOW_CLOSED.text'
    """
    named = f"{key}.{voice}"
    return named if named in _ALL else key
