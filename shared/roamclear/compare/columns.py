"""What the columns of a partner's list are called, in the four languages of the house."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from roamclear.compare.model import MAX_COLUMNS
from roamclear.kernel.errors import InvalidInput

#: Column -> its titles without accents, marks and case, the more exact one first: it wins where a list has several.
TITLES: dict[str, tuple[str, ...]] = {
    "cdr_id": (
        "cdr id", "cdrid", "cdr number", "cdr nr", "cdr nummer", "cdr reference", "charge detail record id",
        "identifiant cdr", "id cdr", "numero cdr", "cdr",
    ),
    "session_id": (
        "session id", "sessionid", "charging session id", "transaction id", "ladevorgang id", "ladevorgangs id",
        "vorgangsnummer", "transaktions id", "identifiant de session", "id de session", "id session",
        "numero de session", "sessie id", "transactie id", "session", "ladevorgang", "sessie",
    ),
    "evse_id": (
        "evse id", "evseid", "evse nummer", "evse", "charge point id", "charge point", "ladepunkt id", "ladepunkt",
        "id point de charge", "point de charge", "laadpunt id", "laadpunt",
    ),
    "start": (
        "start utc", "start local", "start date time", "start datetime", "start time", "session start", "started at",
        "start", "startzeitpunkt", "startzeit", "ladebeginn", "beginn", "debut de session", "date de debut",
        "heure de debut", "debut", "starttijd", "begintijd", "starttijdstip", "begin",
    ),
    "date": ("start date", "session date", "startdatum", "datum", "date", "jour", "dag"),
    "time": ("uhrzeit", "heure", "tijd", "time of day"),
    "energy": (
        "energy kwh", "kwh", "total energy", "energy", "energie kwh", "geladene energie kwh", "geladene energie",
        "verbrauch kwh", "verbrauch", "menge kwh", "menge", "energie delivree kwh", "energie delivree",
        "consommation kwh", "consommation", "verbruik kwh", "verbruik", "geladen kwh", "energie", "volume kwh",
    ),
    "energy_wh": ("energy wh", "energie wh", "wh"),
    "amount": (
        "net amount", "amount net", "total net", "net total", "amount excl vat", "price excl vat", "cost excl vat",
        "total cost excl vat", "net", "nettobetrag", "betrag netto", "summe netto", "preis netto", "kosten netto",
        "netto", "montant ht", "total ht", "prix ht", "ht", "bedrag excl btw", "kosten excl btw", "nettobedrag",
        "excl btw", "amount", "price", "total cost", "cost", "betrag", "kosten", "preis", "montant", "prix", "cout",
        "bedrag", "prijs",
    ),
    "currency": ("currency", "wahrung", "waehrung", "devise", "monnaie", "valuta", "munt"),
    "zone": ("time zone", "timezone", "zeitzone", "fuseau horaire", "tijdzone", "zone"),
}  # fmt: skip
_CURRENCIES = re.compile(r" (eur|chf|gbp|sek|nok|dkk|pln|czk|huf|ron|isk|usd)$")


def plain(title: str) -> str:
    """A title without accents, marks and case.

    >>> plain("  Début de la Session (UTC) "), plain("Betrag (netto) €")
    ('debut de la session utc', 'betrag netto')
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[\W_]+", " ", bare.replace("ß", "ss").casefold()).split())


def places(titles: Sequence[str], named: Mapping[str, str]) -> dict[str, int]:
    """Where each known column stands; empty where the titles do not suffice to join anything.

    Raises:
        InvalidInput: a column is named that is not known or not there, or two columns have the same title.
    """
    bare = [plain(title) for title in titles[:MAX_COLUMNS]]
    found = {}
    for key, names in TITLES.items():
        wanted = (plain(named[key]),) if key in named else names
        known = {t: at for at, t in reversed([*enumerate(bare)])}
        if key == "amount":
            known |= {_CURRENCIES.sub("", t): at for t, at in known.items() if _CURRENCIES.search(t)}
        name = next((n for n in wanted if n in known), None)
        if name is not None:
            if bare.count(name) > 1:
                raise InvalidInput(f"two columns are called {titles[known[name]]!r}", field="file")
            found[key] = known[name]
    enough = "cdr_id" in found or "session_id" in found or ("evse_id" in found and {"start", "date"} & set(found))
    return found if enough else {}


def unknown(named: Mapping[str, str]) -> str | None:
    """The first column that is named and that no list has.

    >>> unknown({"amount": "Summe", "colour": "Farbe"})
    'colour'
    """
    return next((key for key in sorted(named) if key not in TITLES), None)
