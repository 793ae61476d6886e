"""The dictionary of the documents: one row per word, one column per language (EN, DE, FR, NL).

Legal mentions follow product.md D.4: DE *Gutschrift* names self-billing only, so an ordinary correction is a
*Rechnungskorrektur*.
"""

from __future__ import annotations

from roamclear.documents.invoice_model import Language

_COLUMNS = (Language.EN, Language.DE, Language.FR, Language.NL)

_ROWS: dict[str, tuple[str, str, str, str]] = {
    # titles
    "title.380": ("Invoice", "Rechnung", "Facture", "Factuur"),
    "title.381": ("Credit note", "Rechnungskorrektur", "Avoir", "Creditnota"),
    "title.384": ("Corrected invoice", "Korrigierte Rechnung", "Facture rectificative", "Gecorrigeerde factuur"),
    "title.389": ("Self-billing invoice", "Gutschrift", "Autofacture", "Factuur uitgereikt door afnemer"),
    "title.261": (
        "Self-billing credit note",
        "Korrektur einer Gutschrift",
        "Avoir sur autofacture",
        "Creditnota uitgereikt door afnemer",
    ),
    "title.draft": ("Draft invoice", "Rechnungsentwurf", "Projet de facture", "Conceptfactuur"),
    "title.proforma": ("Pro-forma invoice", "Proforma-Rechnung", "Facture pro forma", "Pro-formafactuur"),
    "title.statement": ("Payout statement", "Auszahlungsabrechnung", "Relevé de versement", "Uitbetalingsoverzicht"),
    # mentions that the law asks for
    "mention.self_billed": ("Self-billing", "Gutschrift", "Autofacturation", "Factuur uitgereikt door afnemer"),
    "mention.AE": (
        "Reverse charge",
        "Steuerschuldnerschaft des Leistungsempfängers",
        "Autoliquidation",
        "Btw verlegd",
    ),
    # head
    "number": ("Number", "Nummer", "Numéro", "Nummer"),
    "no_number": ("not assigned yet", "noch nicht vergeben", "non attribué", "nog niet toegekend"),
    "issue_date": ("Issue date", "Ausstellungsdatum", "Date d'émission", "Factuurdatum"),
    "due_date": ("Due date", "Fällig am", "Échéance", "Vervaldatum"),
    "period": ("Period of supply", "Leistungszeitraum", "Période de livraison", "Leveringsperiode"),
    "buyer_reference": ("Your reference", "Ihre Referenz", "Votre référence", "Uw referentie"),
    "order_reference": ("Your order", "Ihre Bestellung", "Votre commande", "Uw bestelling"),
    "contract_reference": ("Contract", "Vertrag", "Contrat", "Contract"),
    "your_vat_id": ("Your VAT ID", "Ihre USt-IdNr.", "Votre n° TVA", "Uw btw-nummer"),
    "supplier": ("Supplier", "Leistender Unternehmer", "Fournisseur", "Leverancier"),
    "preceding": ("Corrects", "Korrigiert", "Rectifie", "Corrigeert"),
    "dated": ("of", "vom", "du", "van"),
    "reason": ("Reason", "Grund", "Motif", "Reden"),
    "vat_id": ("VAT ID", "USt-IdNr.", "N° TVA", "Btw-nr."),
    "tax_number": ("Tax no.", "Steuernr.", "N° fiscal", "Belastingnr."),
    "register": ("Reg. no.", "Register-Nr.", "Registre", "KvK/Reg.-nr."),
    "fiscal_representative": (
        "Fiscal representative",
        "Fiskalvertreter",
        "Représentant fiscal",
        "Fiscaal vertegenwoordiger",
    ),
    "phone": ("Phone", "Telefon", "Tél.", "Tel."),
    "contact": ("Contact", "Kontakt", "Contact", "Contact"),
    # table
    "col.description": ("Description", "Beschreibung", "Désignation", "Omschrijving"),
    "col.sessions": ("Sessions", "Ladevorgänge", "Sessions", "Sessies"),
    "col.quantity": ("Quantity", "Menge", "Quantité", "Hoeveelheid"),
    "col.price": ("Unit price", "Einzelpreis", "Prix unitaire", "Eenheidsprijs"),
    "col.vat": ("VAT", "USt", "TVA", "Btw"),
    "col.net": ("Net amount", "Nettobetrag", "Montant HT", "Nettobedrag"),
    "continued": ("continued", "Fortsetzung", "suite", "vervolg"),
    "section.country": ("Charging in {country}", "Laden in {country}", "Recharge : {country}", "Laden in {country}"),
    "section.plain": ("Charging", "Laden", "Recharge", "Laden"),
    "section.EARLIER": (
        "Sessions from earlier periods",
        "Ladevorgänge aus früheren Zeiträumen",
        "Sessions de périodes antérieures",
        "Sessies uit eerdere perioden",
    ),
    "section.ADJUSTMENT": (
        "Adjustments from earlier periods",
        "Korrekturen aus früheren Zeiträumen",
        "Ajustements de périodes antérieures",
        "Correcties uit eerdere perioden",
    ),
    "section.FEES": ("Fees", "Gebühren", "Frais", "Vergoedingen"),
    "fee.minimum": ("minimum fee", "Mindestgebühr", "frais minimum", "minimumvergoeding"),
    "fee.tiers": ("in tiers", "gestaffelt", "par tranches", "in staffels"),
    "fee.percent": ("{share} of {amount}", "{share} von {amount}", "{share} de {amount}", "{share} van {amount}"),
    "fee.PER_SESSION": ("sessions", "Ladevorgänge", "sessions", "sessies"),
    "fee.PER_KWH": ("kWh", "kWh", "kWh", "kWh"),
    "fee.PER_EVSE": ("chargers", "Ladepunkte", "bornes", "laadpunten"),
    "note.carried": (
        "Includes the sessions and fees of {periods}: each period was below the smallest invoice and was carried over.",
        "Enthält Ladevorgänge und Gebühren aus {periods}: Der Zeitraum lag jeweils unter dem Mindestbetrag und wurde "
        "übertragen.",
        "Comprend les sessions et frais de {periods} : chaque période était inférieure au montant minimal et a "
        "été reportée.",
        "Bevat sessies en vergoedingen van {periods}: elke periode bleef onder het minimale factuurbedrag en is "
        "doorgeschoven.",
    ),
    "subtotal": ("Subtotal", "Zwischensumme", "Sous-total", "Subtotaal"),
    "no_lines": (
        "No chargeable sessions in this period.",
        "In diesem Zeitraum gab es keine berechenbaren Ladevorgänge.",
        "Aucune session facturable pendant cette période.",
        "Geen factureerbare sessies in deze periode.",
    ),
    # components
    "item.ENERGY": ("Energy", "Energie", "Énergie", "Energie"),
    "item.SESSION": ("Session fee", "Startgebühr", "Frais de session", "Starttarief"),
    "item.TIME": ("Charging time", "Ladezeit", "Temps de recharge", "Laadtijd"),
    "item.PARKING": ("Parking time", "Standzeit", "Temps de stationnement", "Parkeertijd"),
    "item.RESERVATION": ("Reservation", "Reservierung", "Réservation", "Reservering"),
    "item.CAP": ("Price cap", "Preisobergrenze", "Plafond de prix", "Prijsplafond"),
    "item.MINIMUM": ("Minimum price", "Mindestpreis", "Prix minimum", "Minimumprijs"),
    "item.ADJUSTMENT": ("Adjustment", "Korrektur", "Ajustement", "Correctie"),
    "item.DISPUTED": ("Disputed part", "Strittiger Teil", "Part contestée", "Betwist deel"),
    "item.SERVICE": ("Service fee", "Servicegebühr", "Frais de service", "Servicekosten"),
    "item.OTHER": ("Other charges", "Sonstige Entgelte", "Autres frais", "Overige kosten"),
    "unit.KWH": ("kWh", "kWh", "kWh", "kWh"),
    "unit.HUR": ("h", "Std.", "h", "u"),
    "unit.MIN": ("min", "Min.", "min", "min"),
    "unit.C62": ("pcs", "Stk.", "pce", "st."),
    "per.KWH": ("kWh", "kWh", "kWh", "kWh"),
    "per.HUR": ("h", "Std.", "h", "uur"),
    "per.MIN": ("min", "Min.", "min", "min"),
    "per.C62": ("each", "Stück", "pièce", "stuk"),
    "attr.unit_price": ("Agreed unit price", "Vereinbarter Einzelpreis", "Prix unitaire convenu", "Eenheidsprijs"),
    "attr.contract_version": ("Contract version", "Vertragsversion", "Version du contrat", "Contractversie"),
    "attr.sessions": ("Sessions", "Ladevorgänge", "Sessions", "Sessies"),
    "attr.section": ("Section", "Abschnitt", "Section", "Sectie"),
    "attr.tariff": ("Tariff", "Tarif", "Tarif", "Tarief"),
    "attr.session": ("Session", "Ladevorgang", "Session", "Sessie"),
    "price_version": ("price version", "Preisversion", "version tarifaire", "prijsversie"),
    # sums
    "vat_summary": ("VAT summary", "Umsatzsteuer-Übersicht", "Récapitulatif TVA", "Btw-overzicht"),
    "taxable": ("Taxable amount", "Bemessungsgrundlage", "Base imposable", "Maatstaf van heffing"),
    "rate": ("Rate", "Satz", "Taux", "Tarief"),
    "tax": ("VAT amount", "Steuerbetrag", "Montant TVA", "Btw-bedrag"),
    "category": ("Category", "Kategorie", "Catégorie", "Categorie"),
    "category.S": ("VAT", "Umsatzsteuer", "TVA", "Btw"),
    "category.AE": ("Reverse charge", "Reverse Charge", "Autoliquidation", "Btw verlegd"),
    "category.O": ("Outside scope of VAT", "Nicht steuerbar", "Hors champ TVA", "Buiten btw-heffing"),
    "category.Z": ("Zero rate", "Nullsatz", "Taux zéro", "Nultarief"),
    "category.E": ("Exempt", "Steuerbefreit", "Exonéré", "Vrijgesteld"),
    "net_total": ("Total excl. VAT", "Summe netto", "Total HT", "Totaal excl. btw"),
    "tax_total": ("VAT", "Umsatzsteuer", "TVA", "Btw"),
    "gross_total": ("Total incl. VAT", "Gesamtbetrag", "Total TTC", "Totaal incl. btw"),
    "prepaid": ("Already paid", "Bereits gezahlt", "Déjà réglé", "Reeds betaald"),
    "due": ("Amount due", "Zahlbetrag", "Net à payer", "Te betalen"),
    "credited": ("Amount credited", "Gutgeschriebener Betrag", "Montant crédité", "Gecrediteerd bedrag"),
    "paid_out": ("Amount payable to you", "Auszahlungsbetrag", "Montant à vous verser", "Aan u te betalen"),
    "national_tax": (
        "VAT in {currency}: {tax} (rate 1 {base} = {rate} {currency}, {source}, {date})",
        "Umsatzsteuer in {currency}: {tax} (Kurs 1 {base} = {rate} {currency}, {source}, {date})",
        "TVA en {currency} : {tax} (taux 1 {base} = {rate} {currency}, {source}, {date})",
        "Btw in {currency}: {tax} (koers 1 {base} = {rate} {currency}, {source}, {date})",
    ),
    # payment
    "payment": ("Payment", "Zahlung", "Paiement", "Betaling"),
    "account_name": ("Account holder", "Kontoinhaber", "Titulaire", "Rekeninghouder"),
    "iban": ("IBAN", "IBAN", "IBAN", "IBAN"),
    "bic": ("BIC", "BIC", "BIC", "BIC"),
    "bank": ("Bank", "Bank", "Banque", "Bank"),
    "reference": ("Payment reference", "Verwendungszweck", "Référence", "Betalingskenmerk"),
    "scan": ("Scan to pay", "Scannen und zahlen", "Scanner pour payer", "Scan om te betalen"),
    "pay_by": (
        "Please transfer {amount} by {date}, quoting the payment reference.",
        "Bitte überweisen Sie {amount} bis zum {date} unter Angabe des Verwendungszwecks.",
        "Merci de virer {amount} avant le {date} en indiquant la référence.",
        "Gelieve {amount} uiterlijk {date} over te maken met vermelding van het betalingskenmerk.",
    ),
    "credit_text": (
        "This amount lowers what you owe us. No payment is needed.",
        "Dieser Betrag mindert Ihre offenen Posten. Eine Zahlung ist nicht erforderlich.",
        "Ce montant réduit votre solde. Aucun paiement n'est nécessaire.",
        "Dit bedrag vermindert uw openstaande saldo. Betaling is niet nodig.",
    ),
    "credit_text.bought": (
        "This amount lowers what we pay to you.",
        "Dieser Betrag mindert, was wir Ihnen auszahlen.",
        "Ce montant diminue ce que nous vous payons.",
        "Dit bedrag verlaagt wat wij u uitbetalen.",
    ),
    "preview_text": (
        "This is a preview, not an invoice. Please do not pay it; the number is given when the invoice is issued.",
        "Dies ist eine Vorschau, keine Rechnung. Bitte nicht bezahlen; die Nummer wird bei der Ausstellung vergeben.",
        "Ceci est un aperçu, non une facture. Ne le payez pas ; le numéro est attribué lors de l'émission.",
        "Dit is een voorbeeld, geen factuur. Betaal het niet; het nummer wordt bij uitgifte toegekend.",
    ),
    "payout_text": (
        "We transfer this amount to the account below.",
        "Wir überweisen diesen Betrag auf das unten genannte Konto.",
        "Nous virons ce montant sur le compte ci-dessous.",
        "Wij maken dit bedrag over op onderstaande rekening.",
    ),
    # window
    "window": ("Control window and lock", "Prüffenster und Sperre", "Fenêtre de contrôle", "Controlevenster"),
    "window.open": (
        "The session list was open to you for review from {opened} to {closed} ({zone}).",
        "Die Liste der Ladevorgänge lag Ihnen vom {opened} bis {closed} ({zone}) zur Prüfung vor.",
        "La liste des sessions vous était ouverte pour contrôle du {opened} au {closed} ({zone}).",
        "De sessielijst stond ter controle voor u open van {opened} tot {closed} ({zone}).",
    ),
    "window.open.bought": (
        "We reviewed the session list from {opened} to {closed} ({zone}).",
        "Wir haben die Liste der Ladevorgänge vom {opened} bis {closed} ({zone}) geprüft.",
        "Nous avons contrôlé la liste des sessions du {opened} au {closed} ({zone}).",
        "Wij hebben de sessielijst gecontroleerd van {opened} tot {closed} ({zone}).",
    ),
    "window.counts": (
        "{sessions} sessions, {disputed} disputed, {not_included} not included.",
        "{sessions} Ladevorgänge, {disputed} beanstandet, {not_included} nicht enthalten.",
        "{sessions} sessions, {disputed} contestées, {not_included} non incluses.",
        "{sessions} sessies, {disputed} betwist, {not_included} niet opgenomen.",
    ),
    "window.locked": (
        "Locked on {locked} ({zone}).",
        "Gesperrt am {locked} ({zone}).",
        "Verrouillée le {locked} ({zone}).",
        "Vergrendeld op {locked} ({zone}).",
    ),
    "manifest": ("Manifest SHA-256", "Manifest SHA-256", "Manifeste SHA-256", "Manifest SHA-256"),
    "notes": ("Notes", "Hinweise", "Remarques", "Opmerkingen"),
    "page": (
        "Page {page} of {pages}",
        "Seite {page} von {pages}",
        "Page {page} sur {pages}",
        "Pagina {page} van {pages}",
    ),
    "watermark.DRAFT": ("DRAFT", "ENTWURF", "PROJET", "CONCEPT"),
    "watermark.PROFORMA": ("PRO FORMA", "PROFORMA", "PRO FORMA", "PRO FORMA"),
    "watermark.COPY": ("COPY", "KOPIE", "COPIE", "KOPIE"),
    # payout statements
    "st.account": ("Payout account", "Auszahlungskonto", "Compte de versement", "Uitbetalingsrekening"),
    "st.rule": ("Share rule", "Anteilsregel", "Règle de partage", "Verdeelregel"),
    "st.self_billing": ("Self-billing invoice", "Gutschrift", "Autofacture", "Self-billing factuur"),
    "st.payout_date": ("Payout date", "Auszahlungstag", "Date de versement", "Uitbetalingsdatum"),
    "st.balance": ("Balance", "Kontostand", "Solde", "Saldo"),
    "st.opening": ("Opening balance", "Anfangssaldo", "Solde d'ouverture", "Beginsaldo"),
    "st.sessions": (
        "{count} sessions of the period",
        "{count} Ladevorgänge des Zeitraums",
        "{count} sessions de la période",
        "{count} sessies van de periode",
    ),
    "st.payout": ("Paid out now", "Auszahlung", "Versement", "Uitbetaling"),
    "st.closing": ("Closing balance", "Endsaldo", "Solde de clôture", "Eindsaldo"),
    "st.list": ("Sessions", "Ladevorgänge", "Sessions", "Sessies"),
    "st.excluded": (
        "Under review, not included",
        "In Prüfung, nicht enthalten",
        "En cours d'examen, non inclus",
        "In onderzoek, niet opgenomen",
    ),
    "st.more": (
        "{count} more rows are in the XLSX file.",
        "{count} weitere Zeilen stehen in der XLSX-Datei.",
        "{count} autres lignes figurent dans le fichier XLSX.",
        "{count} verdere regels staan in het XLSX-bestand.",
    ),
    "st.stop": ("Ended", "Ende", "Fin", "Einde"),
    "st.evse": ("Charger", "Ladepunkt", "Borne", "Laadpunt"),
    "st.energy": ("kWh", "kWh", "kWh", "kWh"),
    "st.gross": ("Revenue", "Erlös", "Revenu", "Omzet"),
    "st.fee": ("Fees", "Gebühren", "Frais", "Kosten"),
    "st.commission": ("Commission", "Provision", "Commission", "Commissie"),
    "st.share": ("Share", "Anteil", "Part", "Aandeel"),
    "st.vat": ("VAT", "USt", "TVA", "Btw"),
    "st.net": ("Total", "Gesamt", "Total", "Totaal"),
    "st.reason": ("Reason", "Grund", "Motif", "Reden"),
    "st.amount": ("Amount", "Betrag", "Montant", "Bedrag"),
}  # fmt: skip

_WORDS = {language: {key: row[place] for key, row in _ROWS.items()} for place, language in enumerate(_COLUMNS)}


def word(key: str, language: Language) -> str:
    """The word of a key; an unknown key is a programming error.

    >>> word("due", Language.DE)
    'Zahlbetrag'
    """
    return _WORDS[language][key]
