"""What mails say to a CPO whose charging we buy and bill ourselves, one row per phrase (EN, DE, FR, NL).

There the eMSP is the issuer: it reviews the list, draws the document up in the CPO's name and pays; the CPO answers.
What ends in HOUSE is said to our own people.
"""

from __future__ import annotations

_LIST = ("See the list", "Liste ansehen", "Voir la liste", "Lijst bekijken")

ROWS: dict[str, tuple[str, str, str, str]] = {
    "WINDOW_OPENED.subject.PURCHASE": (
        "Sessions {period}: the list that we settle with you",
        "Ladevorgänge {period}: die Liste, die wir mit Ihnen abrechnen",
        "Sessions {period} : la liste que nous réglerons avec vous",
        "Sessies {period}: de lijst die wij met u afrekenen",
    ),
    "WINDOW_OPENED.text.PURCHASE": (
        "The list of our drivers' charging sessions at your chargers for {period} is open. We review it until "
        "{closes} ({zone}); a session that we dispute is told to you with its reason. For all others we then draw "
        "up the self-billing invoice in your name.",
        "Die Liste der Ladevorgänge unserer Kundschaft an Ihren Ladepunkten für {period} liegt offen. Wir prüfen "
        "sie bis {closes} ({zone}); was wir beanstanden, teilen wir Ihnen mit Begründung mit. Über alles Übrige "
        "stellen wir danach die Gutschrift in Ihrem Namen aus.",
        "La liste des sessions de recharge de nos clients sur vos bornes pour {period} est ouverte. Nous la "
        "contrôlons jusqu'au {closes} ({zone}) ; toute session que nous contestons vous est signalée avec son "
        "motif. Pour les autres, nous établissons ensuite l'autofacture en votre nom.",
        "De lijst met laadsessies van onze klanten aan uw laadpunten voor {period} staat open. Wij controleren haar "
        "tot {closes} ({zone}); wat wij betwisten, melden wij u met de reden. Voor al het andere stellen wij daarna "
        "namens u de factuur op.",
    ),
    "WINDOW_CLOSING.subject.PURCHASE": (
        "Our review of {period} ends on {closes}",
        "Unsere Prüfung von {period} endet am {closes}",
        "Notre contrôle de {period} se termine le {closes}",
        "Onze controle van {period} eindigt op {closes}",
    ),
    "WINDOW_CLOSING.text.PURCHASE": (
        "Our review of the sessions of {period} ends on {closes} ({zone}). Until then sessions may still be "
        "disputed; please answer the disputes that are open.",
        "Unsere Prüfung der Ladevorgänge von {period} endet am {closes} ({zone}). Bis dahin können Vorgänge noch "
        "beanstandet werden; bitte beantworten Sie die offenen Reklamationen.",
        "Notre contrôle des sessions de {period} se termine le {closes} ({zone}). D'ici là, des sessions peuvent "
        "encore être contestées ; merci de répondre aux contestations ouvertes.",
        "Onze controle van de sessies van {period} eindigt op {closes} ({zone}). Tot dan kunnen sessies nog worden "
        "betwist; wilt u de openstaande betwistingen beantwoorden.",
    ),
    "WINDOW_CLOSED.text.PURCHASE": (
        "Our review of {period} closed on {closes} ({zone}). The list is locked; the self-billing invoice that we "
        "draw up in your name follows.",
        "Unsere Prüfung von {period} endete am {closes} ({zone}). Die Liste ist gesperrt; die Gutschrift, die wir "
        "in Ihrem Namen ausstellen, folgt.",
        "Notre contrôle de {period} s'est terminé le {closes} ({zone}). La liste est verrouillée ; l'autofacture "
        "que nous établissons en votre nom suit.",
        "Onze controle van {period} sloot op {closes} ({zone}). De lijst is vergrendeld; de factuur die wij namens "
        "u opstellen, volgt.",
    ),
    "INVOICE_PACKAGE.subject.PURCHASE": (
        "Self-billing invoice {number} for {period}",
        "Gutschrift {number} für {period}",
        "Autofacture {number} pour {period}",
        "Factuur uitgereikt door afnemer {number} voor {period}",
    ),
    "INVOICE_PACKAGE.text.PURCHASE": (
        "Here is self-billing invoice {number}, which we drew up in your name for the charging sessions of "
        "{period}, with the list of all sessions behind it. Please accept it or object to it; we pay what was "
        "accepted.",
        "Hier ist die Gutschrift {number}, die wir in Ihrem Namen über die Ladevorgänge von {period} ausgestellt "
        "haben, mit der Liste aller zugehörigen Vorgänge. Bitte nehmen Sie sie an oder widersprechen Sie ihr; wir "
        "zahlen, was angenommen ist.",
        "Voici l'autofacture {number}, que nous avons établie en votre nom pour les sessions de recharge de "
        "{period}, avec la liste de toutes les sessions. Merci de l'accepter ou de la contester ; nous payons ce "
        "qui est accepté.",
        "Hierbij de factuur uitgereikt door afnemer {number}, die wij namens u hebben opgesteld voor de laadsessies "
        "van {period}, met de lijst van alle bijbehorende sessies. Wilt u haar aanvaarden of er bezwaar tegen "
        "maken; wij betalen wat is aanvaard.",
    ),
    "INVOICE_PACKAGE.subject.PURCHASE_CREDIT": (
        "Self-billing credit note {number} for {period}",
        "Korrektur {number} zur Gutschrift für {period}",
        "Avoir sur autofacture {number} pour {period}",
        "Creditnota uitgereikt door afnemer {number} voor {period}",
    ),
    "INVOICE_PACKAGE.text.PURCHASE_CREDIT": (
        "Here is credit note {number}, which corrects what we billed in your name for {period}. Please accept it or "
        "object to it; it lowers what we pay to you.",
        "Hier ist die Korrektur {number}, die mindert, was wir in Ihrem Namen für {period} abgerechnet haben. Bitte "
        "nehmen Sie sie an oder widersprechen Sie ihr; sie verringert, was wir Ihnen zahlen.",
        "Voici l'avoir {number}, qui corrige ce que nous avons facturé en votre nom pour {period}. Merci de "
        "l'accepter ou de le contester ; il diminue ce que nous vous payons.",
        "Hierbij creditnota {number}, die corrigeert wat wij namens u voor {period} hebben gefactureerd. Wilt u "
        "haar aanvaarden of er bezwaar tegen maken; zij verlaagt wat wij u betalen.",
    ),
    "greeting.HOUSE": ("Hello,", "Guten Tag,", "Bonjour,", "Beste collega's,"),
    "WINDOW_OPENED.subject.HOUSE": (
        "{partner}, {period}: please review by {closes}",
        "{partner}, {period}: bitte prüfen bis {closes}",
        "{partner}, {period} : à contrôler avant le {closes}",
        "{partner}, {period}: graag controleren tot {closes}",
    ),
    "WINDOW_OPENED.text.HOUSE": (
        "The list of our drivers' charging sessions at the chargers of {partner} for {period} is open. What we have "
        "not disputed by {closes} ({zone}) counts as accepted, and we draw up the self-billing invoice.",
        "Die Liste der Ladevorgänge unserer Kundschaft an den Ladepunkten von {partner} für {period} liegt offen. Was "
        "wir bis {closes} ({zone}) nicht beanstanden, gilt als anerkannt, und wir stellen die Gutschrift aus.",
        "La liste des sessions de recharge de nos clients sur les bornes de {partner} pour {period} est ouverte. Ce "
        "que nous ne contestons pas avant le {closes} ({zone}) est réputé accepté, et nous établissons l'autofacture.",
        "De lijst met laadsessies van onze klanten aan de laadpunten van {partner} voor {period} staat open. Wat wij "
        "niet vóór {closes} ({zone}) betwisten, geldt als aanvaard, en wij stellen de factuur op.",
    ),
    "WINDOW_CLOSING.subject.HOUSE": (
        "Reminder: our review of {partner}, {period} ends on {closes}",
        "Erinnerung: unsere Prüfung von {partner}, {period} endet am {closes}",
        "Rappel : notre contrôle de {partner}, {period} se termine le {closes}",
        "Herinnering: onze controle van {partner}, {period} eindigt op {closes}",
    ),
    "WINDOW_CLOSING.text.HOUSE": (
        "Our review of the sessions at the chargers of {partner} for {period} ends on {closes} ({zone}). After that "
        "instant we can file no dispute.",
        "Unsere Prüfung der Ladevorgänge an den Ladepunkten von {partner} für {period} endet am {closes} ({zone}). "
        "Danach können wir nichts mehr beanstanden.",
        "Notre contrôle des sessions sur les bornes de {partner} pour {period} se termine le {closes} ({zone}). "
        "Ensuite, nous ne pouvons plus rien contester.",
        "Onze controle van de sessies aan de laadpunten van {partner} voor {period} eindigt op {closes} ({zone}). "
        "Daarna kunnen wij niets meer betwisten.",
    ),
    "row.accept_by": (
        "Accepted unless objected to by",
        "Angenommen ohne Widerspruch bis",
        "Accepté sauf contestation avant le",
        "Aanvaard zonder bezwaar vóór",
    ),
    "button.WINDOW_OPENED.PURCHASE": _LIST,
    "button.WINDOW_CLOSING.PURCHASE": _LIST,
}
